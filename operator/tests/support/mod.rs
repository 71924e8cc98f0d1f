//! The real binary, started on folders of its own.
#![allow(dead_code, reason = "each test program uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rebound_api::config::{Snapshot, codec};

/// A Gateway, and a route to Service `default/web`.
pub(crate) const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: fsm
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: gw}]
  rules:
  - backendRefs: [{name: web, port: 80}]
";

/// The endpoint of that Service.
pub(crate) const BACKEND: &str = "default/web:80=127.0.0.1:9000";

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Manifests in a folder of their own, and a place for output.
pub(crate) struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["in", "staging"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let folder = Self { root };
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.root.path().join("in")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// In place, as careless editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.input().join(name), text).unwrap();
    }

    /// By atomic rename, as careful editors do.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let staged = self.root.path().join("staging").join(name);
        std::fs::write(&staged, text).unwrap();
        std::fs::rename(staged, self.input().join(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.input().join(name)).unwrap();
    }

    /// The snapshot of Gateway `default/gw`.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        snapshot(&self.out().join("default_gw.snapshot"))
    }

    pub(crate) fn status(&self) -> String {
        std::fs::read_to_string(self.out().join("status.yaml")).unwrap_or_default()
    }
}

pub(crate) fn snapshot(path: &Path) -> Option<Snapshot> {
    std::fs::read(path).ok().map(|bytes| codec::decode(&bytes).unwrap())
}

pub(crate) fn operator() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rebound-operator"));
    command.env_remove("RUST_LOG").env_remove("REBOUND_DATAPLANE");
    command
}

/// Runs to the end; yields the exit code and standard output.
pub(crate) fn run<'a>(args: impl IntoIterator<Item = &'a str>) -> (i32, String) {
    let Output { status, stdout, .. } = operator().args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

/// Looks until something is found.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// Looks until something is found, at most for `limit`.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
