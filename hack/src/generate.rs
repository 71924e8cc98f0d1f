//! Everything that is generated and checked in: the CRDs, what installs the operator, and the reference pages.
//!
//! The sources are the `api` crate, the operator's table of rights, `install` and `observability`. Nobody edits these files; a tidy rule fails when they are stale.

mod bundle;
mod conditions;
mod config;
mod crds;
mod fields;
mod observability;
mod rights;

use std::fs;
use std::process::ExitCode;

use anyhow::Context;

use crate::programs::workspace;
use crate::say;

/// Writes the generated files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write nothing; fail when a file is stale.
    #[arg(long)]
    check: bool,
}

/// A file as it should be.
struct Generated {
    path: String,
    text: String,
}

/// `cargo xtask gen`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stale = stale()?;
    for path in &stale {
        say::result(&format!("{} {path}", if args.check { "stale:" } else { "written:" }));
    }
    if args.check && !stale.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    for file in all()?.iter().filter(|file| stale.contains(&file.path)) {
        let path = workspace().join(&file.path);
        fs::create_dir_all(path.parent().context("a file in a folder")?)?;
        fs::write(&path, &file.text).with_context(|| format!("write {}", file.path))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The generated files that differ from what the sources say.
///
/// # Errors
/// When they cannot be generated.
pub fn stale() -> anyhow::Result<Vec<String>> {
    let differs = |file: &Generated| {
        fs::read_to_string(workspace().join(&file.path)).ok().as_deref() != Some(file.text.as_str())
    };
    Ok(all()?.into_iter().filter(differs).map(|file| file.path).collect())
}

fn all() -> anyhow::Result<Vec<Generated>> {
    let mut files = crds::files()?;
    files.extend(fields::files()?);
    files.push(conditions::file()?);
    files.push(rights::file());
    files.extend(config::files()?);
    files.extend(bundle::files()?);
    files.extend(observability::files()?);
    Ok(files)
}
