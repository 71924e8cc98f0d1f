//! All checks and tests of the project, in tiers: what a developer runs, and what CI runs.
//!
//! `fast` needs nothing but Rust. It runs every test twice: with io_uring, and with io_uring denied by a seccomp
//! filter, as it is in most containers. `api-server` runs the files `tests/cluster_*.rs` of every package, once, against
//! a real API server that it builds and starts. `tools` runs the files `tests/tools_*.rs`, once, with a browser and
//! Prometheus, which are fetched if need be. A failed step does not stop the others: one run shows everything.

mod api_server;
mod checks;
mod driver;
mod executables;
mod libtest;
pub mod record;
mod summary;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::ValueEnum as _;

use self::driver::Driver;
use self::executables::{Package, Run};
use self::record::{Entry, Record};
use self::summary::{Row, Summary};
use crate::programs::{PROGRAMS_VARIABLE, Profile, Programs};
use crate::{debian, say};

/// Test files that begin with this belong to the tier `api-server`.
const CLUSTER_PREFIX: &str = "cluster_";
/// Those that begin with this belong to the tier `tools`, and all others to `fast`.
const TOOLS_PREFIX: &str = "tools_";

/// Runs the checks and tests of every tier, or of one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One tier only.
    #[arg(long, value_enum)]
    tier: Option<Tier>,
}

/// What a group of tests needs around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tier {
    /// Nothing but Rust.
    Fast,
    /// Programs of the distribution: a browser, and Prometheus.
    Tools,
    /// A real API server and etcd.
    ApiServer,
    /// A real node with containers.
    Cluster,
}

impl Tier {
    /// The tier of a test target.
    fn of(target: &str) -> Self {
        let has = |prefix| target.starts_with(prefix);
        if has(CLUSTER_PREFIX) {
            Self::ApiServer
        } else if has(TOOLS_PREFIX) {
            Self::Tools
        } else {
            Self::Fast
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fast => "tier fast",
            Self::Tools => "tier tools",
            Self::ApiServer => "tier api-server",
            Self::Cluster => "tier cluster",
        }
    }

    /// Fetches the programs of `tools`. Fails with the reason when the tier cannot run.
    fn prepare(self) -> Result<(), String> {
        match self {
            Self::Fast => Ok(()),
            Self::Tools => debian::fetch_all().map_err(|reason| format!("NOT RUN: {reason}")),
            Self::ApiServer => api_server::missing().map_or(Ok(()), Err),
            Self::Cluster => Err("does not exist yet: there is no image to run in a cluster".to_owned()),
        }
    }
}

/// `cargo xtask test`. Succeeds when nothing failed and what was asked for exists.
///
/// # Errors
/// When the run itself cannot go on; a failed test is not an error but a row of the summary.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut summary = Summary::default();
    let asked = args.tier.as_ref().map_or(Tier::value_variants(), std::slice::from_ref);
    let (mut tiers, mut missing) = (Vec::new(), Vec::new());
    for tier in asked {
        match tier.prepare() {
            Ok(()) => tiers.push(*tier),
            Err(reason) => missing.push((tier.name(), reason)),
        }
    }
    let sources = record::fingerprint()?;
    let tests = run_tiers(&tiers, &mut summary)?;
    if args.tier.is_none() {
        Record { sources, tests }.save()?;
    }
    for (name, reason) in &missing {
        say::warn(&format!("{name}: {reason}"));
        summary.add(Row::skipped(name, reason));
    }
    say::result(&summary.table());
    say::result(&summary.last_line());
    Ok(if summary.has_failed() || tiers.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_tiers(tiers: &[Tier], summary: &mut Summary) -> anyhow::Result<Vec<Entry>> {
    if tiers.is_empty() {
        return Ok(Vec::new());
    }
    // First of all: it takes minutes, and Rust is not needed for it.
    let environment = tiers.contains(&Tier::ApiServer).then(api_server::prepare);
    if tiers.contains(&Tier::Fast) {
        checks::run(summary)?;
    }
    let packages = executables::build(tiers, summary)?;
    let programs = Programs::build(Profile::Dev)?;
    let variables = [(PROGRAMS_VARIABLE, programs.folder().as_os_str())];
    let mut tests = Vec::new();
    if tiers.contains(&Tier::Fast) {
        tests.extend(fast(&packages, &variables, summary)?);
    }
    if tiers.contains(&Tier::Tools) {
        let run = Run { tier: Tier::Tools, driver: Driver::native(), variables: &variables };
        for package in &packages {
            tests.extend(executables::run(package, &run, summary)?);
        }
    }
    if let Some(environment) = environment {
        tests.extend(api_server::run(environment, &packages, &variables, summary)?);
    }
    Ok(tests)
}

fn fast(
    packages: &[Package],
    variables: &[(&str, &OsStr)],
    summary: &mut Summary,
) -> anyhow::Result<Vec<Entry>> {
    let mut tests = Vec::new();
    for driver in Driver::ALL {
        if let Some(reason) = driver.missing() {
            say::warn(&format!("tests with {driver}: {reason}"));
            summary.add(Row::skipped(&format!("tests with {driver}"), &reason));
            continue;
        }
        for package in packages {
            tests.extend(executables::run(package, &Run { tier: Tier::Fast, driver, variables }, summary)?);
        }
    }
    executables::run_doc_tests(packages, summary)?;
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_tier_that_its_name_says() {
        assert_eq!(Tier::of("cluster_environment"), Tier::ApiServer);
        assert_eq!(Tier::of("seed_page"), Tier::Fast);
        assert_eq!(Tier::of("tools_prometheus"), Tier::Tools);
        assert_eq!(Tier::of("rebound_operator"), Tier::Fast);
    }
}
