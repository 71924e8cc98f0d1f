//! The main thread: starts cores, hands plans to them, starts a core anew that died, drains and joins.
//!
//! Owns everything that is decided for the whole process; other threads only send it events.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::{self, Write};
use std::iter::successors;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use rebound_api::config::Snapshot;

use crate::admin::{self, Health};
use crate::cli::Cli;
use crate::clock;
use crate::io::driver::Choice;
use crate::live;
use crate::snapshot::plan::Plan;
use crate::snapshot::publish::{BindError, Publisher};
use crate::snapshot::watch::{LoadError, watch};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::reporting::{self, Reporting};
use crate::worker;
use crate::worker::limits::Limits;
use crate::worker::mailbox::Message;

/// Time for cores to end beyond their own drain limit.
const JOIN_GRACE: Duration = Duration::from_secs(2);
/// Time for the last spans and log lines to be passed on.
const REPORT_GRACE: Duration = Duration::from_secs(2);
/// How often a plan is tried again that one of its addresses was in the way of.
const BIND_RETRY: Duration = Duration::from_secs(1);
/// Cores restarted in a row without a good second between: then something is wrong that restarting does not mend.
const RESTARTS_MAX: u32 = 10;
/// A core that lived for so long counts as started well.
const RESTART_WINDOW: Duration = Duration::from_secs(1);

/// Why the process ends in failure.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The system refuses a thread, a signal mask or a socket.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// An address of the first configuration is taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Cores die as fast as they are started.
    #[error("core {0} panicked {RESTARTS_MAX} times in a row")]
    CoreKeepsDying(usize),
}

enum Event {
    Loaded(Result<Snapshot, LoadError>),
    WatchEnded(io::Error),
    CoreEnded { core: usize, end: CoreEnd },
    Terminate(Signal),
}

enum CoreEnd {
    Finished,
    NotStarted(io::Error),
    Panicked,
}

/// The body of a core's thread: [`worker::run`].
type RunCore =
    fn(usize, Choice, Limits, Arc<Metrics>, &Reporting, &flume::Receiver<Message>) -> io::Result<()>;

struct Supervisor {
    cli: Cli,
    run_core: RunCore,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    reporting: Reporting,
    publisher: Publisher,
    /// The newest plan, if one of its addresses is taken.
    blocked: Option<Arc<Plan>>,
    /// For whoever started the process.
    announcements: flume::Sender<String>,
    events: flume::Sender<Event>,
    cores: Vec<CoreThread>,
}

struct CoreThread {
    thread: Option<JoinHandle<()>>,
    started: std::time::Instant,
    restarts_in_a_row: u32,
}

/// Serves until SIGTERM or SIGINT; a second one ends the process at once.
pub fn run(cli: &Cli) -> Result<(), Fatal> {
    // Before any thread starts, so that all of them inherit the mask and only the signal thread hears of signals.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block().map_err(|error| system("block signals", error.into()))?;
    raise_descriptor_limit();
    if cli.exit_with_parent {
        set_pdeathsig(Signal::SIGTERM).map_err(|error| system("ask for the parent's death", error.into()))?;
    }
    let (events, inbox) = flume::unbounded();
    let workers = cli.workers.map_or_else(available_cores, usize::from);
    let metrics = Arc::new(Metrics::new(workers));
    let settings = cli.telemetry();
    let health = Arc::new(Health::new(settings.counts));
    let (reporting, reporters) =
        reporting::start(&settings, &metrics).map_err(|error| system("start reporting", error))?;
    let admin = admin::start(cli.admin, metrics.clone(), health.clone())
        .map_err(|source| system(&format!("listen on the admin address {}", cli.admin), source))?;
    let announcements = start_announcing()?;
    announcements.send(format!("admin={admin}")).ok();
    if let Some(address) = cli.live {
        let recent = reporters.recent.clone();
        let subject = live::Subject { metrics: metrics.clone(), health: health.clone(), recent };
        let live = live::start(address, subject)
            .map_err(|source| system(&format!("listen on the address of the live page {address}"), source))?;
        announcements.send(format!("live={live}")).ok();
    }
    let mut supervisor = Supervisor {
        cli: cli.clone(),
        run_core: worker::run,
        metrics,
        health,
        reporting,
        publisher: Publisher::new(cli.bind, workers),
        blocked: None,
        announcements,
        events,
        cores: Vec::new(),
    };
    supervisor.start_cores(workers)?;
    supervisor.start_watch()?;
    supervisor.start_signals(signals)?;
    supervisor.serve(&inbox)?;
    reporters.finish(clock::now() + REPORT_GRACE);
    Ok(())
}

