//! Service ports: their ready endpoints, and the policy that applies.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::ServicePort as PortSpec;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rebound_api::config::cluster::Cluster;
use rebound_api::name::ServicePort;

use super::retry;
use crate::observe::service;
use crate::observe::world::World;
use crate::validate::Accepted;

pub(super) fn cluster(world: &World, accepted: &Accepted, port: &ServicePort) -> Cluster {
    let policy = accepted.policies.get(port);
    Cluster {
        service: port.clone(),
        endpoints: endpoints(world, port).into_iter().collect(),
        retry: policy.and_then(retry::of_policy),
        budget: retry::budget(policy),
    }
}

pub(super) fn endpoints(world: &World, port: &ServicePort) -> BTreeSet<SocketAddr> {
    if let Some(pinned) = world.pinned.get(port) {
        return pinned.clone();
    }
    let Some(spec) = world.around.services.get(&port.service).and_then(|it| service::tcp_port(it, port.port))
    else {
        return BTreeSet::new();
    };
    let slices = world.slices.get(&port.service).into_iter().flatten();
    slices.flat_map(|slice| addresses(slice, spec)).collect()
}

fn addresses<'a>(slice: &'a EndpointSlice, spec: &PortSpec) -> impl Iterator<Item = SocketAddr> + use<'a> {
    let number = slice_port(slice.ports.as_deref().unwrap_or_default(), spec);
    let ready = slice.endpoints.iter().filter(|endpoint| is_ready(endpoint));
    let ips = ready.flat_map(|it| &it.addresses).filter_map(|address| address.parse::<IpAddr>().ok());
    number.into_iter().flat_map(move |port| ips.clone().map(move |ip| SocketAddr::new(ip, port)))
}

/// A slice names its ports as the Service does. Hand-written slices often leave the name out: there the number of
/// the Service's `targetPort` decides.
fn slice_port(ports: &[EndpointPort], spec: &PortSpec) -> Option<u16> {
    let name =
        |it: &EndpointPort| it.name.clone().unwrap_or_default() == spec.name.clone().unwrap_or_default();
    let target = match &spec.target_port {
        None => Some(spec.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(_)) => None,
    };
    let mut tcp = ports.iter().filter(|it| service::is_tcp(it.protocol.as_deref()));
    let found = tcp.clone().find(|it| name(it)).or_else(|| tcp.find(|it| it.port == target));
    found.and_then(|it| it.port).and_then(|number| u16::try_from(number).ok()).filter(|it| *it != 0)
}

/// An endpoint that does not say is ready (EndpointSlice API).
fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true)
}
