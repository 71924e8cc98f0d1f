//! Durations of HTTP exchanges by method and result, as OpenTelemetry's semantic conventions name them.
//!
//! The number of series is bounded whatever clients and backends send: methods that are not well known are one, and
//! what comes when the table is full is counted under no status.

use std::sync::OnceLock;
use std::time::Duration;

use super::histogram::{DURATION_BOUNDS, Exemplar, Histogram, Reading};
use crate::http::h1::method::Method;
use crate::retry::decide::Ended;
use crate::retry::outcome::Failure;

/// From this status on, an answer is an error of the server that gives it.
pub const SERVER_ERRORS_FROM: u16 = 500;
/// From this status on, an answer is an error to the client that asked.
pub const CLIENT_ERRORS_FROM: u16 = 400;
/// Series of one table on one core.
const SERIES_MAX: usize = 96;

/// What a duration is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    method: MethodIndex,
    /// How it ended.
    pub result: Outcome,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// With a response of this status.
    Status(u16),
    /// Without one, for this reason.
    Failed(Failure),
    /// In some other way than those that the table had room for; true: it was an error.
    Other(bool),
}

/// What is not told apart.
pub const OTHER: &str = "_OTHER";

/// Durations on one core, by method and result.
#[derive(Debug)]
pub struct Durations {
    errors_from: u16,
    series: [OnceLock<Series>; SERIES_MAX],
    /// What the table had no room for: what went well, and errors.
    others: [Histogram<14>; 2],
}

#[derive(Debug)]
struct Series {
    key: Key,
    histogram: Histogram<14>,
}

impl Durations {
    /// Nothing counted yet. `errors_from`: the first status that is an error.
    pub fn new(errors_from: u16) -> Self {
        let others = [Histogram::new(&DURATION_BOUNDS), Histogram::new(&DURATION_BOUNDS)];
        Self { errors_from, series: [const { OnceLock::new() }; SERIES_MAX], others }
    }

    /// Counts an exchange; `exemplar`: it can be looked at.
    pub fn observe(&self, key: Key, duration: Duration, exemplar: Option<Exemplar>) {
        let histogram = self.histogram(key);
        histogram.observe_duration(duration);
        if let Some(exemplar) = exemplar {
            histogram.exemplify(exemplar);
        }
    }

    /// Every series that has been counted.
    pub fn read(&self) -> impl Iterator<Item = (Key, Reading)> {
        let method = MethodIndex::of(&Method::Other("".into()));
        let other = move |(histogram, error): (&Histogram<14>, bool)| {
            (Key { method, result: Outcome::Other(error) }, histogram.read())
        };
        let others = self.others.iter().zip([false, true]).map(other);
        let known = self.series.iter().map_while(OnceLock::get);
        let known = known.map(|series| (series.key, series.histogram.read()));
        known.chain(others.filter(|(_, reading)| reading.counts.iter().any(|count| *count > 0)))
    }

    /// A core that finds no series with its key takes the first free place: there is no other writer.
    fn histogram(&self, key: Key) -> &Histogram<14> {
        for place in &self.series {
            let series = place.get_or_init(|| Series { key, histogram: Histogram::new(&DURATION_BOUNDS) });
            if series.key == key {
                return &series.histogram;
            }
        }
        let [well, errors] = &self.others;
        if key.result.is_error(self.errors_from) { errors } else { well }
    }
}

impl Outcome {
    /// Whether it has an `error.type`. A client that goes away is nobody's error.
    pub fn is_error(self, errors_from: u16) -> bool {
        match self {
            Self::Status(status) => status >= errors_from,
            Self::Failed(failure) => failure != Failure::ClientGone,
            Self::Other(error) => error,
        }
    }
}

impl Key {
    /// The key of an exchange.
    pub fn new(method: &Method, result: Outcome) -> Self {
        Self { method: MethodIndex::of(method), result }
    }

    /// A well-known method, or [`OTHER`].
    pub fn method(&self) -> &'static str {
        self.method.name()
    }
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Status { code, .. } => Self::Status(code),
            Ended::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// The method's name if it is a well-known one, else [`OTHER`]: names that clients make up must not become series.
pub fn known_method(method: &Method) -> &'static str {
    MethodIndex::of(method).name()
}

/// A method by its place among the names: cheaper to compare than they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MethodIndex(u8);

impl MethodIndex {
    const NAMES: [&'static str; 10] =
        ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "QUERY", OTHER];

    fn of(method: &Method) -> Self {
        Self(match method {
            Method::Get => 0,
            Method::Head => 1,
            Method::Options => 2,
            Method::Trace => 3,
            Method::Put => 4,
            Method::Delete => 5,
            Method::Post => 6,
            Method::Patch => 7,
            Method::Query => 8,
            Method::Other(_) => 9,
        })
    }

    fn name(self) -> &'static str {
        Self::NAMES.get(usize::from(self.0)).copied().unwrap_or(OTHER)
    }
}
