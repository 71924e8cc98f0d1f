//! The scripted backend: answers what the request's query asks for, as the fortio server of the seed's page does.
//!
//! Built on monoio-http, whose place is here: its clients are trusted, each connection's panics end with that
//! connection, and the process is thrown away. Absent: routing, limits against hostile clients, TLS.

pub mod script;
mod serve;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::Context;

use crate::say;

/// A running backend on a port of its own. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    state: Arc<State>,
    /// Closed to say stop: not a connection, because its owner may be where the port cannot be reached from.
    wanted: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// What the serving thread and the owner of a [`Backend`] both see.
#[derive(Debug, Default)]
struct State {
    attempts: AtomicU64,
    statuses: Mutex<BTreeMap<u16, u64>>,
}

impl Backend {
    /// Starts a backend on loopback whose dice are fixed by `seed`; port 0 picks a free one.
    ///
    /// # Errors
    /// When the port is taken or the thread cannot be started.
    pub fn start(port: u16, seed: u64) -> anyhow::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, port).into(), seed)
    }

    /// As [`start`](Self::start), on an address of the network namespace that the caller is in.
    ///
    /// # Errors
    /// When the address is not there, the port is taken or the thread cannot be started.
    pub fn start_on(address: SocketAddr, seed: u64) -> anyhow::Result<Self> {
        let (bound, bound_to) = mpsc::channel();
        let (wanted, until) = UnixStream::pair().context("make the stop signal")?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("backend".to_owned())
            .spawn(move || serve::run(address, seed, &shared, until, &bound))
            .context("start the scripted backend")?;
        let address =
            bound_to.recv().context("the scripted backend ended")?.context("bind the scripted backend")?;
        Ok(Self { address, state, wanted: Some(wanted), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests seen so far, whatever they were answered.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.state.attempts.load(Ordering::Relaxed)
    }

    /// Answers given so far, by status.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        self.state.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl State {
    fn count(&self, status: u16) {
        *self.statuses.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }
}

/// Runs the scripted backend by itself, until it is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port; 0 picks a free one, which is printed.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Address.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    bind: IpAddr,
    /// Fixes the dice; random without it.
    #[arg(long)]
    seed: Option<u64>,
}

/// `cargo xtask backend`.
///
/// # Errors
/// When the port is taken.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let backend = Backend::start_on((args.bind, args.port).into(), seed)?;
    say::result(&format!("listening on http://{} (seed {seed})", backend.address()));
    say::result(&format!(
        "  curl 'http://{}/echo?status=503:10'   one answer in ten is 503",
        backend.address()
    ));
    say::result(&format!(
        "  curl 'http://{}/_counts'              what it was asked so far",
        backend.address()
    ));
    loop {
        thread::park();
    }
}
