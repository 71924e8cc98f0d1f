//! Processor time per request, user and system, in interleaved pairs: whatever else the machine does meets both.

use std::path::Path;

use super::apart::Apart;
use super::mode::Mode;
use super::ratio::Ratio;
use super::scene::Scene;
use super::{Args, Goal, alternate};
use crate::say;

/// Connections that are kept busy.
const CONNECTIONS: usize = 4;

pub(super) fn measure(program: &Path, args: &Args) -> anyhow::Result<Vec<Goal>> {
    let apart = Apart::begin()?;
    let off = Scene::start(program, Mode::Off, &[])?;
    apart.put(&off.dataplane)?;
    Mode::ON.into_iter().map(|mode| compare(program, mode, &off, &apart, args)).collect()
}

fn compare(program: &Path, mode: Mode, off: &Scene, apart: &Apart, args: &Args) -> anyhow::Result<Goal> {
    say::step(&format!("{}: {} pairs of {} requests", mode.name(), args.pairs, args.requests));
    let on = Scene::start(program, mode, &[])?;
    apart.put(&on.dataplane)?;
    let mut ratios = Vec::new();
    // The first pair fills caches and pools.
    for _ in 0..=args.pairs {
        let before = (on.dataplane.processor_time()?, off.dataplane.processor_time()?);
        alternate([&on, off], |_, scene| scene.load(args.slice(), CONNECTIONS).map(drop))?;
        let after = (on.dataplane.processor_time()?, off.dataplane.processor_time()?);
        // Of both over the whole time: what a slice has to tell is exported after it.
        let (on, off) = (after.0 - before.0, after.1 - before.1);
        ratios.push(on.as_secs_f64() / off.as_secs_f64());
    }
    ratios.remove(0);
    on.check_used(mode)?;
    Ok(Goal { what: mode.name(), measured: Ratio::of(&ratios), max: mode.max() })
}
