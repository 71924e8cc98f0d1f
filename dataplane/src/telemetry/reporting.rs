//! The threads that pass on what cores tell, and the ends that cores are given.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access_log::Format;
use super::export;
use super::metrics::Metrics;
use super::outbox::{Errand, PARCELS_MAX, PARCELS_MAX_OF_CORE};
use super::recent::{self, Recent};
use super::settings::Settings;
use super::trace::Sampler;
use super::write;

/// Requests for the live page that may wait for the thread that keeps them.
const RECENT_QUEUE_MAX: usize = 64;

/// What a core needs to report.
#[derive(Debug, Clone)]
pub struct Reporting {
    /// None: traces are off, and `traceparent` is a field like any other.
    pub(super) spans: Option<SpanReporting>,
    /// None: there is no access log.
    pub(super) log: Option<LogReporting>,
    /// None: there is no live page.
    pub(super) recent: Option<flume::Sender<Vec<u8>>>,
    /// Whether durations are counted.
    pub(super) counts: bool,
    /// How long a span or a line may wait on its core.
    pub(super) flush_every: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct SpanReporting {
    pub(super) sampler: Sampler,
    /// Keep what was retried or failed even if it was not sampled.
    pub(super) keep_remarkable: bool,
    pub(super) sender: flume::Sender<Errand>,
}

#[derive(Debug, Clone)]
pub(super) struct LogReporting {
    pub(super) format: Format,
    /// Of requests that are not remarkable.
    pub(super) share: f64,
    pub(super) sender: flume::Sender<Errand>,
}

/// The threads at work.
#[derive(Debug)]
pub struct Reporters {
    threads: Vec<Thread>,
    /// Parcels that may wait for one of them.
    queue: usize,
    /// The last requests for the live page.
    pub recent: Arc<Recent>,
}

/// A thread that runs errands.
#[derive(Debug)]
struct Thread {
    sender: flume::Sender<Errand>,
    /// Disconnected when the thread has ended.
    ended: flume::Receiver<()>,
}

impl Reporting {
    /// Reports nothing.
    pub fn off() -> Self {
        Self { spans: None, log: None, recent: None, counts: false, flush_every: Duration::from_secs(1) }
    }
}

/// Starts the threads that the settings ask for.
pub fn start(settings: &Settings, metrics: &Arc<Metrics>) -> io::Result<(Reporting, Reporters)> {
    let mut reporting =
        Reporting { counts: settings.counts, flush_every: settings.flush_every, ..Reporting::off() };
    let queue = PARCELS_MAX.max(PARCELS_MAX_OF_CORE * metrics.cores.len());
    let mut reporters = Reporters { threads: Vec::new(), queue, recent: Arc::default() };
    if let Some(traces) = settings.traces.clone() {
        let (sampler, keep_remarkable) = (traces.sampler, traces.keep_remarkable);
        let metrics = metrics.clone();
        let sender = reporters.start("spans", move |errands| export::run(&traces, &metrics, errands))?;
        reporting.spans = Some(SpanReporting { sampler, keep_remarkable, sender });
    }
    if let Some(log) = settings.access_log.clone() {
        let (format, share) = (log.format, log.share);
        let metrics = metrics.clone();
        let sender = reporters.start("access-log", move |errands| write::run(&log, &metrics, errands))?;
        reporting.log = Some(LogReporting { format, share, sender });
    }
    if settings.live {
        let (sender, lines) = flume::bounded(RECENT_QUEUE_MAX);
        let kept = reporters.recent.clone();
        spawn("recent", move || recent::run(&kept, &lines))?;
        reporting.recent = Some(sender);
    }
    Ok((reporting, reporters))
}

impl Reporters {
    /// Ends the threads when they have passed on what they hold, or when `deadline` has come.
    pub fn finish(self, deadline: Instant) {
        for thread in &self.threads {
            thread.sender.send_deadline(Errand::End, deadline).ok();
        }
        for thread in &self.threads {
            if matches!(thread.ended.recv_deadline(deadline), Err(flume::RecvTimeoutError::Timeout)) {
                tracing::warn!("the last spans or log lines were not passed on in time");
            }
        }
    }

    fn start(
        &mut self,
        name: &str,
        run: impl FnOnce(&flume::Receiver<Errand>) + Send + 'static,
    ) -> io::Result<flume::Sender<Errand>> {
        let (sender, errands) = flume::bounded(self.queue);
        let (alive, ended) = flume::bounded(0);
        spawn(name, move || {
            run(&errands);
            drop(alive);
        })?;
        self.threads.push(Thread { sender: sender.clone(), ended });
        Ok(sender)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(body).map(drop)
}
