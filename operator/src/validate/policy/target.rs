//! Whether a policy's target is there and may be targeted.

use crate::validate::interim::TargetRef;
use rebound_api::crd::condition::Reason;
use rebound_api::name::ObjectKey;

use crate::observe::world::World;
use crate::validate::verdict::Refusal;
use crate::validate::{backend, grant};

/// The object that a reference of a policy in `namespace` means.
pub(super) fn key(namespace: &str, target: &TargetRef) -> Option<ObjectKey> {
    ObjectKey::new(target.namespace.as_deref().unwrap_or(namespace), &target.name).ok()
}

/// The TCP ports of the target. A policy may come before its Service: that is no mistake, it takes effect later.
pub(super) fn find(
    world: &World,
    namespace: &str,
    target: &TargetRef,
    service: &ObjectKey,
) -> Result<Vec<u16>, Refusal> {
    if target.kind != "Service" {
        let message =
            format!("{} {service}: targets of this kind have no effect in this version", target.kind);
        return Err(Refusal::new(Reason::TargetNotFound, message));
    }
    if !grant::permits(world, grant::RETRY_POLICY, namespace, service) {
        let advice = grant::advice(grant::RETRY_POLICY, namespace, service);
        return Err(Refusal::new(Reason::RefNotPermitted, advice));
    }
    let found = world.services.get(service);
    let missing = || Refusal::new(Reason::TargetNotFound, format!("Service {service} does not exist"));
    Ok(backend::tcp_ports(found.ok_or_else(missing)?).collect())
}
