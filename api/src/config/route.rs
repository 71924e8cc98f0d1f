//! Matches, and the backends that they lead to. Mirrors HTTPRoute of Gateway API 1.6 without its references.

use serde::{Deserialize, Serialize};

use super::list::exact;
use super::retry::Retry;
use crate::name::ObjectKey;

/// The largest compiled form of a regular expression, in bytes (`RegexBuilder::size_limit`). Both sides apply it:
/// what the operator accepts compiles in the data plane.
pub const REGEX_MAX_BYTES: usize = 256 * 1024;

/// One HTTPRoute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The HTTPRoute.
    pub name: ObjectKey,
    /// In the order of the manifest, which decides between equal matches of one route.
    #[serde(deserialize_with = "exact")]
    pub rules: Vec<Rule>,
}

/// One rule: if any of its matches holds, its backends answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// At least one; a rule that matches everything says so with the prefix `/`.
    #[serde(deserialize_with = "exact")]
    pub matches: Vec<Match>,
    /// Changes to the request before it is sent.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub request_headers: HeaderEdits,
    /// Changes to the response before the client gets it.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub response_headers: HeaderEdits,
    /// From the end of the request head to the end of the response, retries and waits included (GEP-1742
    /// `timeouts.request`); none: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout_ms: Option<u64>,
    /// One attempt, from the choice of an endpoint (GEP-1742 `timeouts.backendRequest`); none: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_timeout_ms: Option<u64>,
    /// Empty, or all of weight zero: the rule answers 500.
    #[serde(deserialize_with = "exact")]
    pub backends: Vec<Backend>,
}

/// All parts must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The path without the query, as sent: nothing is decoded or normalised.
    pub path: PathMatch,
    /// Case-sensitive; none: every method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Names in lower case.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// Query parameters; names are case-sensitive and the first value of a name counts.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueMatch>,
}

/// How a path is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum PathMatch {
    /// The whole path, byte for byte.
    Exact(String),
    /// Whole path elements: `/foo` holds for `/foo` and `/foo/bar`, not for `/foobar`. No trailing `/` except in `/`.
    Prefix(String),
    /// An expression of the `regex` crate that must match the whole path.
    Regex(String),
}

/// A header or query parameter that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueMatch {
    /// The header's or parameter's name.
    pub name: String,
    /// What its value must be.
    pub value: ValuePattern,
}

/// How a value is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ValuePattern {
    /// The whole value, byte for byte.
    Exact(String),
    /// An expression of the `regex` crate that must match the whole value.
    Regex(String),
}

/// Changes to header fields, carried out in the order remove, set, add. Names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderEdits {
    /// Fields that go.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Fields that replace all of their name.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<HeaderValue>,
    /// Fields that are added to those of their name.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<HeaderValue>,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderValue {
    /// In lower case.
    pub name: String,
    /// Visible characters, spaces and tabs; no control characters.
    pub value: String,
}

/// Where a share of a rule's requests goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// The share, relative to the sum of the rule; zero: none.
    pub weight: u32,
    /// Index into [`super::Snapshot::clusters`]; none: the reference does not resolve and its share is answered
    /// with 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<u32>,
    /// The `retry` of the route's rule, already joined with the ceilings of the Service port's policy. Wins over
    /// [`super::cluster::Cluster::retry`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Box<Retry>>,
    /// Changes to the request for this backend alone, after those of the rule.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub request_headers: HeaderEdits,
    /// Changes to this backend's response, before those of the rule.
    #[serde(default, skip_serializing_if = "HeaderEdits::is_empty")]
    pub response_headers: HeaderEdits,
}

impl HeaderEdits {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}
