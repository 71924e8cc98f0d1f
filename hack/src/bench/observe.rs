//! What it costs to see every attempt: against the same program with all of it off.
//!
//! Three ways of looking. Instructions per request are the same on every machine; processor time per request also has
//! what the kernel does; and latencies show whether a bad collector is felt by anybody.

mod apart;
mod instructions;
mod latency;
mod mode;
mod processor;
mod ratio;
mod scene;
mod sink;

use std::process::ExitCode;
use std::time::Duration;

use self::ratio::Ratio;
use self::scene::Scene;
use crate::cleanup::Deadline;
use crate::programs::{Profile, dataplane};
use crate::say;

/// The benchmark ends within this time after the build, whatever happens.
const BENCH_MAX: Duration = Duration::from_secs(60 * 60);

/// Both runs of a pair are cut into so many slices, which take turns: whatever else the machine does meets both.
const SLICES: u32 = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only one of the three.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Pairs of runs, with and without.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(20..=1_000))]
    pairs: u16,
    /// Requests of one run, rounded down to tens.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    requests: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Instructions per request, counted by callgrind.
    Instructions,
    /// Processor time per request.
    Processor,
    /// The latency that 99 of 100 requests do not exceed, with bad collectors.
    Latency,
}

/// How much more something may cost.
struct Goal {
    what: &'static str,
    measured: Ratio,
    /// None: measured without a promise.
    max: Option<f64>,
}

impl Goal {
    fn is_kept(&self) -> bool {
        self.max.is_none_or(|max| self.measured.mean <= max)
    }

    fn say(&self) {
        let promise = self.max.map_or(String::new(), |max| format!(" (at most {max:.2})"));
        let verdict = if self.is_kept() { "" } else { "  FAIL" };
        say::result(&format!("  {:<24} {}{promise}{verdict}", self.what, self.measured));
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let program = dataplane(Profile::Release)?;
    let _deadline = Deadline::start(BENCH_MAX, "the benchmark");
    let wanted = |part| args.only.is_none_or(|only| only == part);
    let mut goals = Vec::new();
    if wanted(Part::Instructions) {
        goals.extend(report("instructions per request", instructions::measure(&program)?));
    }
    if wanted(Part::Processor) {
        goals.extend(report("processor time per request", processor::measure(&program, args)?));
    }
    if wanted(Part::Latency) {
        goals.extend(report("latency, p99, by collector", latency::measure(&program, args)?));
    }
    let passed = goals.iter().all(Goal::is_kept);
    say::result(if passed { "PASS" } else { "FAIL" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Args {
    /// Requests of a slice.
    fn slice(&self) -> usize {
        (self.requests / SLICES) as usize
    }
}

/// The slices of a pair, each told which of the two it is of.
fn alternate(
    pair: [&Scene; 2],
    mut slice: impl FnMut(usize, &Scene) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for number in 0..SLICES {
        // Neither is always the first.
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        order.into_iter().try_for_each(|which| slice(which, pair[which]))?;
    }
    Ok(())
}

fn report(what: &str, goals: Vec<Goal>) -> Vec<Goal> {
    say::result(&format!("{what}, as a ratio to everything off (95 % interval)"));
    goals.iter().for_each(Goal::say);
    goals
}
