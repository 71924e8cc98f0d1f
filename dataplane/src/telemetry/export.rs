//! The thread that sends spans to the collector: OTLP over HTTP, in batches.
//!
//! Cores have encoded the spans already; a batch is what has arrived, with the resource in front of it. A collector that
//! is slow or gone costs spans and nothing else: while one batch is being tried, the next ones wait in a queue of fixed
//! size whose overflow the cores count.

mod answer;

use std::fs;
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use ureq::http::HeaderMap;
use ureq::http::header::RETRY_AFTER;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, SendBody};

use self::answer::Rejected;
use super::attribute::put_pair;
use super::metrics::Metrics;
use super::outbox::{Errand, Parcel};
use super::protobuf::{put_bytes, put_length, put_nested};
use super::settings::Traces;
use crate::clock;

/// A batch is sent when it has so many bytes, even if more is waiting.
const BATCH_MAX_BYTES: usize = 1024 * 1024;
/// A batch that has begun waits so long for more: a request for every parcel would cost more than the spans.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// How often a batch is sent again that the collector could not take.
const RETRIES_MAX: u32 = 2;
/// The wait before the first of these, unless the collector says how long; it doubles.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// The longest wait that a collector may ask for. Meanwhile spans gather in the queue, and what it cannot hold is lost.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// How rarely a collector is quoted that takes some spans and some not.
const REJECTED_LOG_EVERY: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes. A collector has little to say.
const ANSWER_MAX_BYTES: u64 = 64 * 1024;
/// As much of what a collector says is logged.
const ANSWER_TOLD_MAX_CHARS: usize = 512;

/// Fields of `ExportTraceServiceRequest`, `ResourceSpans` and `ScopeSpans`, and of what they hold.
mod field {
    pub(super) const RESOURCE_SPANS: u8 = 1;
    pub(super) const RESOURCE: u8 = 1;
    pub(super) const SCOPE_SPANS: u8 = 2;
    pub(super) const SCHEMA_URL: u8 = 3;
    pub(super) const SCOPE: u8 = 1;
    pub(super) const ATTRIBUTES: u8 = 1;
    pub(super) const NAME: u8 = 1;
    pub(super) const VERSION: u8 = 2;
}

/// The scope of our spans.
const SCOPE: &str = "rebound-dataplane";

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the collector answers {status}")]
    Status {
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    #[error("the collector cannot be reached")]
    Transport(#[from] Box<ureq::Error>),
}

/// Why there can be no exporter.
#[derive(Debug, thiserror::Error)]
enum CertificateError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("there is no certificate in {0}")]
    Empty(String),
}

/// What does not change from batch to batch.
struct Exporter<'a> {
    settings: &'a Traces,
    agent: Agent,
    resource: Vec<u8>,
    scope: Vec<u8>,
}

/// Spans that are sent together, as they came: nothing is copied for it.
#[derive(Debug)]
struct Batch {
    parcels: Vec<Vec<u8>>,
    /// How many spans.
    items: u64,
}

/// Sends until the end is called.
pub fn run(settings: &Traces, metrics: &Metrics, errands: &flume::Receiver<Errand>) {
    let exporter = match Exporter::new(settings) {
        Ok(exporter) => exporter,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no traces");
            return;
        }
    };
    let mut works = true;
    let mut quoted = None;
    while let Some((batch, last)) = gather(errands) {
        match exporter.export(&batch) {
            Ok(rejected) => {
                let Rejected { spans, message } = rejected.unwrap_or_default();
                let failed = spans.min(batch.items);
                metrics.spans_exported.add(batch.items - failed);
                metrics.spans_failed.add(failed);
                let now = clock::now();
                if !message.is_empty() && quoted.is_none_or(|at| now >= at + REJECTED_LOG_EVERY) {
                    let answer = quotation(&message, &settings.headers.0);
                    tracing::warn!(spans, ?answer, "the collector did not take all spans");
                    quoted = Some(now);
                }
                if !works {
                    tracing::info!("spans are exported again");
                }
                works = true;
            }
            Err(error) => {
                metrics.spans_failed.add(batch.items);
                if works {
                    tracing::warn!(error = &error as &dyn std::error::Error, "spans are not exported");
                }
                works = false;
            }
        }
        if last {
            return;
        }
    }
}

/// The beginning of what a collector says, without the secrets that it was sent.
fn quotation(message: &str, headers: &[(String, String)]) -> String {
    let secrets = headers.iter().filter(|(_, value)| !value.is_empty());
    let message = secrets.fold(message.to_owned(), |text, (_, value)| text.replace(&**value, "REDACTED"));
    message.chars().take(ANSWER_TOLD_MAX_CHARS).collect()
}

/// What has arrived, and whether that is all there will ever be; none: there is nothing and there will be nothing.
fn gather(errands: &flume::Receiver<Errand>) -> Option<(Batch, bool)> {
    let Ok(Errand::Parcel(first)) = errands.recv() else { return None };
    let mut batch = Batch::of(first);
    let deadline = clock::now() + BATCH_WAIT;
    while batch.len() < BATCH_MAX_BYTES {
        match errands.recv_deadline(deadline) {
            Ok(Errand::Parcel(parcel)) => batch.add(parcel),
            Ok(Errand::End) => return Some((batch, true)),
            Err(_) => break,
        }
    }
    Some((batch, false))
}

