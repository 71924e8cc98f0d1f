//! Flags, each also as an environment variable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::io::driver::Choice;

/// An HTTP proxy that retries what is safe to retry. Serves one Gateway, as a snapshot file describes it.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "rebound-dataplane", version)]
pub struct Cli {
    /// The snapshot file; it is replaced by rename and may appear later.
    #[arg(long, env = "REBOUND_SNAPSHOT", value_name = "PATH")]
    pub snapshot: PathBuf,
    /// The address that listeners are bound to; their ports stand in the snapshot.
    #[arg(long, env = "REBOUND_BIND", value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub bind: IpAddr,
    /// Where /livez, /readyz, /metrics and /generation are served; port 0 takes a free one.
    #[arg(long, env = "REBOUND_ADMIN", value_name = "ADDR:PORT", default_value = "0.0.0.0:9901")]
    pub admin: SocketAddr,
    /// Cores to use; by default one for each that the process may run on.
    #[arg(long, env = "REBOUND_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// The kernel interface: io_uring where it is allowed, else epoll.
    #[arg(long, env = "REBOUND_DRIVER", value_enum, default_value_t)]
    pub driver: Choice,
    /// Drain when the process that started this one dies, so that no proxy outlives `rebound-operator run`.
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
    /// What to log, as in RUST_LOG: `debug`, or `info,rebound_dataplane::snapshot=debug`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}
