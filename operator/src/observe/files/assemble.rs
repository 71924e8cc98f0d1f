//! From manifests to a [`World`]: each kind to its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Service, ServicePort as PortSpec, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rebound_api::crd::gateway::Gateway;
use rebound_api::crd::gateway_class::{GatewayClass, GatewayClassSpec};
use rebound_api::crd::http_route::HttpRoute;
use rebound_api::crd::parent_ref::GATEWAY_GROUP;
use rebound_api::crd::reference_grant::ReferenceGrant;
use rebound_api::name::{ObjectKey, ServicePort};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Settings;
use super::manifest::Id;
use crate::observe::service;
use crate::observe::world::{Observed, World};

const POLICY_GROUP: &str = "gateway.flomesh.io";
const SLICE_GROUP: &str = "discovery.k8s.io";

/// Whether objects of the kind are read at all.
pub(super) fn is_known(id: &Id) -> bool {
    matches!(
        (id.group.as_str(), id.kind.as_str()),
        (GATEWAY_GROUP, "Gateway" | "GatewayClass" | "HTTPRoute" | "ReferenceGrant")
            | (POLICY_GROUP, "RetryPolicy" | "GatewayConfig")
            | ("", "Service" | "Namespace")
            | (SLICE_GROUP, "EndpointSlice")
    )
}

/// Kinds that are not read count as namespaced: their line on the screen is all there is to them.
pub(super) fn is_namespaced(id: &Id) -> bool {
    !matches!(id.kind.as_str(), "GatewayClass" | "Namespace")
}

/// Puts an object into the world. One without the shape of its kind was refused before and is left out.
pub(in crate::observe) fn add(world: &mut World, id: &Id, value: &Value) {
    match id.kind.as_str() {
        "Gateway" => world.around().gateways.extend(observed::<Gateway>(value, |it| &it.metadata)),
        "GatewayClass" => world.around().classes.extend(typed::<GatewayClass>(value)),
        "HTTPRoute" => world.routes.extend(observed::<HttpRoute>(value, |it| &it.metadata).map(Arc::new)),
        "ReferenceGrant" => {
            world.around().grants.extend(observed::<ReferenceGrant>(value, |it| &it.metadata));
        }
        "EndpointSlice" => {
            // One that names no Service belongs to nobody.
            let _ = typed(value).and_then(|slice| world.add_slice(slice));
        }
        "RetryPolicy" => world.policies.extend(as_written(value)),
        "GatewayConfig" => world.around().configs.extend(as_written(value).map(|it| (it.key.clone(), it))),
        "Service" => {
            let service = observed::<Service>(value, |it| &it.metadata);
            world.around().services.extend(service.map(|it| (it.key, it.object)));
        }
        _ => {
            let namespace = typed::<Namespace>(value);
            let labels = namespace.map(|it| it.metadata.labels.unwrap_or_default());
            world.around().namespaces.extend(labels.map(|labels| (id.name.clone(), labels)));
        }
    }
}

/// Adds what the command line says and what files mode implies.
pub(super) fn complete(world: &mut World, settings: &Settings) {
    let named = |class: &GatewayClass| class.metadata.name.as_deref() == Some(settings.class.as_str());
    if !world.around.classes.iter().any(named) {
        let spec =
            GatewayClassSpec { controller_name: settings.controller.clone(), ..GatewayClassSpec::default() };
        world.around().classes.push(GatewayClass::new(&settings.class, spec));
    }
    for (port, endpoint) in &settings.backends {
        declare(&mut world.around().services, port);
        world.pinned.entry(port.clone()).or_default().insert(*endpoint);
    }
    world.sort();
}

fn observed<T: DeserializeOwned>(value: &Value, meta: impl Fn(&T) -> &ObjectMeta) -> Option<Observed<T>> {
    let object: T = typed(value)?;
    let meta = meta(&object).clone();
    Observed::new(&meta, object).ok()
}

fn as_written(value: &Value) -> Option<Observed<Value>> {
    let meta: ObjectMeta = typed(&value["metadata"])?;
    Observed::new(&meta, value.clone()).ok()
}

fn typed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

/// Declares a Service and its port where no manifest does.
fn declare(services: &mut BTreeMap<ObjectKey, Service>, port: &ServicePort) {
    let service = services.entry(port.service.clone()).or_default();
    if service::tcp_port(service, port.port).is_none() {
        let ports = service.spec.get_or_insert_with(ServiceSpec::default).ports.get_or_insert_default();
        ports.push(PortSpec { port: port.port.into(), ..PortSpec::default() });
    }
}
