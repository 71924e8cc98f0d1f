//! What the last full test run found, kept in `target/`, with a fingerprint of the sources that it tested.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Tier;
pub use super::driver::Driver;
pub use super::libtest::Verdict;
use crate::programs::workspace;
use crate::sources;

/// Every test of the last full run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Fingerprint of the sources when the run began.
    pub sources: String,
    /// Every test under every driver.
    pub tests: Vec<Entry>,
}

/// One test in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What the run allowed.
    pub driver: Driver,
    /// Package of the test.
    pub package: String,
    /// Target of the package: library, program or a file of `tests/`.
    pub target: String,
    /// Path of the test in its target.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
}

impl Entry {
    /// Whether its tier runs every test once, and not under each driver.
    #[must_use]
    pub fn runs_once(&self) -> bool {
        Tier::of(&self.target) != Tier::Fast
    }
}

impl Record {
    /// Keeps the record as the last one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let path = path();
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, serde_json::to_string_pretty(self)?)
            .with_context(|| format!("write {}", path.display()))
    }

    /// The last record; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last() -> anyhow::Result<Option<Self>> {
        match fs::read(path()) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).context("read the last run")?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("read the last run"),
        }
    }
}

fn path() -> PathBuf {
    workspace().join("target/rebound/last-run.json")
}

/// A fingerprint of everything that a test result depends on: sources, manifests, samples and their names.
///
/// # Errors
/// When a source cannot be read.
pub fn fingerprint() -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    for path in sources::list(&["rs", "toml", "lock", "mod", "sum", "yaml"])? {
        path.hash(&mut hasher);
        fs::read(workspace().join(&path))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