impl<'a> Exporter<'a> {
    fn new(settings: &'a Traces) -> Result<Self, CertificateError> {
        let tls = match &settings.certificate {
            None => TlsConfig::builder(),
            Some(path) => {
                let certificates = certificates(&path.to_string_lossy())?;
                TlsConfig::builder().root_certs(RootCerts::from(certificates))
            }
        };
        let config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("rebound-dataplane/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build());
        Ok(Self { settings, agent: config.build().into(), resource: resource(settings), scope: scope() })
    }

    fn export(&self, batch: &Batch) -> Result<Option<Rejected>, ExportError> {
        let head = self.head(batch.len());
        let mut wait = RETRY_WAIT;
        let mut tried = 0;
        loop {
            match self.send(&head, batch) {
                Err(error) if error.is_passing() && tried < RETRIES_MAX => {
                    thread::park_timeout(error.retry_after().unwrap_or(wait));
                    wait *= 2;
                    tried += 1;
                }
                result => return result,
            }
        }
    }

    fn send(&self, head: &[u8], batch: &Batch) -> Result<Option<Rejected>, ExportError> {
        let mut request = self
            .agent
            .post(&self.settings.endpoint)
            .content_type("application/x-protobuf")
            .header("content-length", head.len() + batch.len());
        for (name, value) in &self.settings.headers.0 {
            request = request.header(name, value);
        }
        let mut body = batch.body(head);
        let mut response = request.send(SendBody::from_reader(&mut body)).map_err(Box::new)?;
        let status = response.status().as_u16();
        // The status has decided about the batch. A connection whose answer was read to its end is used again.
        let answer = response.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_vec();
        match status {
            200..300 => Ok(answer.ok().as_deref().and_then(Rejected::read)),
            status => Err(ExportError::Status { status, retry_after: retry_after(response.headers()) }),
        }
    }

    /// `ExportTraceServiceRequest` up to the spans, which take so many bytes.
    fn head(&self, spans: usize) -> Vec<u8> {
        let mut scope_head = Vec::new();
        put_length(field::SCOPE_SPANS, self.scope.len() + spans, &mut scope_head);
        let inner = self.resource.len() + scope_head.len() + self.scope.len() + spans;
        let mut head = Vec::new();
        put_length(field::RESOURCE_SPANS, inner, &mut head);
        for part in [&self.resource, &scope_head, &self.scope] {
            head.extend_from_slice(part);
        }
        head
    }
}

impl Batch {
    fn of(Parcel { bytes, items }: Parcel) -> Self {
        Self { parcels: vec![bytes], items }
    }

    fn add(&mut self, Parcel { bytes, items }: Parcel) {
        self.parcels.push(bytes);
        self.items += items;
    }

    /// In bytes.
    fn len(&self) -> usize {
        self.parcels.iter().map(Vec::len).sum()
    }

    /// The parcels behind `head`.
    fn body<'b>(&'b self, head: &'b [u8]) -> Box<dyn Read + 'b> {
        let head: Box<dyn Read + 'b> = Box::new(head);
        self.parcels.iter().fold(head, |before, parcel| Box::new(before.chain(parcel.as_slice())))
    }
}

impl ExportError {
    /// Whether the same batch may be taken later (OTLP specification, "Failures").
    fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            // These would fail in the same way again.
            Self::Transport(error) => !matches!(**error, ureq::Error::BadUri(_) | ureq::Error::Http(_)),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Transport(_) => None,
        }
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds, from [`RETRY_WAIT`] to [`RETRY_AFTER_MAX`]. A date is not
/// understood.
fn retry_after(fields: &HeaderMap) -> Option<Duration> {
    let seconds = fields.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(RETRY_WAIT, RETRY_AFTER_MAX))
}

fn certificates(path: &str) -> Result<Vec<Certificate<'static>>, CertificateError> {
    let text = fs::read(path).map_err(|source| CertificateError::Read { path: path.into(), source })?;
    let found: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(CertificateError::Empty(path.into())) } else { Ok(found) }
}

/// `ResourceSpans.resource`.
fn resource(settings: &Traces) -> Vec<u8> {
    let mut out = Vec::new();
    put_nested(field::RESOURCE, &mut out, |out| {
        for (name, value) in &settings.resource {
            put_pair(field::ATTRIBUTES, name, value, out);
        }
    });
    out
}

/// `ScopeSpans.scope` and the schema that the names are from.
fn scope() -> Vec<u8> {
    let mut out = Vec::new();
    put_nested(field::SCOPE, &mut out, |out| {
        put_bytes(field::NAME, SCOPE.as_bytes(), out);
        put_bytes(field::VERSION, env!("CARGO_PKG_VERSION").as_bytes(), out);
    });
    put_bytes(field::SCHEMA_URL, opentelemetry_semantic_conventions::SCHEMA_URL.as_bytes(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_quoted_in_short_and_without_what_it_was_told_in_confidence() {
        let headers =
            [("authorization".to_owned(), "Bearer token".to_owned()), ("x-none".into(), String::new())];
        assert_eq!(quotation("no room for Bearer token", &headers), "no room for REDACTED");
        assert_eq!(quotation(&"long".repeat(1000), &headers).len(), ANSWER_TOLD_MAX_CHARS);
    }

    #[test]
    fn a_collector_can_make_us_wait_neither_for_ever_nor_not_at_all() {
        let after = |value: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&fields)
        };
        assert_eq!(after("0"), Some(RETRY_WAIT));
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
