//! Checks the folder of an OLM bundle against every rule of registry+v1 that OLM enforces, v0 or v1, early or late.
//!
//! OLM's own `opm` lets a webhook without a deployment and a webhook with an illegal name pass, and an installation is a
//! late place to learn of them. Every fault has a name, and all of them are told at once. Reading is in [`folder`];
//! the rest is pure. Absent: making a bundle, which is `generate`'s.

pub mod fault;
pub mod folder;
mod grammar;
pub mod manifests;
mod node;
mod rules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::fault::Finding;
use self::folder::Folder;
use self::manifests::Bundle;
use crate::programs::workspace;
use crate::say;

/// Work on the OLM bundle.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print everything that OLM, or a catalog, would refuse.
    Check {
        /// The folder of `manifests/` and `metadata/`.
        #[arg(default_value = "bundle")]
        folder: PathBuf,
    },
}

/// `cargo xtask bundle`. Succeeds when there is no fault.
///
/// # Errors
/// When the folder cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Check { folder } = &args.what;
    let findings = check(&workspace().join(folder))?;
    for finding in &findings {
        say::result(&finding.to_string());
    }
    say::result(&format!("{} faults in {}", findings.len(), folder.display()));
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every fault of the bundle in a folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn check(folder: &Path) -> anyhow::Result<Vec<Finding>> {
    Ok(findings(&Folder::read(folder)?))
}

/// Every fault of a bundle.
#[must_use]
pub fn findings(folder: &Folder) -> Vec<Finding> {
    let (bundle, mut findings) = Bundle::parse(folder);
    findings.extend(rules::findings(&bundle));
    findings
}
