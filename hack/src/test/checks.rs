//! The checks that read the sources and run none of them: format, lints, house rules, licences.

use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::summary::{Row, Summary};
use crate::cleanup::Process;
use crate::programs::{cargo, workspace};
use crate::{say, tidy};

/// The most time that one call of cargo may take.
pub(super) const CARGO_MAX: Duration = Duration::from_secs(30 * 60);

/// The version that this project's `deny.toml` was written for.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

pub(super) fn run(summary: &mut Summary) -> anyhow::Result<()> {
    check(summary, "format", "cargo fmt --all --check", &["fmt", "--all", "--check"])?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    check(summary, "lints", "cargo clippy --all-targets -- -D warnings", &lints)?;
    house_rules(summary)?;
    licences(summary)
}

fn check(summary: &mut Summary, name: &str, says: &str, arguments: &[&str]) -> anyhow::Result<()> {
    say::step(&format!("{name}: {says}"));
    let started = Instant::now();
    let passed = succeeds(cargo().args(arguments))?;
    summary.add(Row::check(name, passed, started.elapsed()));
    Ok(())
}

fn house_rules(summary: &mut Summary) -> anyhow::Result<()> {
    say::step("house rules: cargo xtask tidy");
    let started = Instant::now();
    let breaches = tidy::breaches()?;
    for breach in &breaches {
        say::warn(&breach.to_string());
    }
    summary.add(Row::check("house rules", breaches.is_empty(), started.elapsed()));
    Ok(())
}

fn licences(summary: &mut Summary) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut deny = cargo_deny()?;
    say::step("licences, sources, banned crates: cargo deny check bans licenses sources");
    let passed = succeeds(deny.args(["--log-level", "error", "check", "bans", "licenses", "sources"]))?;
    summary.add(Row::check("licences, sources, bans", passed, started.elapsed()));
    Ok(())
}

/// The user's own cargo-deny, or one of ours below `target/`.
fn cargo_deny() -> anyhow::Result<Command> {
    let asked = Command::new("cargo-deny").arg("--version").output();
    let program = match asked {
        Ok(answer) if answer.status.success() => PathBuf::from("cargo-deny"),
        Ok(_) | Err(_) => install_cargo_deny()?,
    };
    let mut deny = Command::new(program);
    deny.current_dir(workspace());
    Ok(deny)
}

fn install_cargo_deny() -> anyhow::Result<PathBuf> {
    let tools = workspace().join("target/rebound/tools");
    let program = tools.join("bin/cargo-deny");
    if !program.is_file() {
        say::step(&format!("installing cargo-deny into {}, once: about 3 minutes", tools.display()));
        let installed = succeeds(cargo().args(["install", "--locked", CARGO_DENY, "--root"]).arg(&tools))?;
        ensure!(installed, "cargo-deny could not be installed");
    }
    Ok(program)
}

/// Runs a command with all that it says on our stderr: stdout is for results.
pub(super) fn succeeds(command: &mut Command) -> anyhow::Result<bool> {
    command.stdin(Stdio::null()).stdout(io::stderr().as_fd().try_clone_to_owned()?);
    let ended = Process::start(command)?.wait(CARGO_MAX)?;
    Ok(ended.is_some_and(|status| status.success()))
}
