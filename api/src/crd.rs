//! The kinds that users write, with everything that can be checked about one object alone.
//!
//! `RetryPolicy` and `GatewayConfig` are ours and strict. The kinds of Gateway API are read leniently: an unknown field or enum value
//! never makes an object unreadable, it is kept and reported as having no effect. Uses kube, schemars, garde and
//! `policy`; never `config`.

pub mod condition;
pub mod gateway;
pub mod gateway_class;
pub mod gateway_config;
pub mod http_route;
mod open_enum;
pub mod parent_ref;
mod quantity;
pub mod reference_grant;
pub mod retry_policy;
mod strict;
pub mod target_ref;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// The fields of an object that this build does not act on, by name; the user is told about each.
pub type Unread = std::collections::BTreeMap<String, serde_json::Value>;

/// The definitions of every kind that is ours, as they are installed.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![retry_policy::definition(), gateway_config::definition()]
}
