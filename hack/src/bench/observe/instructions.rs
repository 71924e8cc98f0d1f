//! Instructions per request, counted by callgrind: the same on every machine, and without what the kernel does.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::Goal;
use super::mode::Mode;
use super::ratio::Ratio;
use super::scene::Scene;
use crate::debian;
use crate::say;

/// Requests of the shorter run; the longer one has twice as many. What starting costs is in both.
const REQUESTS: usize = 2_000;
/// Runs of each length, of which the least counts: a machine that is busy with something else makes requests wait, and
/// whoever waits looks at the clock now and then.
const RUNS: usize = 3;
/// How long callgrind may take to write down what it counted.
const END_MAX: Duration = Duration::from_secs(60);

pub(super) fn measure(program: &Path) -> anyhow::Result<Vec<Goal>> {
    let command = debian::VALGRIND.command()?;
    let valgrind = Path::new(command.get_program());
    let off = per_request(program, Mode::Off, valgrind)?;
    let goal = |mode: Mode| {
        let on = per_request(program, mode, valgrind)?;
        Ok(Goal { what: mode.name(), measured: Ratio::exact(on, off), max: mode.max() })
    };
    Mode::ON.into_iter().map(goal).collect()
}

/// The difference of two runs, so that starting and ending cancel out.
fn per_request(program: &Path, mode: Mode, valgrind: &Path) -> anyhow::Result<f64> {
    let least = |requests| {
        let counts = (0..RUNS).map(|_| count(program, mode, valgrind, requests));
        counts.reduce(|a, b| Ok(a?.min(b?))).unwrap_or(Ok(0))
    };
    let (short, long) = (least(REQUESTS)?, least(2 * REQUESTS)?);
    let each = long.saturating_sub(short) as f64 / REQUESTS as f64;
    say::step(&format!("{}: {each:.0} instructions per request", mode.name()));
    Ok(each)
}

fn count(program: &Path, mode: Mode, valgrind: &Path, requests: usize) -> anyhow::Result<u64> {
    // Its tools are where its package puts them, and that may be below any folder.
    let library = format!("VALGRIND_LIB={}", valgrind.with_file_name("../libexec/valgrind").display());
    let valgrind = valgrind.to_str().context("a path that is not text")?;
    let below = ["env", &library, valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let mut scene = Scene::start(program, mode, &below)?;
    scene.load_at_rest(requests)?;
    scene.dataplane.terminate(END_MAX)?;
    scene.check_used(mode)?;
    let log = scene.dataplane.log();
    let counted = log.lines().find_map(|line| line.split_once("Collected : "));
    Ok(counted.with_context(|| format!("callgrind counted nothing:\n{log}"))?.1.trim().parse()?)
}
