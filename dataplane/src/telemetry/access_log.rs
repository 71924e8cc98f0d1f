//! From a passage to one line of the access log, as JSON or as text. Pure.

#[cfg(test)]
mod tests;

use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::time::Duration;

use rebound_api::name::{ObjectKey, ServicePort};
use serde::{Serialize, Serializer};

use super::passage::{Passage, Refusal};
use super::record::Attempt;
use super::timestamp::Timestamp;
use crate::retry::decide::Ended;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object that log collectors take apart.
    Json,
    /// Words for people, with a list for each thing that attempts have.
    Text,
}

/// One request. What is unknown is left out.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    client: &'a str,
    #[serde(flatten)]
    request: Option<RequestLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    route: Option<&'a ObjectKey>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    service: Option<&'a ServicePort>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    policy: Option<&'a ObjectKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    attempts: Vec<AttemptLine>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, Serialize)]
struct RequestLine<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    protocol: &'static str,
}

/// One attempt of it.
#[derive(Debug, Serialize)]
struct AttemptLine {
    endpoint: SocketAddr,
    start_ms: f64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<f64>,
}

/// Appends a line, with its end.
pub fn put_line(format: Format, passage: &Passage<'_>, out: &mut Vec<u8>) {
    let time = Timestamp::from_unix(passage.unix(passage.record.started));
    let trace = passage.trace_id().map(|id| id.to_hex());
    let request = RequestLine {
        method: passage.head.method.as_str(),
        host: passage.head.host(),
        path: passage.head.path(),
        protocol: passage.head.version.name(),
    };
    let line = Line {
        time: time.as_str(),
        trace_id: trace.as_ref().and_then(|hex| std::str::from_utf8(hex).ok()),
        client: passage.client.ip_str(),
        request: Some(request),
        route: passage.place.map(|place| place.route),
        service: passage.place.and_then(|place| place.service),
        policy: passage.place.and_then(|place| place.policy),
        status: passage.record.status,
        duration_ms: millis(passage.duration()),
        broken: passage.record.broken.map(|broken| broken.name()),
        reason: passage.record.reason.map(|reason| reason.name()),
        attempts: passage.record.attempts.iter().map(|attempt| AttemptLine::new(passage, attempt)).collect(),
    };
    line.put(format, out);
}

/// Appends the line of something that was refused before it was a request: what it asked for is not known.
pub fn put_refusal(format: Format, refusal: &Refusal<'_>, out: &mut Vec<u8>) {
    let time = Timestamp::from_unix(refusal.unix);
    let line = Line {
        time: time.as_str(),
        trace_id: None,
        client: refusal.client.ip_str(),
        request: None,
        route: None,
        service: None,
        policy: None,
        status: Some(refusal.status),
        duration_ms: millis(refusal.duration),
        broken: None,
        reason: None,
        attempts: Vec::new(),
    };
    line.put(format, out);
}

impl AttemptLine {
    fn new(passage: &Passage<'_>, attempt: &Attempt) -> Self {
        let (status, error) = match attempt.ended() {
            Ended::Status { code, .. } => (Some(code), None),
            Ended::Failed(failure) => (None, Some(failure.name())),
        };
        let ended = attempt.ended_at(passage.ended);
        Self {
            endpoint: attempt.endpoint,
            start_ms: millis(attempt.started.saturating_duration_since(passage.record.started)),
            duration_ms: millis(ended.saturating_duration_since(attempt.started)),
            status,
            error,
            wait_ms: attempt.pause.map(|pause| millis(pause.delay)),
        }
    }
}

impl Line<'_> {
    fn put(&self, format: Format, out: &mut Vec<u8>) {
        match format {
            Format::Json => self.put_json(out),
            Format::Text => out.extend_from_slice(self.text().as_bytes()),
        }
        out.push(b'\n');
    }

    /// Memory takes everything, and every field has a form in JSON: this cannot fail.
    fn put_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).ok();
    }

    /// Nothing in it can hold a control character or a quote but what is escaped here.
    fn text(&self) -> String {
        let Self { time, client, duration_ms, .. } = self;
        let request = self.request.map_or_else(|| "-".into(), RequestLine::text);
        let status = self.status.map_or_else(|| "-".into(), |status| status.to_string());
        let mut text = format!("{time} {client} \"{request}\" {status} {duration_ms}ms");
        put_word("route", self.route, &mut text);
        put_word("service", self.service, &mut text);
        put_word("policy", self.policy, &mut text);
        put_word("broken", self.broken, &mut text);
        put_word("reason", self.reason, &mut text);
        put_list("attempts", &self.attempts, &mut text, |attempt| attempt.endpoint.to_string());
        put_list("results", &self.attempts, &mut text, |attempt| match (attempt.status, attempt.error) {
            (Some(status), _) => status.to_string(),
            (None, error) => error.unwrap_or("-").into(),
        });
        put_list("times_ms", &self.attempts, &mut text, |attempt| attempt.duration_ms.to_string());
        put_list("waits_ms", &self.attempts, &mut text, |attempt| {
            attempt.wait_ms.map_or_else(|| "-".into(), |wait| wait.to_string())
        });
        put_word("trace", self.trace_id, &mut text);
        text
    }
}

impl RequestLine<'_> {
    fn text(self) -> String {
        let Self { method, host, path, protocol } = self;
        format!("{method} {}{} {protocol}", host.escape_debug(), path.escape_debug())
    }
}

fn put_word(name: &str, value: Option<impl Display>, text: &mut String) {
    if let Some(value) = value {
        // Writing to a String cannot fail.
        write!(text, " {name}={value}").ok();
    }
}

fn put_list(name: &str, attempts: &[AttemptLine], text: &mut String, of: impl Fn(&AttemptLine) -> String) {
    if !attempts.is_empty() {
        let values: Vec<_> = attempts.iter().map(of).collect();
        put_word(name, Some(values.join(",")), text);
    }
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn as_text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
