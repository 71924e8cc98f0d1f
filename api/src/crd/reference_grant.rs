//! `ReferenceGrant`: what objects of other namespaces may refer to.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Unread;

/// The spec of a ReferenceGrant (`gateway.networking.k8s.io/v1`, and `v1beta1` of the same shape). It lives in the
/// namespace that is referred to.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "ReferenceGrant",
    plural = "referencegrants",
    namespaced,
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct ReferenceGrantSpec {
    /// Who may refer; any one entry is enough.
    pub from: Vec<ReferenceGrantFrom>,
    /// What may be referred to; any one entry is enough.
    pub to: Vec<ReferenceGrantTo>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// Objects that may refer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceGrantFrom {
    /// The group of their kind; empty: the core group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// Where they live.
    pub namespace: String,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// Objects that may be referred to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceGrantTo {
    /// The group of their kind; empty: the core group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// One object; none: all of the kind in the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}
