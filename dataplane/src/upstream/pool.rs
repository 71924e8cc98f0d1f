//! Idle connections to the endpoints, kept by the core that made them.
//!
//! A connection comes back only when its last response was read to the end and nothing followed it; before it is
//! used again it is looked at once more. So the next request never meets somebody else's bytes, and a connection
//! that the backend closed while it was idle is mostly found out before a request is lost on it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::io::stream::{ReadHalf, WriteHalf};

/// Idle connections that a core keeps for one endpoint.
const IDLE_MAX_PER_ENDPOINT: usize = 128;
/// A connection that was idle for so long is closed. Below the idle timeout of common servers (60 s and more).
const IDLE_MAX: Duration = Duration::from_secs(50);

/// The endpoints that a core knows.
#[derive(Debug, Default)]
pub struct Pool {
    endpoints: RefCell<HashMap<SocketAddr, Rc<Endpoint>>>,
}

/// One address, with its idle connections and its load.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    in_flight: Cell<u32>,
    idle: RefCell<Vec<Idle>>,
}

/// A connection to a backend.
#[derive(Debug)]
pub struct Connection {
    /// What the backend sends.
    pub read: ReadHalf,
    /// What it is sent.
    pub write: WriteHalf,
    /// Bytes that have arrived and are not yet used.
    pub buffer: BytesMut,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// Counts as load on an endpoint while it lives.
#[derive(Debug)]
pub struct InFlight(Rc<Endpoint>);

impl Pool {
    /// The endpoint at `address`.
    pub fn endpoint(&self, address: SocketAddr) -> Rc<Endpoint> {
        let mut endpoints = self.endpoints.borrow_mut();
        let new = || Rc::new(Endpoint { address, in_flight: Cell::new(0), idle: RefCell::default() });
        endpoints.entry(address).or_insert_with(new).clone()
    }

    /// Requests in flight to `address` on this core.
    pub fn load(&self, address: SocketAddr) -> u32 {
        self.endpoints.borrow().get(&address).map_or(0, |endpoint| endpoint.in_flight.get())
    }

    /// Forgets endpoints that no plan names any more; their idle connections are closed, running requests end.
    pub fn retain(&self, named: &HashSet<SocketAddr>) {
        self.endpoints.borrow_mut().retain(|address, _| named.contains(address));
    }

    /// Closes what has been idle for too long, and what the backend has closed already.
    pub fn sweep(&self, now: Instant) {
        for endpoint in self.endpoints.borrow().values() {
            endpoint.idle.borrow_mut().retain(|idle| idle.is_usable(now));
        }
    }

    /// Idle connections of all endpoints.
    pub fn idle(&self) -> usize {
        self.endpoints.borrow().values().map(|endpoint| endpoint.idle.borrow().len()).sum()
    }
}

impl Endpoint {
    /// The most recently used idle connection that still looks alive.
    pub fn checkout(&self, now: Instant) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(candidate) = idle.pop() {
            if candidate.is_usable(now) {
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Takes back a connection whose last response ended cleanly.
    pub fn checkin(&self, mut connection: Connection, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX_PER_ENDPOINT && connection.buffer.is_empty() {
            // Idle connections hold no buffer.
            connection.buffer = BytesMut::new();
            idle.push(Idle { connection, since: now });
        }
    }

    /// Adds one request to the endpoint's load.
    pub fn enter(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(self.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

impl Idle {
    /// Bytes on an idle connection belong to no request: such a connection is never used again.
    fn is_usable(&self, now: Instant) -> bool {
        let is_young = now.saturating_duration_since(self.since) <= IDLE_MAX;
        is_young && self.connection.read.socket().is_quiet()
    }
}
