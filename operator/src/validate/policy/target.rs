//! Whether a policy's target is there and may be targeted.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::target_ref::{Target, TargetKind};

use crate::observe::service;
use crate::observe::world::Surroundings;
use crate::validate::verdict::Refusal;
use crate::validate::{backend, grant};

/// The TCP ports of the target of a policy in `namespace`. A policy may come before its Service: that is no mistake, it
/// takes effect later.
pub(super) fn ports(around: &Surroundings, namespace: &str, target: &Target) -> Result<Vec<u16>, Refusal> {
    let key = &target.key;
    let not_found = |message: String| Refusal::new(Reason::TargetNotFound, message);
    if let TargetKind::ServiceImport(_) = target.kind {
        let message = format!("ServiceImport {key}: targets of this kind have no effect in this version");
        return Err(not_found(message));
    }
    if !grant::permits(around, grant::RETRY_POLICY, namespace, key) {
        let advice = grant::advice(grant::RETRY_POLICY, namespace, key);
        return Err(Refusal::new(Reason::RefNotPermitted, advice));
    }
    let service = around.services.get(key);
    let service = service.ok_or_else(|| not_found(format!("Service {key} does not exist")))?;
    if service::is_external_name(service) {
        return Err(not_found(backend::external_name(key)));
    }
    let ports: Vec<u16> = service::tcp_ports(service).map(|(number, _)| number).collect();
    if ports.is_empty() {
        return Err(not_found(format!("Service {key} has no TCP port")));
    }
    Ok(ports)
}
