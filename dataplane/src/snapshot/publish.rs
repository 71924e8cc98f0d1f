//! Hands a plan to every core. All that can fail happens before the first core hears of it.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rebound_api::config::Snapshot;

use super::plan::Plan;
use crate::clock;
use crate::io::listener::{bind_shared, probe};
use crate::route::router::BadPattern;
use crate::worker::mailbox::{Message, Update};

/// The accept loops of a port that was given up end soon, but not at once: until then the port is not free.
const RELEASE_MAX: Duration = Duration::from_secs(2);
/// How often such a port is tried again.
const RELEASE_CHECK: Duration = Duration::from_millis(5);

/// What the cores have been given so far.
#[derive(Debug)]
pub struct Publisher {
    bind: IpAddr,
    plan: Option<Arc<Plan>>,
    /// The one before, kept for one plan longer: mostly it is then freed here and not on a core, where that takes longer
    /// than a request when there are thousands of routes. A request that outlives two reloads still frees it there.
    previous: Option<Arc<Plan>>,
    ports: BTreeSet<u16>,
    /// Ports of earlier plans.
    given_up: BTreeSet<u16>,
    cores: Vec<Option<flume::Sender<Message>>>,
}

/// A listener's address is not to be had. The cores go on with what they have.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} (is another program, or another Gateway, using it?)")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

impl Publisher {
    /// Nothing published yet, for so many cores that have not started yet.
    pub fn new(bind: IpAddr, cores: usize) -> Self {
        Self {
            bind,
            plan: None,
            previous: None,
            ports: BTreeSet::new(),
            given_up: BTreeSet::new(),
            cores: vec![None; cores],
        }
    }

    /// Whether the cores have been given a plan, even if they have not taken it up yet.
    pub fn has_published(&self) -> bool {
        self.plan.is_some()
    }

    /// The plan of a snapshot. It goes on with the budgets of the plan in use.
    pub fn compile(&self, snapshot: Snapshot) -> Result<Arc<Plan>, BadPattern> {
        Plan::compile(snapshot, self.plan.as_deref(), clock::now(), self.cores.len()).map(Arc::new)
    }

    /// Gives a plan to every core. Returns the addresses that are new.
    pub fn publish(&mut self, plan: &Arc<Plan>) -> Result<Vec<SocketAddr>, BindError> {
        let ports: BTreeSet<u16> = plan.router.ports().collect();
        let added: Vec<_> =
            ports.difference(&self.ports).map(|port| SocketAddr::new(self.bind, *port)).collect();
        for address in &added {
            self.probe(*address).map_err(|source| BindError { address: *address, source })?;
        }
        let sockets = self.cores.iter().map(|_| bind_all(&added)).collect::<Result<Vec<_>, _>>()?;
        for (core, listeners) in self.cores.iter().zip(sockets) {
            hand_over(core.as_ref(), Update { plan: plan.clone(), listeners });
        }
        self.previous = self.plan.replace(plan.clone());
        self.given_up.extend(self.ports.difference(&ports));
        self.ports = ports;
        Ok(added)
    }

    /// Gives a core that has just started, or was started anew, what the others have.
    pub fn start_core(&mut self, core: usize, mailbox: flume::Sender<Message>) -> Result<(), BindError> {
        if let Some(plan) = &self.plan {
            let addresses: Vec<_> = self.ports.iter().map(|port| SocketAddr::new(self.bind, *port)).collect();
            let update = Update { plan: plan.clone(), listeners: bind_all(&addresses)? };
            hand_over(Some(&mailbox), update);
        }
        self.cores[core] = Some(mailbox);
        Ok(())
    }

    /// Tells every core to finish what it is doing and end.
    pub fn drain(&self) {
        for core in self.cores.iter().flatten() {
            core.send(Message::Drain).ok();
        }
    }

    /// Fails when somebody else listens on `address`.
    fn probe(&self, address: SocketAddr) -> io::Result<()> {
        let patience = if self.given_up.contains(&address.port()) { RELEASE_MAX } else { Duration::ZERO };
        let deadline = clock::now() + patience;
        loop {
            match probe(address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && clock::now() < deadline => {
                    thread::park_timeout(RELEASE_CHECK);
                }
                result => return result,
            }
        }
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<(u16, TcpListener)>, BindError> {
    let bind = |address: &SocketAddr| match bind_shared(*address) {
        Ok(socket) => Ok((address.port(), socket)),
        Err(source) => Err(BindError { address: *address, source }),
    };
    addresses.iter().map(bind).collect()
}

/// A core that has ended takes no more plans; the supervisor hears of its end in another way.
fn hand_over(core: Option<&flume::Sender<Message>>, update: Update) {
    if let Some(core) = core {
        core.send(Message::Update(update)).ok();
    }
}
