//! The shape of a status, as it stands in an object or in `status.yaml`. Data only.

use std::sync::Arc;

use rebound_api::crd::condition::Condition;
use rebound_api::crd::gateway::RouteGroupKind;
use rebound_api::crd::parent_ref::{PolicyAncestorStatus, RouteParentStatus};
use serde::Serialize;

use crate::observe::files::finding::{Finding, Severity};

/// Everything that can be said after one round, as a `List` of objects that hold nothing but their status.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusList {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub items: Vec<Arc<ObjectStatus>>,
    /// What is wrong, as `FILE:LINE: PATH: message`. Of what is refused altogether the last good version is in effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What is accepted and deserves a look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The status of one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
}

/// What stands under `status`, by kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Status {
    GatewayClass {
        conditions: Vec<Condition>,
    },
    Gateway {
        conditions: Vec<Condition>,
        listeners: Vec<ListenerStatus>,
        /// None in files mode, where addresses are nobody's to give.
        #[serde(skip_serializing_if = "Option::is_none")]
        addresses: Option<Vec<GatewayAddress>>,
    },
    Route {
        parents: Vec<RouteParentStatus>,
    },
    Policy {
        ancestors: Vec<PolicyAncestorStatus>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    pub name: String,
    pub supported_kinds: Vec<RouteGroupKind>,
    pub attached_routes: usize,
    pub conditions: Vec<Condition>,
}

/// Where clients reach a Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayAddress {
    /// `IPAddress` or `Hostname`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub value: String,
}

impl StatusList {
    /// Adds what was found in the objects' text, and what has no object to stand in.
    pub fn new(items: Vec<Arc<ObjectStatus>>, findings: &[Finding], notes: &[String]) -> Self {
        let of = |severity: &[Severity]| {
            let found = findings.iter().filter(|it| severity.contains(&it.severity));
            found.map(Finding::to_string).collect::<Vec<_>>()
        };
        let mut warnings = of(&[Severity::Warning]);
        warnings.extend_from_slice(notes);
        Self {
            api_version: "v1",
            kind: "List",
            items,
            errors: of(&[Severity::Unreadable, Severity::Error]),
            warnings,
        }
    }
}
