//! The two ways in which the data plane waits for sockets, and how a test is run under each.

use std::fmt;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::deny_io_uring;

/// What a test run allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// io_uring works.
    Uring,
    /// io_uring is denied: epoll is left.
    Epoll,
}

impl Driver {
    pub(super) const ALL: [Self; 2] = [Self::Uring, Self::Epoll];

    /// Why there can be no run with this driver on this machine.
    pub(super) fn missing(self) -> Option<String> {
        let refusal = deny_io_uring::refusal().filter(|_| self == Self::Uring)?;
        Some(format!("NOT RUN: this machine refuses io_uring ({refusal})"))
    }

    /// What this machine offers by itself.
    pub(super) fn native() -> Self {
        if deny_io_uring::is_available() { Self::Uring } else { Self::Epoll }
    }

    /// A command that runs `program` under this driver.
    pub(super) fn command(self, program: &Path) -> Command {
        match self {
            Self::Uring => Command::new(program),
            // By this name, because a build may have replaced the file that we were started from.
            Self::Epoll => {
                let mut filter = Command::new("/proc/self/exe");
                filter.arg("deny-io-uring").arg("--").arg(program);
                filter
            }
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uring => "io_uring",
            Self::Epoll => "io_uring denied",
        })
    }
}
