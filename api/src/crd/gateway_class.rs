//! `GatewayClass`, as far as we act on it: who implements the Gateways of a class.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Unread;

/// The spec of a GatewayClass (`gateway.networking.k8s.io/v1`).
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "GatewayClass",
    plural = "gatewayclasses",
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// The controller that serves the class, a domain-prefixed path.
    pub controller_name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The GatewayConfig of every Gateway of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters_ref: Option<ParametersReference>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// An object with settings of an implementation, in any namespace or in none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParametersReference {
    /// Its group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// None: the kind has no namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}
