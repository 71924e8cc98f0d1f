//! Many routes in many namespaces: memory, and what the coming and going of endpoints costs.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use super::site::{Site, Size};
use crate::cleanup::Deadline;
use crate::programs::{Profile, Programs};
use crate::say;

/// Resident memory of the operator.
const OPERATOR_MAX: u64 = 150 * MIB;
/// Resident memory of the data plane.
const DATAPLANE_MAX: u64 = 40 * MIB;
/// Of one core, taken by the operator while endpoints change.
const OPERATOR_CORE_MAX_PERCENT: f64 = 5.0;
/// The benchmark ends within this time after the build, whatever happens.
const BENCH_MAX: Duration = Duration::from_secs(20 * 60);
const MIB: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many routes there are.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    routes: u32,
    /// Over how many namespaces they are spread.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    namespaces: u32,
    /// How many EndpointSlices change in a second.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// For how many seconds they change.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let programs = Programs::build(Profile::Release)?;
    let _deadline = Deadline::start(BENCH_MAX, "the benchmark");
    let mut site = Site::start(&programs, Size { routes: args.routes, namespaces: args.namespaces })?;
    say::result(&format!("{} routes in {} namespaces are served", args.routes, args.namespaces));
    say::step(&format!("changing {} EndpointSlices a second for {} s", args.rate, args.seconds));
    let before = site.processor_times()?;
    let started = Instant::now();
    for turn in 0..args.rate * args.seconds {
        let due = started + Duration::from_secs(1) * turn / args.rate;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        site.move_endpoint(turn)?;
    }
    let took = started.elapsed();
    let after = site.processor_times()?;
    let percent = |at: usize| 100.0 * (after[at] - before[at]).as_secs_f64() / took.as_secs_f64();
    let (operator, dataplane) = (site.operator_memory()?, site.dataplane_memory()?);
    say::result(&format!(
        "operator, resident        {:6} MiB (at most {})",
        operator / MIB,
        OPERATOR_MAX / MIB
    ));
    say::result(&format!(
        "data plane, resident      {:6} MiB (at most {})",
        dataplane / MIB,
        DATAPLANE_MAX / MIB
    ));
    say::result(&format!(
        "operator, of a core       {:6.1} % (at most {OPERATOR_CORE_MAX_PERCENT})",
        percent(0)
    ));
    say::result(&format!("agent, of a core          {:6.1} %", percent(1)));
    say::result(&format!("data plane, of a core     {:6.1} %", percent(2)));
    let passed =
        operator <= OPERATOR_MAX && dataplane <= DATAPLANE_MAX && percent(0) <= OPERATOR_CORE_MAX_PERCENT;
    say::result(if passed { "PASS" } else { "FAIL" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
