//! The receiver in Python: its packages, installed once below `target/`, and the lines that it prints.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::span::Span;
use crate::programs::workspace;
use crate::say;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Listening(SocketAddr),
    Request {},
    Span(Box<Span>),
    Refused(String),
}

/// The receiver, still to be told how to answer.
pub(super) fn receiver() -> anyhow::Result<Command> {
    let mut command = Command::new("python3");
    command.arg(workspace().join("hack/receiver/receiver.py")).env("PYTHONPATH", packages()?);
    Ok(command)
}

/// Where it says that it listens.
pub(super) fn listening(line: &str) -> Option<SocketAddr> {
    match serde_json::from_str(line).ok()? {
        Line::Listening(address) => Some(address),
        Line::Request {} | Line::Span(_) | Line::Refused(_) => None,
    }
}

/// The spans of a line: one or none.
pub(super) fn spans(line: &str) -> anyhow::Result<Vec<Span>> {
    match serde_json::from_str(line).context("read a line of the receiver")? {
        Line::Span(span) => Ok(vec![*span]),
        Line::Listening(_) | Line::Request {} => Ok(Vec::new()),
        Line::Refused(why) => bail!("the receiver refused a batch: {why}"),
    }
}

/// A folder with the packages that `requirements.txt` pins, named after its content.
fn packages() -> anyhow::Result<PathBuf> {
    let pins = workspace().join("hack/receiver/requirements.txt");
    let mut hasher = DefaultHasher::new();
    fs::read(&pins).with_context(|| format!("read {}", pins.display()))?.hash(&mut hasher);
    let tools = workspace().join("target/rebound/tools");
    let folder = tools.join(format!("python-{:016x}", hasher.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&tools)?;
    // Renamed when it is whole: another test may be installing it too.
    let staged = tools.join(format!(".python-{}-{}", std::process::id(), fastrand::u32(..)));
    say::step("installing the published OTLP messages for Python, once");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
    pip.args(["--no-deps", "--only-binary", ":all:", "--target"])
        .arg(&staged)
        .arg("--requirement")
        .arg(&pins);
    let output = pip.output().context("run python3 -m pip")?;
    ensure!(output.status.success(), "pip: {}", String::from_utf8_lossy(&output.stderr).trim());
    // The other one's is as good.
    if fs::rename(&staged, &folder).is_err() {
        fs::remove_dir_all(&staged)?;
    }
    Ok(folder)
}
