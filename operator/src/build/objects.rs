//! The objects that run the data plane of one Gateway, but for the ConfigMaps of its configuration.
//!
//! One file for each object. All of them carry the Gateway's labels and annotations and belong to it, so that they go
//! when it goes. None of them says anything about routes: an edit of a route never restarts a pod.

mod account;
mod agent;
mod autoscaler;
mod dataplane;
mod deployment;
mod disruption;
mod pod;
mod report;
mod role;
mod service;
mod telemetry;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;
use rebound_api::crd::gateway::Gateway;
use serde::Serialize;
use serde_json::Value;

pub use self::dataplane::ALLOCATOR;
use super::labels;
use super::names::Names;
use crate::validate::AcceptedGateway;

/// What takes objects with it when it is deleted.
pub type Owner = OwnerReference;

/// What an install decides for all Gateways.
#[derive(Debug, Clone, Default)]
pub struct Install {
    /// The GatewayClass that the operator brings along.
    pub class: String,
    /// Deleting it takes away what belongs to no Gateway: the ClusterRole of the operator. None outside a cluster.
    pub owner: Option<OwnerReference>,
    /// The image of the agents.
    pub operator_image: String,
    /// The image of the data planes.
    pub dataplane_image: String,
    /// The IP family of the cluster, or the first of two: that of the operator's own pod.
    pub family: Family,
}

/// A version of IP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    V4,
    V6,
}

/// The objects in the order in which they are to be written, after the ConfigMaps of the configuration: a pod that
/// starts finds everything that it needs.
///
/// A Gateway without a listener that can be served gets no Deployment and no Service, which needs a port. What it
/// already has is to stay, as [`keeps_what_it_has`] says.
pub fn objects(gateway: &AcceptedGateway, install: &Install) -> Vec<Value> {
    let common = Common { gateway, install, names: Names::new(gateway.key.name(), &gateway.class) };
    let mut objects = vec![
        value(&account::account(&common)),
        value(&role::role(&common)),
        value(&role::binding(&common)),
        value(&report::report(&common)),
    ];
    if !gateway.listeners.is_empty() {
        objects.extend([
            value(&deployment::deployment(&common)),
            value(&service::service(&common)),
            value(&disruption::budget(&common)),
        ]);
        objects.extend(autoscaler::autoscaler(&common).map(|it| value(&it)));
    }
    objects
}

/// What all objects of a Gateway have in common.
pub(super) fn meta(gateway: &AcceptedGateway, names: &Names) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(gateway.key.namespace().into()),
        labels: Some(labels::all(gateway, names)),
        annotations: Some(gateway.annotations.clone()).filter(|it| !it.is_empty()),
        owner_references: owner(gateway).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// Whether objects that [`objects`] does not give are to be left alone. A Service that is deleted loses its address: too
/// high a price for a listener that was mistyped. Its data plane is told to listen nowhere.
pub fn keeps_what_it_has(gateway: &AcceptedGateway) -> bool {
    gateway.listeners.is_empty()
}

impl Family {
    /// Every address of a pod.
    fn any(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// The address of a pod for itself.
    fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// What the objects of a Gateway have in common.
struct Common<'a> {
    gateway: &'a AcceptedGateway,
    install: &'a Install,
    names: Names,
}

impl Common<'_> {
    /// The metadata of an object that has the base name.
    fn base(&self) -> ObjectMeta {
        self.named(self.names.base())
    }

    fn named(&self, name: &str) -> ObjectMeta {
        ObjectMeta { name: Some(name.into()), ..meta(self.gateway, &self.names) }
    }

    fn annotations(&self) -> Option<labels::Map> {
        meta(self.gateway, &self.names).annotations
    }

    /// Selects the pods.
    fn selector(&self) -> LabelSelector {
        LabelSelector { match_labels: Some(labels::selector(&self.names)), ..LabelSelector::default() }
    }

    /// The ports of the listeners, each once and sorted.
    fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<_> = self.gateway.listeners.iter().map(|it| it.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// None for a Gateway that is in no cluster.
fn owner(gateway: &AcceptedGateway) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: Gateway::api_version(&()).into(),
        kind: Gateway::kind(&()).into(),
        name: gateway.key.name().into(),
        uid: gateway.uid.clone()?,
        controller: Some(true),
        block_owner_deletion: None,
    })
}

/// As JSON, with `apiVersion` and `kind`.
#[expect(
    clippy::expect_used,
    reason = "the maps of these types have texts for keys, and they hold no floats"
)]
fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("a Kubernetes type is JSON")
}
