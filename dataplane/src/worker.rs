//! One core: a runtime on its own thread, its listeners, its connections, its mailbox.
//!
//! Nothing on a core waits for another core. What comes in from outside comes by the mailbox.

pub mod core;
pub mod limits;
pub mod mailbox;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use self::core::Core;
use self::limits::Limits;
use self::mailbox::{Message, Update};
use crate::clock;
use crate::http::connection;
use crate::io::driver::{Choice, CoreRuntime};
use crate::io::listener::{Closer, Listener};
use crate::io::race::{First, race};
use crate::io::spawn::spawn;
use crate::io::stream::Stream;
use crate::io::timer;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::observer::Observer;
use crate::telemetry::reporting::Reporting;

/// After a failed accept: out of descriptors or memory is nothing that spinning would mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How often idle upstream connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// While draining, clients get this long to send a further request, whose answer then tells them to go.
const DRAIN_IDLE_GRACE: Duration = Duration::from_millis(500);
/// How often a draining core looks whether its connections have ended.
const DRAIN_CHECK: Duration = Duration::from_millis(10);

/// Runs a core to its end on the calling thread. An error means that it could not start.
pub fn run(
    index: usize,
    choice: Choice,
    limits: Limits,
    metrics: Arc<Metrics>,
    reporting: &Reporting,
    mailbox: &flume::Receiver<Message>,
) -> io::Result<()> {
    let mut runtime = CoreRuntime::new(choice)?;
    let driver = runtime.driver();
    metrics.cores[index].set_driver(driver);
    tracing::info!(core = index, driver = driver.name(), "core started");
    let core = Rc::new(Core::new(index, driver, limits, metrics, Observer::new(reporting, clock::wall())));
    runtime.block_on(serve(core, mailbox));
    Ok(())
}

async fn serve(core: Rc<Core>, mailbox: &flume::Receiver<Message>) {
    let mut listeners = HashMap::new();
    let mut next_sweep = clock::now() + SWEEP_INTERVAL;
    let mut next_flush = clock::now() + core.observer.flush_every;
    loop {
        match race(mailbox.recv_async(), timer::sleep_until(next_sweep.min(next_flush))).await {
            First::Left(Ok(Message::Update(update))) => apply(&core, update, &mut listeners),
            // Without a supervisor there is nobody left to serve for.
            First::Left(Ok(Message::Drain) | Err(_)) => break,
            First::Right(()) => {
                let now = clock::now();
                if now >= next_sweep {
                    core.pool.sweep(now);
                    core.metrics().pool_idle.set(core.pool.idle() as u64);
                    next_sweep = now + SWEEP_INTERVAL;
                }
                if now >= next_flush {
                    core.observer.flush(core.metrics(), clock::wall());
                    next_flush = now + core.observer.flush_every;
                }
            }
        }
    }
    drain(&core, listeners).await;
    core.observer.flush(core.metrics(), clock::wall());
}

/// Opens what the plan adds when it is in place, and closes what it drops: no open port is without a plan.
fn apply(core: &Rc<Core>, update: Update, listeners: &mut HashMap<u16, Closer>) {
    let Update { plan, listeners: added } = update;
    let generation = plan.generation;
    let ports: Vec<u16> = plan.router.ports().collect();
    core.set_plan(plan);
    for (port, socket) in added {
        match Listener::new(socket, core.driver) {
            Ok((listener, closer)) => {
                let accepting = accept_all(core.clone(), port, listener);
                spawn(accepting, move || tracing::error!(port, "the accept loop panicked"));
                listeners.insert(port, closer);
            }
            Err(error) => tracing::error!(port, %error, "cannot accept on this core"),
        }
    }
    let gone: Vec<u16> = listeners.keys().copied().filter(|port| !ports.contains(port)).collect();
    gone.iter().filter_map(|port| listeners.remove(port)).for_each(Closer::close);
    tracing::debug!(%generation, "plan in place");
}

/// Accepts until the listener is closed, and then whatever the kernel has completed already.
async fn accept_all(core: Rc<Core>, port: u16, listener: Listener) {
    while !listener.is_closing() {
        if core.client_count() >= core.limits.connections as usize {
            timer::sleep(ACCEPT_PAUSE).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, peer)) => start_connection(&core, port, stream, peer),
            Err(_) if listener.is_closing() => {}
            Err(error) => {
                tracing::warn!(port, %error, "accept failed");
                timer::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while let Some(accepted) = listener.accept_waiting().await {
        match accepted {
            Ok((stream, peer)) => start_connection(&core, port, stream, peer),
            Err(error) => tracing::warn!(port, %error, "accept failed while closing"),
        }
    }
}

fn start_connection(core: &Rc<Core>, port: u16, stream: Stream, peer: SocketAddr) {
    let counted = core.clone();
    // Listed now and not when the task first runs: many accepted at once must not pass the limit.
    let membership = core.enter(stream.socket());
    spawn(connection::serve(core.clone(), port, stream, peer, membership), move || {
        counted.metrics().panics.add(1);
        tracing::error!(%peer, "a connection ended in a panic");
    });
}

/// Clients with a request in flight get their answer and are told to go; the others may send one more request for a
/// short while, so that none is lost on its way.
async fn drain(core: &Core, listeners: HashMap<u16, Closer>) {
    core.start_draining();
    listeners.into_values().for_each(Closer::close);
    let started = clock::now();
    let mut next_flush = started;
    loop {
        timer::sleep(DRAIN_CHECK).await;
        if clock::now() >= next_flush {
            core.observer.flush(core.metrics(), clock::wall());
            next_flush = clock::now() + core.observer.flush_every;
        }
        if core.client_count() == 0 || started.elapsed() >= core.limits.drain() {
            break;
        }
        if started.elapsed() >= DRAIN_IDLE_GRACE {
            core.close_idle_clients();
        }
    }
    tracing::info!(abandoned = core.client_count(), "core drained");
}