impl Supervisor {
    fn serve(mut self, inbox: &flume::Receiver<Event>) -> Result<(), Fatal> {
        // The supervisor holds a sender itself: this ends with a signal or with a failure.
        loop {
            let event = match &self.blocked {
                None => inbox.recv().ok(),
                Some(_) => inbox.recv_timeout(BIND_RETRY).ok(),
            };
            match event {
                Some(Event::Loaded(loaded)) => self.load(loaded)?,
                Some(Event::WatchEnded(source)) => return Err(system("watch the snapshot", source)),
                Some(Event::CoreEnded { core, end }) => self.revive(core, end)?,
                Some(Event::Terminate(signal)) => {
                    tracing::info!(signal = signal.as_str(), "draining");
                    break;
                }
                None => self.unblock()?,
            }
        }
        self.drain(inbox);
        Ok(())
    }

    /// A configuration that cannot be served leaves the last good one in use.
    fn load(&mut self, loaded: Result<Snapshot, LoadError>) -> Result<(), Fatal> {
        // Whatever was waiting for an address is out of date.
        self.blocked = None;
        let compiled = match loaded {
            Ok(snapshot) => self.publisher.compile(snapshot).map_err(|error| with_causes(&error)),
            Err(error) => Err(with_causes(&error)),
        };
        match compiled {
            Ok(plan) => self.publish(plan),
            Err(error) => {
                self.refuse(&error);
                Ok(())
            }
        }
    }

    fn publish(&mut self, plan: Arc<Plan>) -> Result<(), Fatal> {
        match self.publisher.publish(&plan) {
            Ok(added) => {
                self.blocked = None;
                self.metrics.reloads_good.add(1);
                self.health.set_error(None);
                self.health.set_plan(plan.clone());
                tracing::info!(gateway = %plan.gateway, generation = %plan.generation, "configuration published");
                for address in added {
                    self.announcements.send(format!("listening={address}")).ok();
                }
                Ok(())
            }
            // There is nothing to go on with, and an address that is taken deserves to be told at once.
            Err(error) if !self.publisher.has_published() => Err(error.into()),
            Err(error) => {
                if self.blocked.is_none() {
                    self.refuse(&with_causes(&error));
                }
                self.blocked = Some(plan);
                Ok(())
            }
        }
    }

    /// Tries again what an address was in the way of.
    fn unblock(&mut self) -> Result<(), Fatal> {
        self.blocked.clone().map_or(Ok(()), |plan| self.publish(plan))
    }

    fn refuse(&self, error: &str) {
        self.metrics.reloads_bad.add(1);
        self.health.set_error(Some(error.into()));
        tracing::error!(%error, "configuration refused; the last good one stays in use");
    }

    fn start_cores(&mut self, count: usize) -> Result<(), Fatal> {
        for core in 0..count {
            let thread = self.start_core(core)?;
            self.cores.push(thread);
        }
        Ok(())
    }

