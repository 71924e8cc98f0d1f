//! `Gateway`, as far as we act on it: where connections are accepted, and which routes may attach.

use std::collections::BTreeMap;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Unread;
use super::open_enum::open_enum;

/// The spec of a Gateway (`gateway.networking.k8s.io/v1`).
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "Gateway",
    plural = "gateways",
    namespaced,
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// The GatewayClass; Gateways of other controllers' classes are not ours to touch.
    pub gateway_class_name: String,
    /// Where connections are accepted; names are unique.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// What the objects that are made for the Gateway look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure: Option<Infrastructure>,
    /// Where clients want to reach it; empty: anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<GatewayAddress>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// What the objects that are made for a Gateway look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// Labels of all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The GatewayConfig, in the namespace of the Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters_ref: Option<ParametersReference>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// An object with settings of an implementation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParametersReference {
    /// Its group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// An address that a Gateway asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayAddress {
    /// None: `IPAddress`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AddressType>,
    /// None: any of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

open_enum! {
    /// What kind of address a Gateway asks for.
    pub enum AddressType {
        /// Numbers.
        IpAddress = "IPAddress",
        /// A name in DNS.
        Hostname = "Hostname",
    }
}

/// One port and hostname of a Gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Unique within the Gateway.
    pub name: String,
    /// Requests for other hosts do not belong to this listener; none or empty: every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The port, 1-65535.
    pub port: i32,
    /// What is spoken on the port.
    pub protocol: Protocol,
    /// Which routes may attach; none: those of the Gateway's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_routes: Option<AllowedRoutes>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

open_enum! {
    /// What is spoken on a listener's port.
    pub enum Protocol {
        /// HTTP/1.1 in clear text.
        Http = "HTTP",
        /// HTTP in TLS that the Gateway terminates.
        Https = "HTTPS",
        /// TLS of any content.
        Tls = "TLS",
        /// Bytes.
        Tcp = "TCP",
        /// Datagrams.
        Udp = "UDP",
    }
}

/// Which routes may attach to a listener.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedRoutes {
    /// Where such routes may live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<RouteNamespaces>,
    /// Their kinds; empty: those that fit the listener's protocol.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<RouteGroupKind>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// Where routes that may attach live.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteNamespaces {
    /// None: `Same`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<FromNamespaces>,
    /// The labels that a namespace must carry; counts only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// Labels that a namespace must carry: all of both lists. Without any it selects every namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Names and values that must be there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// What must hold for labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

/// What must hold for one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRequirement {
    /// The label's name.
    pub key: String,
    /// How `values` is to be read.
    pub operator: LabelOperator,
    /// Counts only with `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}

open_enum! {
    /// How a label is compared.
    pub enum LabelOperator {
        /// It is there and its value is listed.
        In = "In",
        /// It is not there, or its value is not listed.
        NotIn = "NotIn",
        /// It is there.
        Exists = "Exists",
        /// It is not there.
        DoesNotExist = "DoesNotExist",
    }
}

open_enum! {
    /// The namespaces from which routes may attach.
    pub enum FromNamespaces {
        /// Every namespace.
        All = "All",
        /// Namespaces with the labels of `selector`.
        Selector = "Selector",
        /// The Gateway's own.
        Same = "Same",
        /// No namespace.
        None = "None",
    }
}

/// A kind of route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteGroupKind {
    /// None: `gateway.networking.k8s.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Such as `HTTPRoute`.
    pub kind: String,
    /// Fields that this build does not act on.
    #[serde(flatten)]
    pub unread: Unread,
}
