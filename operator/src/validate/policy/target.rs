//! Whether a policy's target is there and may be targeted.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::target_ref::{Target, TargetKind};

use crate::observe::world::World;
use crate::validate::verdict::Refusal;
use crate::validate::{backend, grant};

/// The TCP ports of the target of a policy in `namespace`. A policy may come before its Service: that is no mistake, it
/// takes effect later.
pub(super) fn ports(world: &World, namespace: &str, target: &Target) -> Result<Vec<u16>, Refusal> {
    let key = &target.key;
    if target.kind == TargetKind::ServiceImport {
        let message = format!("ServiceImport {key}: targets of this kind have no effect in this version");
        return Err(Refusal::new(Reason::TargetNotFound, message));
    }
    if !grant::permits(world, grant::RETRY_POLICY, namespace, key) {
        let advice = grant::advice(grant::RETRY_POLICY, namespace, key);
        return Err(Refusal::new(Reason::RefNotPermitted, advice));
    }
    let missing = || Refusal::new(Reason::TargetNotFound, format!("Service {key} does not exist"));
    world.services.get(key).map(|service| backend::tcp_ports(service).collect()).ok_or_else(missing)
}
