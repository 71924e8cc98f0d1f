//! What exists, as plain data: the input of every pure room.
//!
//! Absent: clients, files, clocks. Objects are as users wrote them; nothing here is known to be valid.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use rebound_api::crd::gateway::Gateway;
use rebound_api::crd::gateway_class::GatewayClass;
use rebound_api::crd::http_route::HttpRoute;
use rebound_api::crd::reference_grant::ReferenceGrant;
use rebound_api::name::{BadName, ObjectKey, ServicePort};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that was observed at one moment.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// What routes and policies are judged by.
    pub around: Arc<Surroundings>,
    /// Oldest first, as the next. A route that has not changed is the very same one moment later.
    pub routes: Vec<Arc<Observed<HttpRoute>>>,
    /// As written: `api::crd` reports every mistake only on the text of the user.
    pub policies: Vec<Observed<Value>>,
    /// By the Service that they belong to.
    pub slices: BTreeMap<ObjectKey, Vec<EndpointSlice>>,
    /// Endpoints given by the user; they take the place of those in EndpointSlices.
    pub pinned: BTreeMap<ServicePort, BTreeSet<SocketAddr>>,
    /// What is seen of the data plane of each Gateway; empty in files mode.
    pub fleets: BTreeMap<ObjectKey, Fleet>,
}

/// Everything that a decision about a route may depend on, other than the route itself. It changes seldom, and is
/// another one each time.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The controller name of this operator; GatewayClasses of other controllers are left alone.
    pub controller: String,
    /// True in files mode: all Gateways listen on the same address, so that their ports must differ.
    pub one_address: bool,
    pub classes: Vec<GatewayClass>,
    /// Oldest first.
    pub gateways: Vec<Observed<Gateway>>,
    pub grants: Vec<Observed<ReferenceGrant>>,
    pub services: BTreeMap<ObjectKey, Service>,
    /// `GatewayConfig`s, as written.
    pub configs: BTreeMap<ObjectKey, Observed<Value>>,
    /// The labels of namespaces. A namespace that is not here has only the label of its name.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// An object and the parts of its metadata that every room asks for.
#[derive(Debug, Clone)]
pub struct Observed<T> {
    pub key: ObjectKey,
    /// Files have none.
    pub uid: Option<String>,
    /// Files have none.
    pub born: Option<Timestamp>,
    /// Files have none.
    pub generation: Option<i64>,
    pub object: T,
}

/// What is seen of a Gateway's data plane from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Where clients reach it: addresses of the traffic Service, IP or host name.
    pub addresses: Vec<String>,
    /// The pods that there are.
    pub pods: BTreeSet<String>,
    /// Those that take traffic.
    pub ready: BTreeSet<String>,
    /// What the agents have reported, by pod.
    pub reports: BTreeMap<String, Report>,
}

/// What an agent says about the data plane of its pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The generation that is active; 0: none.
    pub generation: u64,
    /// The I/O driver in use, as the data plane calls it.
    pub driver: String,
    /// Why a newer generation is not in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Names the Service that an EndpointSlice belongs to.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl World {
    /// For whoever changes them.
    pub fn around(&mut self) -> &mut Surroundings {
        Arc::make_mut(&mut self.around)
    }

    /// Files an EndpointSlice under its Service, and returns that; one that names none belongs to nobody.
    pub fn add_slice(&mut self, slice: EndpointSlice) -> Option<ObjectKey> {
        let service = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_LABEL));
        let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
        let key = ObjectKey::new(namespace, service?).ok()?;
        self.slices.entry(key.clone()).or_default().push(slice);
        Some(key)
    }

    /// Takes an object out, by the name of its kind; EndpointSlices are filed under their Service.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) {
        let is_it = |key: &ObjectKey| key.namespace() == namespace && key.name() == name;
        match kind {
            "GatewayClass" => self.around().classes.retain(|it| it.metadata.name.as_deref() != Some(name)),
            "Gateway" => self.around().gateways.retain(|it| !is_it(&it.key)),
            "HTTPRoute" => self.routes.retain(|it| !is_it(&it.key)),
            "ReferenceGrant" => self.around().grants.retain(|it| !is_it(&it.key)),
            "RetryPolicy" => self.policies.retain(|it| !is_it(&it.key)),
            "GatewayConfig" => self.around().configs.retain(|key, _| !is_it(key)),
            "Service" => self.around().services.retain(|key, _| !is_it(key)),
            "Namespace" => self.around().namespaces.retain(|it, _| it != name),
            _ => {}
        }
    }

    /// Puts everything whose age decides a conflict in order: oldest first, then by namespace and name.
    pub fn sort(&mut self) {
        if !self.around.gateways.is_sorted_by(|a, b| a.by_age(b).is_le()) {
            self.around().gateways.sort_by(Observed::by_age);
        }
        self.routes.sort_by(|a, b| a.by_age(b));
        self.policies.sort_by(Observed::by_age);
    }
}

impl Fleet {
    /// Pods that have reported and are gone, or are not known yet: an agent reports as soon as it runs. None while no
    /// pod is known at all, which says more about the Service.
    pub fn gone(&self) -> Vec<String> {
        if self.pods.is_empty() {
            return Vec::new();
        }
        self.reports.keys().filter(|pod| !self.pods.contains(*pod)).cloned().collect()
    }
}

impl Surroundings {
    /// Whether the Gateways of a class are this operator's.
    pub fn owns_class(&self, name: &str) -> bool {
        self.classes.iter().any(|class| {
            class.metadata.name.as_deref() == Some(name) && class.spec.controller_name == self.controller
        })
    }
}

impl<T> Observed<T> {
    /// Refuses metadata without a valid name and namespace.
    pub fn new(meta: &ObjectMeta, object: T) -> Result<Self, BadName> {
        let key = ObjectKey::new(
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        )?;
        let born = meta.creation_timestamp.as_ref().map(|time| time.0);
        Ok(Self { key, uid: meta.uid.clone(), born, generation: meta.generation, object })
    }

    /// An object without a date counts as new.
    fn by_age(&self, other: &Self) -> std::cmp::Ordering {
        let age = |it: &Self| (it.born.is_none(), it.born);
        age(self).cmp(&age(other)).then_with(|| self.key.cmp(&other.key))
    }
}
