//! From the API server's answer to an edit of a route to the data plane serving by it, stage by stage, with many routes.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::site::{Site, Size};
use crate::cleanup::Deadline;
use crate::load::percentile;
use crate::programs::{Profile, Programs};
use crate::say;

/// From the answer to the active generation, for half of the edits.
const P50_MAX: Duration = Duration::from_millis(20);
/// The same for 99 of 100.
const P99_MAX: Duration = Duration::from_millis(100);
/// The benchmark ends within this time after the build, whatever happens.
const BENCH_MAX: Duration = Duration::from_secs(20 * 60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many routes there are.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    routes: u32,
    /// How many edits are made, one at a time.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    edits: u32,
}

/// When each stage of one edit was over, from the answer of the API server.
#[derive(Debug, Clone, Copy)]
struct Edit {
    /// The operator has written the manifest.
    written: Duration,
    /// The agent has written the file.
    joined: Duration,
    /// The data plane serves by it.
    active: Duration,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let programs = Programs::build(Profile::Release)?;
    let _deadline = Deadline::start(BENCH_MAX, "the benchmark");
    let size = Size { routes: args.routes, namespaces: 1 };
    let mut site = Site::start(&programs, size)?;
    say::step(&format!("editing {} of {} routes, one at a time", args.edits, args.routes));
    let edits: Vec<_> =
        (0..args.edits).map(|number| edit(&mut site, args.routes, number)).collect::<anyhow::Result<_>>()?;
    say::result(&format!("operator, resident            {} MiB", site.operator_memory()? / 1024 / 1024));
    say::result(&format!("data plane, resident          {} MiB", site.dataplane_memory()? / 1024 / 1024));
    site.operator_stages()?.iter().for_each(|line| say::result(line));
    Ok(report(&edits))
}

fn edit(site: &mut Site, routes: u32, number: u32) -> anyhow::Result<Edit> {
    let before = site.generation()?;
    let route = number.wrapping_mul(7_919) % routes;
    site.edit(route, number)?;
    let answered = Instant::now();
    let joined = site.await_file(answered).context("the agent writes no file")?;
    let active = site.await_generation_after(before, answered)?;
    let written = site.written(answered)?;
    Ok(Edit { written, joined: joined.min(active), active })
}

fn report(edits: &[Edit]) -> ExitCode {
    let stage = |what: &str, of: fn(&Edit) -> Duration| {
        let mut times: Vec<_> = edits.iter().map(of).collect();
        times.sort_unstable();
        let [p50, p90, p99, max] = [50, 90, 99, 100].map(|part| percentile(&times, part));
        let ms = |time: Duration| format!("{:8.1}", time.as_secs_f64() * 1000.0);
        say::result(&format!("{what:<44}{}{}{}{}", ms(p50), ms(p90), ms(p99), ms(max)));
        (p50, p99)
    };
    say::result(&format!(
        "{:<44}{:>8}{:>8}{:>8}{:>8}",
        format!("{} edits, ms", edits.len()),
        "p50",
        "p90",
        "p99",
        "max"
    ));
    stage("answer -> manifest seen (operator)", |it| it.written);
    stage("manifest seen -> file written (agent)", |it| it.joined.saturating_sub(it.written));
    stage("file written -> active (data plane)", |it| it.active.saturating_sub(it.joined));
    let (p50, p99) = stage("answer -> active", |it| it.active);
    let passed = p50 <= P50_MAX && p99 <= P99_MAX;
    let (p50, p99) = (P50_MAX.as_millis(), P99_MAX.as_millis());
    say::result(&format!("promised: p50 at most {p50} ms, p99 at most {p99} ms"));
    say::result(if passed { "PASS" } else { "FAIL" });
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
