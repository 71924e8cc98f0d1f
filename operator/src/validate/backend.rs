//! From a backend reference to the Service port that it means.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::http_route::HttpBackendRef;
use rebound_api::name::{ObjectKey, ServicePort};

use super::grant;
use super::verdict::Refusal;
use crate::observe::service;
use crate::observe::world::Surroundings;

/// The Service port, or why its share of requests is answered with 500.
pub(super) fn resolve(
    around: &Surroundings,
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
    if !grant::permits(around, grant::HTTP_ROUTE, namespace, &key) {
        let advice = grant::advice(grant::HTTP_ROUTE, namespace, &key);
        return Err(Refusal::new(Reason::RefNotPermitted, advice));
    }
    let Some(port) = backend.port else {
        return Err(not_found(format!("a reference to Service {key} needs a `port`")));
    };
    let service =
        around.services.get(&key).ok_or_else(|| not_found(format!("Service {key} does not exist")))?;
    if service::is_external_name(service) {
        return Err(not_found(external_name(&key)));
    }
    let number = u16::try_from(port).ok().filter(|number| service::tcp_port(service, *number).is_some());
    let number = number.ok_or_else(|| not_found(format!("Service {key} has no TCP port {port}")))?;
    Ok(ServicePort { service: key, port: number })
}

/// Why nothing can be sent to a Service that is only a name.
pub(super) fn external_name(service: &ObjectKey) -> String {
    format!("Service {service} is an ExternalName: it has no endpoints to route to")
}
