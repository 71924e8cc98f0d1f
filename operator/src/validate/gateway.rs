//! Gateways and their classes, before any route attaches.

use std::collections::HashMap;

use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::Gateway;
use rebound_api::crd::gateway_class::GatewayClass;
use rebound_api::name::ObjectKey;
use rebound_api::violation::Report;

use super::listener;
use super::place::Place;
use super::verdict::{ClassVerdict, GatewayVerdict, Refusal};
use crate::observe::world::{Observed, World};

/// A Gateway of ours and what was found out about its listeners.
#[derive(Debug)]
pub(super) struct CheckedGateway<'w> {
    pub(super) gateway: &'w Observed<Gateway>,
    pub(super) verdict: GatewayVerdict,
}

/// The classes of this operator.
pub(super) fn classes(world: &World) -> Vec<ClassVerdict> {
    let ours = world.classes.iter().filter(|class| class.spec.controller_name == world.controller);
    let verdict = |class: &GatewayClass| ClassVerdict {
        name: class.metadata.name.clone().unwrap_or_default(),
        generation: class.metadata.generation,
        warnings: class_report(class).warnings,
    };
    ours.map(verdict).collect()
}

/// Everything in one GatewayClass that has no effect.
pub(super) fn class_report(class: &GatewayClass) -> Report {
    let mut report = Report::default();
    Place::new(&mut report, "spec").unread(&class.spec.unread);
    report
}

/// The Gateways of this operator's classes, oldest first.
pub(super) fn gateways(world: &World) -> Vec<CheckedGateway<'_>> {
    let ours = world.gateways.iter().filter(|it| world.owns_class(&it.object.spec.gateway_class_name));
    let mut checked: Vec<_> = ours.map(check).collect();
    if world.one_address {
        share_ports(&mut checked);
    }
    checked
}

/// Gateways of classes that nobody defines have no status to say so in.
pub(super) fn notes(world: &World) -> Vec<String> {
    let exists = |name: &str| world.classes.iter().any(|it| it.metadata.name.as_deref() == Some(name));
    let orphans = world.gateways.iter().filter(|it| !exists(&it.object.spec.gateway_class_name));
    let note = |gateway: &Observed<Gateway>| {
        let class = &gateway.object.spec.gateway_class_name;
        format!("Gateway {} names GatewayClass {class}, which does not exist", gateway.key)
    };
    orphans.map(note).collect()
}

/// Everything that is wrong with one Gateway, whatever else exists.
pub(super) fn report(gateway: &Gateway) -> Report {
    let mut report = Report::default();
    let mut spec = Place::new(&mut report, "spec");
    spec.unread(&gateway.spec.unread);
    for (index, it) in gateway.spec.listeners.iter().enumerate() {
        listener::report(&mut spec.item("listeners", index), it, &gateway.spec.listeners);
    }
    report
}

fn check(gateway: &Observed<Gateway>) -> CheckedGateway<'_> {
    let listeners = &gateway.object.spec.listeners;
    let verdict = GatewayVerdict {
        key: gateway.key.clone(),
        generation: gateway.generation,
        listeners: listeners.iter().map(|it| listener::check(it, listeners)).collect(),
        warnings: report(&gateway.object).warnings,
    };
    CheckedGateway { gateway, verdict }
}

/// Gateways that listen on one address share its ports: the oldest Gateway that asks for a port has it.
fn share_ports(gateways: &mut [CheckedGateway<'_>]) {
    let mut owners: HashMap<i32, ObjectKey> = HashMap::new();
    for CheckedGateway { gateway, verdict } in gateways {
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
