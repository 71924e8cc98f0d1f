//! What Gateways come into each other's way by, and into the way of their data plane: ports and names.

use std::collections::HashMap;

use rebound_api::crd::condition::Reason;
use rebound_api::name::ObjectKey;

use super::ADMIN_PORT;
use super::gateway::CheckedGateway;
use super::verdict::Refusal;
use crate::observe::world::Observed;

/// In a pod the data plane answers probes on a port of its own, which no listener can have.
pub(super) fn admin_port(CheckedGateway { gateway, verdict, .. }: &mut CheckedGateway) {
    for (listener, judged) in gateway.object.spec.listeners.iter().zip(&mut verdict.listeners) {
        if listener.port == i32::from(ADMIN_PORT) && judged.refused.is_none() {
            let message = format!("port {ADMIN_PORT} is where the data plane answers probes");
            judged.refused = Some(Refusal::new(Reason::PortUnavailable, message));
        }
    }
}

/// Objects are named after a Gateway and its class: where `a-b` of `c` meets `a` of `b-c`, the older has the names.
pub(super) fn names(gateways: &mut [CheckedGateway]) {
    let mut owners: HashMap<(&str, String), &ObjectKey> = HashMap::new();
    for CheckedGateway { gateway, verdict, .. } in gateways {
        let Observed { key, object, .. } = gateway;
        let name = (key.namespace(), format!("{}-{}", key.name(), object.spec.gateway_class_name));
        let owner = owners.entry(name).or_insert(key);
        if *owner != key {
            let message = format!("its objects would have the names of those of Gateway {owner}: rename it");
            verdict.refused = Some(Refusal::new(Reason::Invalid, message));
        }
    }
}

/// Gateways that listen on one address share its ports: the oldest Gateway that asks for a port has it.
pub(super) fn ports(gateways: &mut [CheckedGateway]) {
    let mut owners: HashMap<i32, ObjectKey> = HashMap::new();
    for CheckedGateway { gateway, verdict, .. } in gateways {
        for (listener, judged) in gateway.object.spec.listeners.iter().zip(&mut verdict.listeners) {
            if !judged.is_usable() {
                continue;
            }
            let owner = owners.entry(listener.port).or_insert_with(|| gateway.key.clone());
            if *owner != gateway.key {
                let message = format!("port {} belongs to Gateway {owner}", listener.port);
                judged.conflicted = Some(Refusal::new(Reason::PortUnavailable, message.clone()));
                judged.refused = Some(Refusal::new(Reason::PortUnavailable, message));
            }
        }
    }
}
