//! An API server as a source of objects: what its watches tell is kept as one [`World`], changed in place.
//!
//! Absent: admission, which the API server has done; and decisions, beyond which changes matter to whom.

mod fleet;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use kube::core::ObjectMeta;
use rebound_api::name::ObjectKey;
use serde_json::Value;

use super::Observation;
use super::files::assemble;
use super::files::manifest;
use super::world::World;
use crate::build::{labels, names};
use crate::live::kind::Kind;
use crate::live::watch::Seen;
use crate::live::{Change, Id, Live};

/// The world of one API server.
#[derive(Debug)]
pub struct Cluster {
    live: Live,
    world: World,
    /// The Service under which each EndpointSlice is filed.
    filed: HashMap<Id, ObjectKey>,
    is_sorted: bool,
}

/// What a number of changes asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stir {
    /// Something that decisions depend on: everything is decided anew.
    pub world: bool,
    /// Services whose endpoints have changed.
    pub endpoints: BTreeSet<ObjectKey>,
    /// What is seen of data planes.
    pub fleets: bool,
    /// Every object that has changed: somebody may have undone what was written to it.
    pub touched: BTreeSet<Id>,
}

impl Cluster {
    /// `controller` is the name by which GatewayClasses call this operator.
    pub fn new(controller: &str) -> Self {
        let mut world = World::default();
        world.around().controller = controller.into();
        Self { live: Live::NOTHING, world, filed: HashMap::new(), is_sorted: true }
    }

    /// Takes note of what a watch has seen, and of what that asks for.
    pub fn note(&mut self, seen: Seen, stir: &mut Stir) {
        for change in self.live.note(seen) {
            self.take(change, stir);
        }
    }

    /// What the API server holds.
    pub fn live(&self) -> &Live {
        &self.live
    }

    pub(super) fn services(&self) -> BTreeSet<ObjectKey> {
        self.world.slices.keys().cloned().collect()
    }

    pub(super) fn has_class(&self, name: &str) -> bool {
        self.world.around.classes.iter().any(|it| it.metadata.name.as_deref() == Some(name))
    }

    /// Looks at the data planes anew.
    pub fn look_at_fleets(&mut self) {
        self.world.fleets = fleet::fleets(&self.world, &self.live);
    }

    /// Everything as it is now.
    pub(super) fn observe(&mut self) -> Observation<'_> {
        if !self.is_sorted {
            self.world.sort();
            self.is_sorted = true;
        }
        Observation { world: &self.world, live: &self.live, findings: Vec::new() }
    }

    fn take(&mut self, change: Change, stir: &mut Stir) {
        match change.id.kind {
            Kind::ConfigMap => stir.fleets |= names::is_report(&change.id.name),
            kind if kind.is_only_ours() => {}
            Kind::EndpointSlice => self.take_slice(&change, stir),
            Kind::Service => {
                stir.fleets |= change.concerns_ours();
                stir.world |= self.take_service(&change);
            }
            Kind::Namespace => stir.world |= self.take_namespace(&change),
            _ if change.keeps_generation() => {}
            _ => {
                self.replace(&change.id, change.object.as_ref());
                stir.world = true;
            }
        }
        stir.touched.insert(change.id);
    }

    fn take_slice(&mut self, change: &Change, stir: &mut Stir) {
        if let Some(service) = self.filed.remove(&change.id) {
            if let Some(slices) = self.world.slices.get_mut(&service) {
                slices.retain(|it| it.metadata.name.as_deref() != Some(change.id.name.as_str()));
                if slices.is_empty() {
                    self.world.slices.remove(&service);
                }
            }
            stir.endpoints.insert(service);
        }
        let typed = change.object.as_ref().and_then(|it| it.clone().try_parse::<EndpointSlice>().ok());
        // The pods of a data plane are the endpoints of its own Service.
        stir.fleets |= change.concerns_ours() || typed.as_ref().is_some_and(|it| is_ours(&it.metadata));
        let Some(mut slice) = typed else { return };
        slice.metadata.managed_fields = None;
        refuse_local(&mut slice);
        if let Some(service) = self.world.add_slice(slice) {
            self.filed.insert(change.id.clone(), service.clone());
            stir.endpoints.insert(service);
        }
    }

    /// Whether anything but its status has changed.
    fn take_service(&mut self, change: &Change) -> bool {
        let key = ObjectKey::new(&change.id.namespace, &change.id.name).ok();
        let before = key.as_ref().and_then(|key| self.world.around().services.remove(key));
        self.replace(&change.id, change.object.as_ref());
        let now = key.and_then(|key| self.world.around.services.get(&key));
        before.map(|it| it.spec) != now.map(|it| it.spec.clone())
    }

    /// Whether its labels have changed.
    fn take_namespace(&mut self, change: &Change) -> bool {
        let before = self.world.around().namespaces.remove(&change.id.name);
        self.replace(&change.id, change.object.as_ref());
        before.as_ref() != self.world.around.namespaces.get(&change.id.name)
    }

    /// An object without the shape of its kind counts as absent: it cannot harm the others.
    fn replace(&mut self, id: &Id, object: Option<&DynamicObject>) {
        self.world.remove(id.kind.as_str(), &id.namespace, &id.name);
        if let Some(object) = object {
            assemble::add(&mut self.world, &manifest_id(id), &as_written(id.kind, object));
            self.is_sorted = false;
        }
    }
}

/// EndpointSlices carry the labels of their Service.
fn is_ours(meta: &ObjectMeta) -> bool {
    meta.labels.as_ref().is_some_and(|it| it.contains_key(labels::GATEWAY))
}

fn manifest_id(id: &Id) -> manifest::Id {
    manifest::Id {
        group: id.kind.group().into(),
        kind: id.kind.as_str().into(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}

/// The object without its status, which is only ever an answer to it. That of a Service is a question to us: where the
/// Gateway is reached. Lists do not say of what kind their items are.
fn as_written(kind: Kind, object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if kind != Kind::Service {
        value.as_object_mut().map(|fields| fields.remove("status"));
    }
    value
}

/// Endpoints that would lead back into the data plane's own pod or node. API servers refuse them as well.
fn refuse_local(slice: &mut EndpointSlice) {
    let is_local = |address: &String| match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unspecified(),
        // A host name: endpoints are addresses.
        Err(_) => true,
    };
    for endpoint in &mut slice.endpoints {
        endpoint.addresses.retain(|address| !is_local(address));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_that_a_list_brings_has_its_addresses() {
        let mut cluster = Cluster::new("example.com/controller");
        let listed = json!({ "metadata": { "namespace": "default", "name": "web-fsm" },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] },
            "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } });
        let listed = Seen::Object(Kind::Service, serde_json::from_value(listed).unwrap());
        cluster.note(listed, &mut Stir::default());
        let service = &cluster.world.around.services[&ObjectKey::new("default", "web-fsm").unwrap()];
        let balancer = service.status.as_ref().and_then(|it| it.load_balancer.as_ref());
        assert_eq!(balancer.unwrap().ingress.as_ref().unwrap()[0].ip.as_deref(), Some("192.0.2.1"));
    }
}
