//! `HTTPRoute`, as far as we act on it, with `timeouts` (GEP-1742) and `retry` (GEP-1731).
//!
//! Numbers and grammar are unchecked here: what an API server would refuse, the operator's `validate` refuses too.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Unread;
use super::open_enum::open_enum;
use super::parent_ref::ParentReference;

/// The spec of an HTTPRoute (`gateway.networking.k8s.io/v1`).
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    root = "HttpRoute",
    plural = "httproutes",
    namespaced,
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways, or some of their listeners, that the route wants to attach to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ParentReference>,
    /// Hosts; empty: every host of the listener. `*.` at most once, in front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// None: one rule that matches everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<HttpRouteRule>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// One rule: if any of its matches holds, its backends answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// A name for people and for policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Empty: every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<HttpRouteMatch>,
    /// What happens to requests and responses on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<HttpRouteFilter>,
    /// Where requests go; empty: they are answered with 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<HttpBackendRef>,
    /// How long a request may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<HttpRouteTimeouts>,
    /// How failed requests are retried; wins over a RetryPolicy's triggers, count and backoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<HttpRouteRetry>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// A predicate; all parts must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// None: the prefix `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HttpPathMatch>,
    /// Names compare without regard to case; of equal names the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HttpValueMatch>,
    /// Names compare exactly; of equal names the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_params: Vec<HttpValueMatch>,
    /// Case-sensitive; none: every method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// How a path is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpPathMatch {
    /// How `value` is to be read.
    #[serde(rename = "type", default = "path_prefix")]
    pub kind: PathMatchType,
    /// The path, prefix or expression.
    #[serde(default = "root")]
    pub value: String,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

open_enum! {
    /// How a path is compared.
    pub enum PathMatchType {
        /// The whole path.
        Exact = "Exact",
        /// Whole path elements from the front.
        PathPrefix = "PathPrefix",
        /// An expression (RE2 syntax) that matches the whole path.
        RegularExpression = "RegularExpression",
    }
}

/// How a header or query parameter is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpValueMatch {
    /// How `value` is to be read.
    #[serde(rename = "type", default = "exact")]
    pub kind: ValueMatchType,
    /// The header's or parameter's name.
    pub name: String,
    /// What its value must be.
    pub value: String,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

open_enum! {
    /// How a value is compared.
    pub enum ValueMatchType {
        /// The whole value.
        Exact = "Exact",
        /// An expression (RE2 syntax) that matches the whole value.
        RegularExpression = "RegularExpression",
    }
}

/// What happens to requests and responses on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteFilter {
    /// Which of the filters this is.
    #[serde(rename = "type")]
    pub kind: FilterType,
    /// The changes of `type: RequestHeaderModifier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_header_modifier: Option<HttpHeaderFilter>,
    /// The changes of `type: ResponseHeaderModifier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header_modifier: Option<HttpHeaderFilter>,
    /// The parameters of filters that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

open_enum! {
    /// The filters that this build acts on; all others are `Unknown`.
    pub enum FilterType {
        /// Changes header fields of the request.
        RequestHeaderModifier = "RequestHeaderModifier",
        /// Changes header fields of the response.
        ResponseHeaderModifier = "ResponseHeaderModifier",
    }
}

/// Changes to header fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeaderFilter {
    /// Replaces all fields of a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<HttpHeader>,
    /// Adds to the fields of a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<HttpHeader>,
    /// Names of fields that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeader {
    /// Compared without regard to case.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// Where a share of a rule's requests goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpBackendRef {
    /// None or empty: the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// None: `Service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The backend's name.
    pub name: String,
    /// None: that of the route; another one needs a ReferenceGrant there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The port of the Service; a Service needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// The share, 0 to 1,000,000; none: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// What happens to requests of this backend alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<HttpRouteFilter>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// How long a request may take; GEP-2257 durations, where `0s` stands for no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteTimeouts {
    /// The whole request, retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// One attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// How failed requests are retried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRetry {
    /// Status codes that are retried, 400-599.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<i32>,
    /// Retries after the first attempt; none: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,
    /// The shortest wait before a retry, a GEP-2257 duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

fn path_prefix() -> PathMatchType {
    PathMatchType::PathPrefix
}

fn root() -> String {
    "/".into()
}

fn exact() -> ValueMatchType {
    ValueMatchType::Exact
}
