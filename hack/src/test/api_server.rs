//! The tier `api-server`: one environment for all its tests, started once, ended with the tier.
//!
//! Its programs are Go's, and take minutes to build the first time: that begins before anything else does.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::anyhow;

use super::Tier;
use super::driver::Driver;
use super::executables::{self, Package, Run};
use super::record::Entry;
use super::summary::{Row, Summary};
use crate::apiserver::{CLUSTER_VARIABLE, Environment};
use crate::{netns, say, tools};

/// The programs, as they are being built.
pub(super) struct Preparation {
    built: JoinHandle<anyhow::Result<()>>,
}

/// Why the tier cannot run on this machine.
pub(super) fn missing() -> Option<String> {
    tools::missing().map(|reason| format!("NOT RUN: {reason}; it builds the API server"))
}

/// Begins to build, beside whatever else is done.
pub(super) fn prepare() -> Preparation {
    say::step("building the API server's programs in the background (minutes the first time, then never)");
    Preparation { built: tools::build_in_background() }
}

/// Runs the tier's tests of every package.
pub(super) fn run(
    preparation: Preparation,
    packages: &[Package],
    variables: &[(&str, &OsStr)],
    summary: &mut Summary,
) -> anyhow::Result<Vec<Entry>> {
    let started = Instant::now();
    let environment = start(preparation);
    let row = Row::check("build and start the API server", environment.is_ok(), started.elapsed());
    let environment = match environment {
        Ok(environment) => environment,
        Err(error) => {
            say::warn(&format!("no API server: {error:#}"));
            summary.add(row.note("its tests did not run"));
            return Ok(Vec::new());
        }
    };
    summary.add(row);
    if let Some(reason) = netns::missing() {
        say::warn(&format!("tests that send traffic will fail: {reason}"));
    }
    let mut variables = variables.to_vec();
    variables.push((CLUSTER_VARIABLE, environment.folder().as_os_str()));
    let run = Run { tier: Tier::ApiServer, driver: Driver::native(), variables: &variables };
    let mut tests = Vec::new();
    for package in packages {
        tests.extend(executables::run(package, &run, summary)?);
    }
    Ok(tests)
}

fn start(preparation: Preparation) -> anyhow::Result<Environment> {
    say::step("waiting for the API server's programs");
    preparation.built.join().map_err(|_| anyhow!("building panicked"))??;
    say::step("starting the API server");
    Environment::start()
}

/// A command that runs a test of this tier: as root of a user namespace, where we are not root.
pub(super) fn command(program: &Path) -> Command {
    netns::privileged(program)
}
