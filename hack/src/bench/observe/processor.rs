//! Processor time per request, user and system, in interleaved pairs: whatever else the machine does meets both.

use std::path::Path;

use super::mode::Mode;
use super::ratio::Ratio;
use super::scene::Scene;
use super::{Args, Goal};
use crate::say;

/// Connections that are kept busy.
const CONNECTIONS: usize = 4;

pub(super) fn measure(program: &Path, args: &Args) -> anyhow::Result<Vec<Goal>> {
    let off = Scene::start(program, Mode::Off, &[])?;
    Mode::ON.into_iter().map(|mode| compare(program, mode, &off, args)).collect()
}

fn compare(program: &Path, mode: Mode, off: &Scene, args: &Args) -> anyhow::Result<Goal> {
    say::step(&format!("{}: {} pairs of {} requests", mode.name(), args.pairs, args.requests));
    let on = Scene::start(program, mode, &[])?;
    let requests = args.requests as usize;
    let time =
        |scene: &Scene| Ok::<_, anyhow::Error>(scene.processor_time(requests, CONNECTIONS)?.as_secs_f64());
    // The first run fills caches and pools.
    time(off)?;
    time(&on)?;
    let mut ratios = Vec::new();
    for pair in 0..args.pairs {
        // Neither is always the first.
        let (on, off) = if pair % 2 == 0 {
            let off = time(off)?;
            (time(&on)?, off)
        } else {
            (time(&on)?, time(off)?)
        };
        ratios.push(on / off);
    }
    on.check_used(mode)?;
    Ok(Goal { what: mode.name(), measured: Ratio::of(&ratios), max: mode.max() })
}
