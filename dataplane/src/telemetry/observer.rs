//! What one core does about a request when it begins and when it is over.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::access_log::{Format, put_line, put_refusal};
use super::metrics::CoreMetrics;
use super::metrics::durations::{Key, Outcome};
use super::metrics::histogram::{Exemplar, micros};
use super::metrics::service::ServiceCounters;
use super::outbox::Outbox;
use super::passage::{Passage, Refusal};
use super::phrases::Phrases;
use super::record::{Broken, Record};
use super::reporting::Reporting;
use super::span::{is_kept, put_spans};
use super::trace::{Sampler, Trace, TraceParent};
use crate::retry::attempts::Source;
use crate::retry::outcome::Failure;

/// Requests that one core shows on the live page in one second; more could not be read anyway.
const RECENT_MAX_PER_SECOND: u32 = 20;

/// The reporter of one core.
#[derive(Debug)]
pub struct Observer {
    spans: Option<Spans>,
    log: Option<Log>,
    recent: Option<Recent>,
    counts: bool,
    /// A moment, and the same since 1970. Read anew with every flush: the clock is set now and then, and asking it for
    /// every request would cost as much as writing the request down.
    wall: Cell<(Instant, Duration)>,
    /// How often [`Observer::flush`] is to be called.
    pub flush_every: Duration,
}

#[derive(Debug)]
struct Spans {
    sampler: Sampler,
    keep_remarkable: bool,
    phrases: Phrases,
    outbox: Outbox,
}

#[derive(Debug)]
struct Log {
    format: Format,
    share: f64,
    outbox: Outbox,
}

#[derive(Debug)]
struct Recent {
    sender: flume::Sender<Vec<u8>>,
    /// A second since 1970, and how many were sent in it.
    sent: Cell<(u64, u32)>,
}

impl Observer {
    /// The reporter of a core that starts.
    pub fn new(reporting: &Reporting, wall: (Instant, Duration)) -> Self {
        let spans = reporting.spans.as_ref().map(|spans| Spans {
            sampler: spans.sampler,
            keep_remarkable: spans.keep_remarkable,
            phrases: Phrases::default(),
            outbox: Outbox::new(spans.sender.clone()),
        });
        let log = reporting.log.as_ref().map(|log| Log {
            format: log.format,
            share: log.share,
            outbox: Outbox::new(log.sender.clone()),
        });
        let recent = reporting.recent.clone().map(|sender| Recent { sender, sent: Cell::default() });
        let Reporting { counts, flush_every, .. } = *reporting;
        Self { spans, log, recent, counts, wall: Cell::new(wall), flush_every }
    }

    /// Whether requests take part in traces: if so, their `traceparent` is ours to read and to write.
    pub fn traces(&self) -> bool {
        self.spans.is_some()
    }

    /// A request begins.
    pub fn begin(&self, now: Instant, parent: Option<TraceParent>) -> Record {
        let trace =
            self.spans.as_ref().map(|spans| Trace::begin(parent, spans.sampler, || fastrand::u64(..)));
        Record::new(now, trace)
    }

    /// A moment since 1970.
    pub fn unix(&self, moment: Instant) -> Duration {
        let (at, unix) = self.wall.get();
        unix + moment.saturating_duration_since(at)
    }

    /// A request is over. `service`: the numbers of the Service port that it led to.
    pub fn end(&self, passage: &Passage<'_>, core: &CoreMetrics, service: Option<&ServiceCounters>) {
        let remarkable = passage.record.is_remarkable();
        let kept = self.tell_spans(passage, remarkable, core);
        if self.counts {
            count(passage, kept, core);
        }
        if let Some(service) = service.filter(|_| passage.record.is_rescued()) {
            service.rescued.add(1);
        }
        if let Some(log) = self.log.as_ref().filter(|log| remarkable || log.draws()) {
            log.tell(core, |out| put_line(log.format, passage, out));
        }
        if let Some(recent) = self.recent.as_ref().filter(|_| remarkable) {
            recent.tell(passage);
        }
    }

