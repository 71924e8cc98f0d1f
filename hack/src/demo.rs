//! The seed's page, played: 100 requests without the policy, the policy, 100 requests with it.

mod report;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use self::report::{Phase, Report};
use crate::cleanup::Deadline;
use crate::load;
use crate::programs::{Profile, Programs};
use crate::rig::{Rig, SEED_POLICY, sample};
use crate::say;

/// Requests that the page sends, before and after the policy.
const REQUESTS: usize = 100;
/// Connections that they are sent over.
const CONNECTIONS: usize = 10;
/// What the page asks the backend for: one answer in ten is a 503.
const TARGET: &str = "/echo?status=503:10";
/// The demo ends within this time after the build, whatever happens.
const DEMO_MAX: Duration = Duration::from_secs(5 * 60);

/// Plays the seed's page on this machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the result as one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Fixes the backend's dice; random without it.
    #[arg(long)]
    seed: Option<u64>,
    /// Leave everything running afterwards, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// `cargo xtask demo`. Succeeds when the policy made every answer a 200.
///
/// # Errors
/// When something cannot be built or started, or a request gets no answer.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let programs = Programs::build(Profile::Release)?;
    let deadline = Deadline::start(DEMO_MAX, "the demo");
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let rig = start(&programs, seed)?;
    let without_policy = phase(&rig, "without a policy");
    add_policy(&rig)?;
    let with_policy = phase(&rig, "with the policy");
    let report = Report { without_policy, with_policy };

    say::result(&report.table());
    if args.keep {
        drop(deadline);
        return keep(&rig, &report, args.json);
    }
    say::step("stopping the proxy and removing its files");
    drop(rig);
    if args.json {
        say::result(&report.json()?);
    }
    report.check()?;
    Ok(ExitCode::SUCCESS)
}

fn start(programs: &Programs, seed: u64) -> anyhow::Result<Rig> {
    say::step(&format!("starting a backend with random failures (seed {seed}), operator and data plane"));
    let rig = Rig::seed(programs, seed).context("start the seed's Gateway")?;
    say::step(&format!(
        "serving the seed's Gateway and HTTPRoute on http://{}, backend {}",
        rig.address(),
        rig.backend.address()
    ));
    Ok(rig)
}

fn phase(rig: &Rig, name: &str) -> Phase {
    say::step(&format!("sending {REQUESTS} requests {name} over {CONNECTIONS} connections: GET {TARGET}"));
    let before = rig.backend.attempts();
    let outcome = load::send(rig.address(), TARGET, REQUESTS, CONNECTIONS);
    Phase::new(outcome, rig.backend.attempts() - before)
}

fn add_policy(rig: &Rig) -> anyhow::Result<()> {
    say::step(&format!("adding config/samples/seed/{SEED_POLICY} to the watched folder"));
    let generation = rig.apply(SEED_POLICY, &sample(SEED_POLICY)?)?;
    say::step(&format!("the data plane serves by it (generation {generation})"));
    Ok(())
}

fn keep(rig: &Rig, report: &Report, json: bool) -> anyhow::Result<ExitCode> {
    say::step(&format!("left running until Ctrl-C; policies are read from {}", rig.manifests().display()));
    say::result(&format!("curl -i 'http://{}{TARGET}'", rig.address()));
    say::result(&format!("curl 'http://{}/metrics'", rig.admin()));
    if json {
        say::result(&report.json()?);
    }
    loop {
        thread::park();
    }
}
