//! Policy edits on a running proxy: how long until the data plane serves by each, and whether a request was lost.

use std::process::ExitCode;
use std::time::Duration;

use crate::cleanup::Deadline;
use crate::load::{self, Outcome, percentile};
use crate::programs::{Profile, Programs};
use crate::rig::{Rig, SEED_POLICY, sample};
use crate::say;

/// From the rename of the file to the active generation, for 99 of 100 edits.
const P99_MAX: Duration = Duration::from_millis(100);
/// Connections that are kept busy meanwhile.
const CONNECTIONS: usize = 4;
/// The benchmark ends within this time after the build, whatever happens.
const BENCH_MAX: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many edits.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    edits: u16,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let programs = Programs::build(Profile::Release)?;
    let _deadline = Deadline::start(BENCH_MAX, "the benchmark");
    say::step("starting backend, operator and data plane with the seed's manifests and policy");
    let rig = Rig::seed(&programs, 0)?;
    rig.apply(SEED_POLICY, &sample(SEED_POLICY)?)?;
    say::step(&format!("editing the policy {} times under load over {CONNECTIONS} connections", args.edits));
    let (times, outcome) = load::during(rig.address(), "/echo", CONNECTIONS, || edit(&rig, args.edits));
    drop(rig);
    Ok(report(&times?, &outcome))
}

/// The time of each edit from the rename to the active generation, ascending.
fn edit(rig: &Rig, edits: u16) -> anyhow::Result<Vec<Duration>> {
    let policy = sample(SEED_POLICY)?;
    let mut times = Vec::new();
    for edit in 0..edits {
        // Never what is there already: an edit that changes nothing moves no generation.
        let edited = policy.replace("numRetries: 5", &format!("numRetries: {}", 1 + edit % 4));
        let before = rig.generation()?;
        let renamed = rig.put(SEED_POLICY, &edited)?;
        rig.await_generation_after(before)?;
        times.push(renamed.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn report(times: &[Duration], outcome: &Outcome) -> ExitCode {
    let failed = outcome.requests() - outcome.statuses.get(&200).copied().unwrap_or_default();
    let p99 = percentile(times, 99);
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    say::result(&format!("edits                        {}", times.len()));
    say::result(&format!("rename to active, p50        {}", ms(percentile(times, 50))));
    say::result(&format!("rename to active, p99        {} (at most {})", ms(p99), ms(P99_MAX)));
    say::result(&format!("rename to active, max        {}", ms(percentile(times, 100))));
    say::result(&format!("requests meanwhile           {}", outcome.requests()));
    say::result(&format!("failed requests              {failed} (at most 0)"));
    outcome.errors.iter().take(5).for_each(|error| say::warn(error));
    let passed = failed == 0 && p99 <= P99_MAX;
    say::result(if passed { "PASS" } else { "FAIL" });
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
