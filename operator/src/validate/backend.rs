//! From a backend reference to the Service port that it means.

use k8s_openapi::api::core::v1::{Service, ServicePort as PortSpec};
use rebound_api::crd::condition::Reason;
use rebound_api::crd::http_route::HttpBackendRef;
use rebound_api::name::{ObjectKey, ServicePort};

use super::grant;
use super::verdict::Refusal;
use crate::observe::world::World;

/// The Service port, or why its share of requests is answered with 500.
pub(super) fn resolve(
    world: &World,
    namespace: &str,
    backend: &HttpBackendRef,
) -> Result<ServicePort, Refusal> {
    let (group, kind) =
        (backend.group.as_deref().unwrap_or(""), backend.kind.as_deref().unwrap_or("Service"));
    if !group.is_empty() || kind != "Service" {
        let message = format!("{kind} `{group}` is not a kind of backend that Rebound routes to");
        return Err(Refusal::new(Reason::InvalidKind, message));
    }
    let not_found = |message: String| Refusal::new(Reason::BackendNotFound, message);
    let owner = backend.namespace.as_deref().unwrap_or(namespace);
    let key = ObjectKey::new(owner, &backend.name).map_err(|bad| not_found(bad.to_string()))?;
    if !grant::permits(world, grant::HTTP_ROUTE, namespace, &key) {
        let advice = grant::advice(grant::HTTP_ROUTE, namespace, &key);
        return Err(Refusal::new(Reason::RefNotPermitted, advice));
    }
    let Some(port) = backend.port else {
        return Err(not_found(format!("a reference to Service {key} needs a `port`")));
    };
    let service =
        world.services.get(&key).ok_or_else(|| not_found(format!("Service {key} does not exist")))?;
    if is_external_name(service) {
        let message = format!("Service {key} is an ExternalName: it has no endpoints to route to");
        return Err(not_found(message));
    }
    let number = tcp_ports(service).find(|number| i32::from(*number) == port);
    let number = number.ok_or_else(|| not_found(format!("Service {key} has no TCP port {port}")))?;
    Ok(ServicePort { service: key, port: number })
}

/// The numbers of a Service's TCP ports.
pub(super) fn tcp_ports(service: &Service) -> impl Iterator<Item = u16> + '_ {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports.filter(|port| is_tcp(port)).filter_map(|port| u16::try_from(port.port).ok()).filter(|it| *it != 0)
}

fn is_tcp(port: &PortSpec) -> bool {
    port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
}

fn is_external_name(service: &Service) -> bool {
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    kind == Some("ExternalName")
}
