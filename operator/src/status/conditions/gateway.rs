//! GatewayClass, Gateway and listeners.

use std::net::IpAddr;

use rebound_api::crd::Unread;
use rebound_api::crd::condition::{Condition, ConditionType, Reason};
use rebound_api::crd::gateway::RouteGroupKind;

use super::super::document::{GatewayAddress, ListenerStatus, Metadata, ObjectStatus, Status};
use super::progress::{Outcome, Progress};
use super::{GATEWAY_API, GATEWAY_GROUP, accepted, object, observed, with_warnings};
use crate::validate::verdict::{ClassVerdict, GatewayVerdict, ListenerVerdict};

/// The most addresses in a status (Gateway API).
const ADDRESSES_MAX: usize = 16;

pub(super) fn class(verdict: &ClassVerdict) -> ObjectStatus {
    let accepted = match &verdict.refused {
        Some(refusal) => Condition::fails(ConditionType::Accepted, refusal.reason, &refusal.message),
        None => accepted(&verdict.warnings),
    };
    let conditions = observed(vec![accepted], verdict.generation);
    ObjectStatus {
        api_version: GATEWAY_API,
        kind: "GatewayClass",
        metadata: Metadata { namespace: None, name: verdict.name.clone() },
        status: Status::GatewayClass { conditions },
    }
}

pub(super) fn gateway(verdict: &GatewayVerdict, outcome: &Outcome<'_>) -> ObjectStatus {
    let progress = outcome.of_gateway(&verdict.key);
    let conditions = vec![gateway_accepted(verdict), gateway_programmed(verdict, &progress, outcome)];
    let listeners = verdict.listeners.iter().map(|it| listener(it, verdict.generation, &progress));
    let status = Status::Gateway {
        conditions: observed(conditions, verdict.generation),
        listeners: listeners.collect(),
        addresses: outcome.fleets.get(&verdict.key).map(|fleet| addresses(&fleet.addresses)),
    };
    object(GATEWAY_API, "Gateway", &verdict.key, status)
}

fn gateway_accepted(verdict: &GatewayVerdict) -> Condition {
    if let Some(refusal) = &verdict.refused {
        let message = with_warnings(&refusal.message, &verdict.warnings);
        return Condition::fails(ConditionType::Accepted, refusal.reason, message);
    }
    let bad: Vec<_> =
        verdict.listeners.iter().filter(|it| !it.is_usable()).map(|it| it.name.as_str()).collect();
    if bad.is_empty() {
        return accepted(&verdict.warnings);
    }
    let message =
        with_warnings(&format!("listeners that are not valid: {}", bad.join(", ")), &verdict.warnings);
    if bad.len() == verdict.listeners.len() {
        return Condition::fails(ConditionType::Accepted, Reason::ListenersNotValid, message);
    }
    Condition::holds(ConditionType::Accepted, Reason::ListenersNotValid, message)
}

fn gateway_programmed(verdict: &GatewayVerdict, progress: &Progress, outcome: &Outcome<'_>) -> Condition {
    let serves = verdict.listeners.iter().any(ListenerVerdict::is_usable);
    let has_address = outcome.fleets.get(&verdict.key).is_none_or(|fleet| !fleet.addresses.is_empty());
    if let (true, false, Progress::Served(by)) = (serves, has_address, progress) {
        let message = format!("{by}, but no load balancer has given its Service an address");
        return Condition::fails(ConditionType::Programmed, Reason::AddressNotAssigned, message);
    }
    if serves || matches!(progress, Progress::Refused(_)) {
        return progress.clone().condition();
    }
    Condition::fails(ConditionType::Programmed, Reason::Invalid, "no listener is valid")
}

fn listener(verdict: &ListenerVerdict, generation: Option<i64>, progress: &Progress) -> ListenerStatus {
    let http =
        RouteGroupKind { group: Some(GATEWAY_GROUP.into()), kind: "HTTPRoute".into(), unread: Unread::new() };
    let conditions = vec![
        listener_accepted(verdict),
        listener_programmed(verdict, progress),
        listener_resolved(verdict),
        listener_conflicted(verdict),
    ];
    ListenerStatus {
        name: verdict.name.clone(),
        supported_kinds: if verdict.takes_http_routes { vec![http] } else { Vec::new() },
        attached_routes: verdict.attached_routes,
        conditions: observed(conditions, generation),
    }
}

fn listener_accepted(verdict: &ListenerVerdict) -> Condition {
    match verdict.refused.as_ref().or(verdict.conflicted.as_ref()) {
        Some(refusal) => Condition::fails(ConditionType::Accepted, refusal.reason, &refusal.message),
        None => accepted(&[]),
    }
}

fn listener_programmed(verdict: &ListenerVerdict, progress: &Progress) -> Condition {
    if verdict.is_usable() {
        return progress.clone().condition();
    }
    Condition::fails(ConditionType::Programmed, Reason::Invalid, "the listener is not valid")
}

fn listener_resolved(verdict: &ListenerVerdict) -> Condition {
    match &verdict.unresolved {
        Some(refusal) => Condition::fails(ConditionType::ResolvedRefs, refusal.reason, &refusal.message),
        None => Condition::holds(ConditionType::ResolvedRefs, Reason::ResolvedRefs, "nothing is missing"),
    }
}

fn listener_conflicted(verdict: &ListenerVerdict) -> Condition {
    match &verdict.conflicted {
        Some(refusal) => Condition::holds(ConditionType::Conflicted, refusal.reason, &refusal.message),
        None => Condition::fails(
            ConditionType::Conflicted,
            Reason::NoConflicts,
            "no other listener is in the way",
        ),
    }
}

fn addresses(seen: &[String]) -> Vec<GatewayAddress> {
    let address = |value: &String| {
        let kind = if value.parse::<IpAddr>().is_ok() { "IPAddress" } else { "Hostname" };
        GatewayAddress { kind, value: value.clone() }
    };
    seen.iter().take(ADDRESSES_MAX).map(address).collect()
}
