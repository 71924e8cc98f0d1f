//! A Service port: its endpoints, and how requests to it are retried.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::list::exact;
use super::retry::{Budget, Retry};
use crate::name::ServicePort;

/// One port of one Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The Service and its port.
    pub service: ServicePort,
    /// Ready endpoints, sorted, without duplicates; empty: requests are answered with 503.
    #[serde(deserialize_with = "exact")]
    pub endpoints: Vec<SocketAddr>,
    /// The RetryPolicy that applies; none: failures are passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What the retries of all routes to this Service port may cost together; none: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}
