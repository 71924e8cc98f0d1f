//! The programs under test: built by cargo, each package alone, found where cargo says they are.
//!
//! Alone, because a build of several packages unifies their features, and then the data plane would not be the one
//! that is shipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, ensure};

use crate::say;

/// A folder with both programs, for tests that must not build: set by `cargo xtask test`.
pub const PROGRAMS_VARIABLE: &str = "REBOUND_PROGRAMS";

/// What the Deployment of a data plane has in its environment: what runs on its own should take memory as in a pod.
pub const ALLOCATOR: [(&str, &str); 2] =
    [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_PURGE_DELAY", "100")];

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `rebound-operator`
    pub operator: PathBuf,
    /// `rebound-dataplane`
    pub dataplane: PathBuf,
}

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As they are shipped.
    Release,
    /// As the tests use them: quicker to build.
    Dev,
}

impl Programs {
    /// Builds both, with cargo's own progress on stderr.
    ///
    /// # Errors
    /// When cargo fails.
    pub fn build(profile: Profile) -> anyhow::Result<Self> {
        Ok(Self {
            dataplane: build("rebound-dataplane", profile)?,
            operator: build("rebound-operator", profile)?,
        })
    }

    /// The programs for tests: those that [`PROGRAMS_VARIABLE`] names, or built now, once per process.
    ///
    /// # Errors
    /// When cargo fails.
    pub fn for_tests() -> anyhow::Result<Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            let named = std::env::var_os(PROGRAMS_VARIABLE).map(|folder| Self::inside(Path::new(&folder)));
            named.map_or_else(|| Self::build(Profile::Dev), Ok).map_err(|error| format!("{error:#}"))
        });
        built.clone().map_err(anyhow::Error::msg)
    }

    fn inside(folder: &Path) -> Self {
        Self { operator: folder.join("rebound-operator"), dataplane: folder.join("rebound-dataplane") }
    }

    /// The folder that holds them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.operator.parent().unwrap_or(Path::new("."))
    }
}

/// Builds the data plane alone, for what is about nothing else.
///
/// # Errors
/// When cargo fails.
pub fn dataplane(profile: Profile) -> anyhow::Result<PathBuf> {
    build("rebound-dataplane", profile)
}

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let hack = Path::new(env!("CARGO_MANIFEST_DIR"));
    hack.parent().unwrap_or(hack)
}

/// Cargo, in the workspace: the one that runs us if one does.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

fn build(package: &str, profile: Profile) -> anyhow::Result<PathBuf> {
    let release = match profile {
        Profile::Release => "--release",
        Profile::Dev => "--profile=dev",
    };
    say::step(&format!("building {package} (cargo build -p {package} {release})"));
    let built = cargo()
        .args(["build", "-p", package, "--bin", package, release, "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(built.status.success(), "cargo could not build {package}");
    executables(&built.stdout)
        .pop()
        .map(|built| built.path)
        .with_context(|| format!("cargo built no {package}"))
}

/// An executable that cargo has built.
#[derive(Debug, Clone)]
pub struct Executable {
    /// Name of the target: a library, a program or a file of `tests/`.
    pub target: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The executables that cargo's JSON messages name, in their order.
#[must_use]
pub fn executables(messages: &[u8]) -> Vec<Executable> {
    let lines = messages.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let named = messages.filter_map(|message| {
        let path = PathBuf::from(message["executable"].as_str()?);
        Some(Executable { target: message["target"]["name"].as_str()?.to_owned(), path })
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocator_is_set_up_as_in_a_deployment() {
        assert_eq!(ALLOCATOR, rebound_operator::build::ALLOCATOR);
    }
}