    /// Something was refused before it was a request.
    pub fn refused(&self, refusal: &Refusal<'_>, core: &CoreMetrics) {
        if let Some(log) = self.log.as_ref().filter(|log| log.draws()) {
            log.tell(core, |out| put_refusal(log.format, refusal, out));
        }
    }

    /// Sends what has gathered, so that little traffic is seen soon too.
    pub fn flush(&self, core: &CoreMetrics, wall: (Instant, Duration)) {
        self.wall.set(wall);
        if let Some(spans) = &self.spans {
            spans.outbox.flush(&core.spans_dropped);
        }
        if let Some(log) = &self.log {
            log.outbox.flush(&core.lines_dropped);
        }
    }

    /// Whether the trace is kept.
    fn tell_spans(&self, passage: &Passage<'_>, remarkable: bool, core: &CoreMetrics) -> bool {
        let (Some(spans), Some(trace)) = (&self.spans, &passage.record.trace) else {
            return false;
        };
        let kept = is_kept(trace, spans.keep_remarkable, remarkable);
        if kept {
            spans.outbox.put(&core.spans_dropped, |out| put_spans(passage, trace, &spans.phrases, out));
        }
        kept
    }
}

impl Log {
    /// Whether an ordinary request gets a line.
    fn draws(&self) -> bool {
        self.share >= 1.0 || fastrand::f64() < self.share
    }

    fn tell(&self, core: &CoreMetrics, put: impl FnOnce(&mut Vec<u8>)) {
        self.outbox.put(&core.lines_dropped, |out| {
            put(out);
            1
        });
    }
}

impl Recent {
    /// Loses the request when too many were told of, or when nobody keeps up.
    fn tell(&self, passage: &Passage<'_>) {
        let now = passage.ended_unix.as_secs();
        let (second, sent) = self.sent.get();
        let sent = if second == now { sent } else { 0 };
        if sent < RECENT_MAX_PER_SECOND {
            self.sent.set((now, sent + 1));
            let mut line = Vec::new();
            put_line(Format::Json, passage, &mut line);
            self.sender.try_send(line).ok();
        }
    }
}

fn count(passage: &Passage<'_>, kept: bool, core: &CoreMetrics) {
    let Passage { record, head, ended, .. } = passage;
    let duration = passage.duration();
    let exemplar = |value| {
        let trace = passage.trace_id().filter(|_| kept)?;
        let unix_ms = passage.ended_unix.as_secs() * 1_000 + u64::from(passage.ended_unix.subsec_millis());
        Some(Exemplar { trace, value, unix_ms })
    };
    let result = match (record.broken, record.status) {
        (Some(Broken::Client), _) | (_, None) => Outcome::Failed(Failure::ClientGone),
        (Some(Broken::Upstream), _) => Outcome::Failed(Failure::Reset),
        (Some(Broken::Deadline), _) => Outcome::Failed(Failure::Deadline),
        (None, Some(status)) => Outcome::Status(status),
    };
    core.server_durations.observe(Key::new(&head.method, result), duration, exemplar(micros(duration)));
    for attempt in &record.attempts {
        let took = attempt.ended_at(*ended).saturating_duration_since(attempt.started);
        core.client_durations.observe(Key::new(&head.method, attempt.ended().into()), took, None);
        if let Some(pause) = attempt.pause.filter(|pause| pause.source == Source::Backoff) {
            core.delays.observe_duration(pause.delay);
        }
    }
    if !record.attempts.is_empty() {
        let attempts = record.attempts.len() as u64;
        core.attempts_per_request.observe(attempts);
        // Nobody looks for an example of what needed no retry.
        if let Some(exemplar) = exemplar(attempts).filter(|_| attempts > 1) {
            core.attempts_per_request.exemplify(exemplar);
        }
    }
}
