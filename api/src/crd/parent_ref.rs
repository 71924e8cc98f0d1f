//! References from a route or a policy to what it attaches to, and the status that answers each of them.

use serde::{Deserialize, Serialize};

use super::Unread;
use super::condition::Condition;

/// The group of Gateway API.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// The most ancestors in the status of a policy (GEP-713); the oldest Gateways stand first.
pub const ANCESTORS_MAX: usize = 16;

/// What a route attaches to; also names the ancestor in a policy's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// None: [`GATEWAY_GROUP`]; empty: the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// None: `Gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// None: that of the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The parent's name.
    pub name: String,
    /// One listener; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// The listeners of one port; none: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// What one controller says about a route and one of its parents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parent, as the route names it.
    pub parent_ref: ParentReference,
    /// Who says so.
    pub controller_name: String,
    /// `Accepted`, `ResolvedRefs`, and `PartiallyInvalid` when it is true.
    pub conditions: Vec<Condition>,
}

/// What one controller says about a policy and one Gateway (or Service) that it affects (GEP-713).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The Gateway that routes to the policy's target, or else the target itself.
    pub ancestor_ref: ParentReference,
    /// Who says so.
    pub controller_name: String,
    /// `Accepted` and `Programmed`.
    pub conditions: Vec<Condition>,
}

impl ParentReference {
    /// Whether this names a Gateway.
    pub fn is_gateway(&self) -> bool {
        self.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
            && self.kind.as_deref().unwrap_or("Gateway") == "Gateway"
    }
}
