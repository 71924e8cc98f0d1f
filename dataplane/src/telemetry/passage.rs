//! A request that is over, as everything that tells of it sees it: spans, log lines, the live page. One place where
//! secrets are kept back: header fields never get here, and of a query only the names do.

use std::time::{Duration, Instant};

use rebound_api::config::route::{PathMatch, Rule};
use rebound_api::name::{ObjectKey, ServicePort};

use super::address::AddressText;
use super::phrases::PlaceId;
use super::record::Record;
use super::trace::TraceId;
use crate::http::h1::request::RequestHead;

/// What stands for a query's values.
pub const REDACTED: &[u8] = b"REDACTED";

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// What it went through.
    pub record: &'a Record,
    /// Its head.
    pub head: &'a RequestHead,
    /// Who sent it.
    pub client: &'a AddressText,
    /// The port that it came in by.
    pub port: u16,
    /// Where it led; none: nothing answered to it.
    pub place: Option<Place<'a>>,
    /// When its answer had been passed on, or could not be.
    pub ended: Instant,
    /// The same moment, since 1970.
    pub ended_unix: Duration,
}

/// What was refused before it was a request.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Who sent it.
    pub client: &'a AddressText,
    /// What the client was told.
    pub status: u16,
    /// When reading began, since 1970.
    pub unix: Duration,
    /// From then to the end of the answer.
    pub duration: Duration,
}

/// Where a request led.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What tells it from others.
    pub id: PlaceId,
    /// The HTTPRoute.
    pub route: &'a ObjectKey,
    /// The rule of it that matched.
    pub rule: &'a Rule,
    /// The Service port; none: the rule has no backend to draw.
    pub service: Option<&'a ServicePort>,
    /// Where its retry rules come from; none: it has none.
    pub policy: Option<&'a ObjectKey>,
}

impl Passage<'_> {
    /// From the end of the head to the end of the answer.
    pub fn duration(&self) -> Duration {
        self.ended.saturating_duration_since(self.record.started)
    }

    /// A moment of it since 1970.
    pub fn unix(&self, moment: Instant) -> Duration {
        self.ended_unix.saturating_sub(self.ended.saturating_duration_since(moment))
    }

    /// The same in nanoseconds, as OTLP counts. Wraps after the year 2554.
    pub fn unix_nanos(&self, moment: Instant) -> u64 {
        self.ended_unix_nanos().wrapping_sub(nanos(self.ended.saturating_duration_since(moment)))
    }

    /// The end in nanoseconds since 1970.
    pub fn ended_unix_nanos(&self) -> u64 {
        nanos(self.ended_unix)
    }

    /// Its trace, if there is one.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.record.trace.map(|trace| trace.id)
    }
}

impl Place<'_> {
    /// The [`Place::template`] of every path, where there is but one match.
    pub fn only_template(&self) -> Option<&str> {
        match &self.rule.matches[..] {
            [only] => Some(text_of(&only.path)),
            _ => None,
        }
    }

    /// The path as the route's author wrote it: what requests to one place have in common. An expression is taken to
    /// have matched where no other path of the rule does.
    pub fn template(&self, path: &str) -> Option<&str> {
        let literal = |wanted: &PathMatch| match wanted {
            PathMatch::Exact(exact) => (path == exact).then_some(()),
            // Whole path elements, as the router has them.
            PathMatch::Prefix(prefix) => {
                let rest = path.strip_prefix(prefix.as_str())?;
                (prefix == "/" || rest.is_empty() || rest.starts_with('/')).then_some(())
            }
            PathMatch::Regex(_) => None,
        };
        let paths = || self.rule.matches.iter().map(|wanted| &wanted.path);
        let found = paths()
            .filter(|wanted| literal(wanted).is_some())
            .max_by_key(|wanted| text_of(wanted).len())
            .or_else(|| paths().find(|wanted| matches!(wanted, PathMatch::Regex(_))));
        found.map(text_of)
    }
}

/// [`Duration::as_nanos`] in half as many bits.
fn nanos(since: Duration) -> u64 {
    since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(since.subsec_nanos()))
}

fn text_of(path: &PathMatch) -> &str {
    match path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Regex(text) => text,
    }
}

/// Appends the names of a query, each with [`REDACTED`] for its value; a part without a name is a value.
pub fn put_redacted(query: &[u8], out: &mut Vec<u8>) {
    for (index, part) in query.split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        let name = part.iter().position(|byte| *byte == b'=').map_or(0, |end| end + 1);
        out.extend_from_slice(&part[..name]);
        if !part.is_empty() {
            out.extend_from_slice(REDACTED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_query_only_the_names_are_told() {
        let cases = [
            ("", ""),
            ("a=1", "a=REDACTED"),
            ("a=1&b=&c", "a=REDACTED&b=REDACTED&REDACTED"),
            ("token=a=b&&x=%26", "token=REDACTED&&x=REDACTED"),
        ];
        for (query, expected) in cases {
            let mut out = Vec::new();
            put_redacted(query.as_bytes(), &mut out);
            assert_eq!(out, expected.as_bytes(), "{query}");
        }
    }
}
