//! Gateways and their listeners, before any route attaches.

use std::collections::HashMap;

use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::{Gateway, Listener, Protocol, RouteGroupKind};
use rebound_api::crd::parent_ref::GATEWAY_GROUP;
use rebound_api::name::ObjectKey;
use rebound_api::violation::{Report, Violation};

use super::verdict::{ClassVerdict, GatewayVerdict, ListenerVerdict, Refusal};
use super::{grammar, rule};
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
    ours.map(|class| {
        let mut report = Report::default();
        rule::unread(&mut report, "spec", &class.spec.unread);
        ClassVerdict {
            name: class.metadata.name.clone().unwrap_or_default(),
            generation: class.metadata.generation,
            warnings: report.warnings,
        }
    })
    .collect()
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

/// Everything that is wrong with one Gateway, whatever else exists.
pub(super) fn report(gateway: &Gateway) -> Report {
    let mut report = Report::default();
    rule::unread(&mut report, "spec", &gateway.spec.unread);
    for (index, listener) in gateway.spec.listeners.iter().enumerate() {
        let path = format!("spec.listeners[{index}]");
        let is_http = listener.protocol == Protocol::Http;
        if is_http {
            rule::unread(&mut report, &path, &listener.unread);
        }
        let invalid = shape(listener).filter(|it| it.reason == Reason::Invalid);
        let reason = rebound_api::violation::Reason::Invalid;
        report.violations.extend(invalid.map(|it| Violation::new(&path, reason, it.message)));
        let unsupported = unsupported(listener).map(|it| it.message);
        let reason = rebound_api::violation::Reason::NotInEffect;
        let path = format!("{path}.protocol");
        report.warnings.extend(unsupported.map(|message| Violation::new(path, reason, message)));
    }
    report
}

fn check(gateway: &Observed<Gateway>) -> CheckedGateway<'_> {
    let listeners = &gateway.object.spec.listeners;
    let verdicts = listeners.iter().map(|listener| ListenerVerdict {
        name: listener.name.clone(),
        takes_http_routes: takes_http_routes(listener),
        attached_routes: 0,
        refused: shape(listener).or_else(|| unsupported(listener)),
        conflicted: conflict(listener, listeners),
        unresolved: foreign_kinds(listener),
    });
    let verdict = GatewayVerdict {
        key: gateway.key.clone(),
        generation: gateway.generation,
        listeners: verdicts.collect(),
        warnings: report(&gateway.object).warnings,
    };
    CheckedGateway { gateway, verdict }
}

fn shape(listener: &Listener) -> Option<Refusal> {
    if u16::try_from(listener.port).unwrap_or(0) == 0 {
        return Some(Refusal::new(
            Reason::Invalid,
            format!("port {} is not within 1 to 65535", listener.port),
        ));
    }
    let hostname = listener.hostname.as_deref().filter(|it| !it.is_empty())?;
    let message = || format!("`{hostname}` is not a hostname");
    (!grammar::is_hostname(hostname)).then(|| Refusal::new(Reason::Invalid, message()))
}

fn unsupported(listener: &Listener) -> Option<Refusal> {
    if listener.protocol == Protocol::Http {
        return None;
    }
    let message =
        format!("listener `{}`: protocol {} is not in this version", listener.name, listener.protocol);
    Some(Refusal::new(Reason::UnsupportedProtocol, message))
}

/// Listeners of one Gateway must be distinct in port, protocol and hostname; those that are not are all refused.
fn conflict(listener: &Listener, listeners: &[Listener]) -> Option<Refusal> {
    let is_other = |other: &&Listener| !std::ptr::eq(*other, listener) && other.port == listener.port;
    let mut others = listeners.iter().filter(is_other);
    others.find_map(|other| {
        if other.protocol != listener.protocol {
            let message = format!("listener `{}` speaks {} on the same port", other.name, other.protocol);
            return Some(Refusal::new(Reason::ProtocolConflict, message));
        }
        let message = || format!("listener `{}` has the same port and hostname", other.name);
        (hostname(other) == hostname(listener)).then(|| Refusal::new(Reason::HostnameConflict, message()))
    })
}

/// The hostname in lower case; an empty one means none.
pub(super) fn hostname(listener: &Listener) -> Option<String> {
    let hostname = listener.hostname.as_deref().filter(|it| !it.is_empty());
    hostname.map(str::to_ascii_lowercase)
}

fn foreign_kinds(listener: &Listener) -> Option<Refusal> {
    let kinds = &listener.allowed_routes.as_ref()?.kinds;
    let foreign = kinds.iter().find(|kind| !is_http_route(kind))?;
    let message = format!("{} routes cannot attach to an {} listener", foreign.kind, listener.protocol);
    Some(Refusal::new(Reason::InvalidRouteKinds, message))
}

fn takes_http_routes(listener: &Listener) -> bool {
    let is_http = matches!(listener.protocol, Protocol::Http | Protocol::Https);
    let kinds = listener.allowed_routes.as_ref().map_or(&[][..], |it| &it.kinds);
    is_http && (kinds.is_empty() || kinds.iter().any(is_http_route))
}

fn is_http_route(kind: &RouteGroupKind) -> bool {
    kind.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP && kind.kind == "HTTPRoute"
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