    fn start_core(&mut self, core: usize) -> Result<CoreThread, Fatal> {
        let (mailbox, receiver) = flume::unbounded();
        self.publisher.start_core(core, mailbox)?;
        let (run_core, choice, limits) = (self.run_core, self.cli.driver, self.cli.limits);
        let (metrics, events) = (self.metrics.clone(), self.events.clone());
        let reporting = self.reporting.clone();
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                run_core(core, choice, limits, metrics, &reporting, &receiver)
            }));
            let end = match result {
                Ok(Ok(())) => CoreEnd::Finished,
                Ok(Err(error)) => CoreEnd::NotStarted(error),
                Err(_) => CoreEnd::Panicked,
            };
            events.send(Event::CoreEnded { core, end }).ok();
        };
        let thread = spawn_thread(format!("core-{core}"), body)?;
        Ok(CoreThread { thread: Some(thread), started: clock::now(), restarts_in_a_row: 0 })
    }

    fn revive(&mut self, core: usize, end: CoreEnd) -> Result<(), Fatal> {
        match end {
            CoreEnd::NotStarted(source) => return Err(system(&format!("start core {core}"), source)),
            CoreEnd::Finished | CoreEnd::Panicked => {}
        }
        let old = &self.cores[core];
        let in_a_row = if old.started.elapsed() > RESTART_WINDOW { 1 } else { old.restarts_in_a_row + 1 };
        if in_a_row > RESTARTS_MAX {
            return Err(Fatal::CoreKeepsDying(core));
        }
        tracing::error!(core, "core died; starting it anew");
        self.metrics.core_restarts.add(1);
        self.metrics.cores[core].forget_what_was_open();
        self.cores[core] = CoreThread { restarts_in_a_row: in_a_row, ..self.start_core(core)? };
        Ok(())
    }

    fn start_watch(&self) -> Result<(), Fatal> {
        let (path, events) = (self.cli.snapshot.clone(), self.events.clone());
        spawn_thread("snapshot".into(), move || watch_snapshot(&path, &events)).map(drop)
    }

    fn start_signals(&self, signals: SigSet) -> Result<(), Fatal> {
        let events = self.events.clone();
        let body = move || {
            let mut seen = false;
            while let Ok(signal) = signals.wait() {
                if seen {
                    tracing::warn!("second signal: ending without draining");
                    std::process::exit(1);
                }
                seen = true;
                events.send(Event::Terminate(signal)).ok();
            }
        };
        spawn_thread("signals".into(), body).map(drop)
    }

    /// Not ready any more, then no new connections, then the running requests to their end.
    fn drain(&mut self, inbox: &flume::Receiver<Event>) {
        self.health.start_draining();
        self.publisher.drain();
        let deadline = clock::now() + self.cli.limits.drain() + JOIN_GRACE;
        let mut running = self.cores.iter().filter(|core| core.thread.is_some()).count();
        while running > 0 {
            match inbox.recv_deadline(deadline) {
                Ok(Event::CoreEnded { core, .. }) => {
                    running -= 1;
                    self.cores[core].thread.take().map(JoinHandle::join);
                }
                Ok(Event::Loaded(_) | Event::WatchEnded(_) | Event::Terminate(_)) => {}
                Err(_) => {
                    tracing::warn!(running, "cores did not end in time");
                    return;
                }
            }
        }
        tracing::info!("drained");
    }
}

fn watch_snapshot(path: &Path, events: &flume::Sender<Event>) {
    let report = |loaded| events.send(Event::Loaded(loaded)).is_ok();
    if let Err(error) = watch(path, report) {
        events.send(Event::WatchEnded(error)).ok();
    }
}

fn spawn_thread(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fatal> {
    let what = format!("start thread {name}");
    thread::Builder::new().name(name).spawn(body).map_err(|source| system(&what, source))
}

fn available_cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Each client needs two descriptors; the soft limit of most systems is 1024.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// Whoever started the process reads these lines: where it is reached. Nobody may be listening, and a reader that has
/// stalled, over the access log for one, must hold up this thread alone.
fn start_announcing() -> Result<flume::Sender<String>, Fatal> {
    let (announcements, lines) = flume::unbounded::<String>();
    let body = move || {
        for line in lines {
            writeln!(io::stdout(), "{line}").ok();
        }
    };
    spawn_thread("announcements".into(), body)?;
    Ok(announcements)
}

/// An error and what it comes from, in one line.
fn with_causes(error: &dyn Error) -> String {
    let causes = successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

fn system(what: &str, source: io::Error) -> Fatal {
    Fatal::System { what: what.into(), source }
}
