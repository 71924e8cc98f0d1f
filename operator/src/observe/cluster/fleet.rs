//! What is seen of data planes: the traffic Service with its pods, and the reports of their agents.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use rebound_api::name::ObjectKey;
use serde_json::Value;

use crate::build::names;
use crate::live::kind::Kind;
use crate::live::{Id, Live, Object};
use crate::observe::world::{Fleet, Report, World};

/// One for each Gateway of ours, also while nothing is to be seen.
pub(super) fn fleets(world: &World, live: &Live) -> BTreeMap<ObjectKey, Fleet> {
    let ours =
        world.around.gateways.iter().filter(|it| world.around.owns_class(&it.object.spec.gateway_class_name));
    let mut fleets: BTreeMap<_, _> = ours.map(|it| (it.key.clone(), Fleet::default())).collect();
    for (id, object) in live.of_kind(Kind::Service).filter(|(_, object)| object.is_ours()) {
        let (Some(fleet), Some(service)) = (of(&mut fleets, object), key(id)) else { continue };
        fleet.addresses = world.around.services.get(&service).map(addresses).unwrap_or_default();
        let slices = world.slices.get(&service).map(Vec::as_slice).unwrap_or_default();
        fleet.pods = pods(slices, |_| true);
        fleet.ready = pods(slices, |it| it.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true));
    }
    for (_, object) in live.of_kind(Kind::ConfigMap).filter(|(id, _)| names::is_report(&id.name)) {
        if let Some(fleet) = of(&mut fleets, object) {
            fleet.reports = reports(&object.body["data"]);
        }
    }
    fleets
}

fn of<'f>(fleets: &'f mut BTreeMap<ObjectKey, Fleet>, object: &Object) -> Option<&'f mut Fleet> {
    fleets.get_mut(&object.gateway()?)
}

fn key(id: &Id) -> Option<ObjectKey> {
    ObjectKey::new(&id.namespace, &id.name).ok()
}

/// Those that a load balancer gave it; without one, its own.
fn addresses(service: &Service) -> Vec<String> {
    let balancer = service.status.as_ref().and_then(|it| it.load_balancer.as_ref());
    let ingress = balancer.and_then(|it| it.ingress.as_deref()).unwrap_or_default();
    let given: Vec<_> =
        ingress.iter().filter_map(|it| it.ip.clone().or_else(|| it.hostname.clone())).collect();
    let spec = service.spec.clone().unwrap_or_default();
    if !given.is_empty() || spec.type_.as_deref() == Some("LoadBalancer") {
        return given;
    }
    spec.cluster_ips.unwrap_or_default().into_iter().filter(|ip| ip != "None").collect()
}

/// The pods behind those endpoints.
fn pods(slices: &[EndpointSlice], which: impl Fn(&Endpoint) -> bool) -> BTreeSet<String> {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints).filter(|it| which(it));
    let pods =
        endpoints.filter_map(|it| it.target_ref.as_ref()).filter(|it| it.kind.as_deref() == Some("Pod"));
    pods.filter_map(|pod| pod.name.clone()).collect()
}

/// A key that does not read as a report counts as none: anybody may have written it.
fn reports(data: &Value) -> BTreeMap<String, Report> {
    let entries = data.as_object().into_iter().flatten();
    let report = |text: &Value| serde_json::from_str::<Report>(text.as_str()?).ok();
    entries.filter_map(|(pod, text)| Some((pod.clone(), report(text)?))).collect()
}
