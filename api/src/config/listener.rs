//! Where connections are accepted, and which routes answer there.

use serde::{Deserialize, Serialize};

use super::list::exact;

/// One listener of the Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The listener's name within its Gateway.
    pub name: String,
    /// The TCP port, 1-65535; the address is the data plane's own flag.
    pub port: u16,
    /// What is spoken on the port.
    pub protocol: Protocol,
    /// Requests for other hosts do not belong to this listener; none: every host. Lower case, `*.` at most once, in
    /// front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The routes that the listener let in, in the order of [`super::Snapshot::routes`].
    #[serde(deserialize_with = "exact")]
    pub routes: Vec<Attached>,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1 in clear text.
    Http,
}

/// A route on a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// Index into [`super::Snapshot::routes`].
    pub route: u32,
    /// The hostnames of the route that intersect the listener's, in their narrower form; empty: every host.
    #[serde(deserialize_with = "exact")]
    pub hostnames: Vec<String>,
}
