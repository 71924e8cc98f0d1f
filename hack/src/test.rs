//! All checks and tests of the project, in tiers: what a developer runs, and what CI runs.
//!
//! `fast` needs nothing but Rust. It runs every test twice: with io_uring, and with io_uring denied by a seccomp
//! filter, as it is in most containers. A failed step does not stop the others: one run shows everything.

mod checks;
mod driver;
mod executables;
mod libtest;
pub mod record;
mod summary;

use std::process::ExitCode;

use self::driver::Driver;
use self::record::Record;
use self::summary::{Row, Summary};
use crate::programs::{PROGRAMS_VARIABLE, Profile, Programs};
use crate::say;

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
    /// A real API server and etcd.
    ApiServer,
    /// A real node with containers.
    Cluster,
}

impl Tier {
    const ALL: [Self; 3] = [Self::Fast, Self::ApiServer, Self::Cluster];

    /// Why a tier has no tests.
    fn missing(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Fast => None,
            Self::ApiServer => {
                Some(("tier api-server", "does not exist yet: there is no cluster mode to test"))
            }
            Self::Cluster => {
                Some(("tier cluster", "does not exist yet: there is no image to run in a cluster"))
            }
        }
    }
}

/// `cargo xtask test`. Succeeds when nothing failed and what was asked for exists.
///
/// # Errors
/// When the run itself cannot go on; a failed test is not an error but a row of the summary.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut summary = Summary::default();
    for tier in args.tier.map_or(Tier::ALL.to_vec(), |tier| vec![tier]) {
        match tier.missing() {
            None => fast(&mut summary, args.tier.is_none())?,
            Some((name, reason)) => {
                say::warn(&format!("{name} {reason}"));
                summary.add(Row::skipped(name, reason));
            }
        }
    }
    say::result(&summary.table());
    say::result(&summary.last_line());
    let nothing_tested = args.tier.is_some_and(|tier| tier.missing().is_some());
    Ok(if summary.has_failed() || nothing_tested { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn fast(summary: &mut Summary, full: bool) -> anyhow::Result<()> {
    let sources = record::fingerprint()?;
    checks::run(summary)?;
    let packages = executables::build(summary)?;
    let programs = Programs::build(Profile::Dev)?;
    let environment = [(PROGRAMS_VARIABLE, programs.folder().as_os_str())];
    let mut tests = Vec::new();
    for driver in Driver::ALL {
        if let Some(reason) = driver.missing() {
            say::warn(&format!("tests with {driver}: {reason}"));
            summary.add(Row::skipped(&format!("tests with {driver}"), &reason));
            continue;
        }
        for package in &packages {
            tests.extend(executables::run(package, driver, &environment, summary)?);
        }
    }
    executables::run_doc_tests(&packages, summary)?;
    if full {
        Record { sources, tests }.save()?;
    }
    Ok(())
}
