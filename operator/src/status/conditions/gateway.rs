//! GatewayClass, Gateway and listeners.

use rebound_api::crd::Unread;
use rebound_api::crd::condition::{Condition, ConditionType, Reason};
use rebound_api::crd::gateway::RouteGroupKind;

use super::super::document::{ListenerStatus, Metadata, ObjectStatus, Status};
use super::{GATEWAY_API, GATEWAY_GROUP, accepted, object, observed, refused_config, with_warnings};
use crate::build::{Applied, Desired};
use crate::validate::verdict::{ClassVerdict, GatewayVerdict, ListenerVerdict};

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

pub(super) fn gateway(verdict: &GatewayVerdict, applied: &[Desired<Applied>]) -> ObjectStatus {
    let refused = refused_config(&verdict.key, applied);
    let conditions = vec![gateway_accepted(verdict), gateway_programmed(verdict, refused)];
    let listeners = verdict.listeners.iter().map(|it| listener(it, verdict.generation, refused));
    let status = Status::Gateway {
        conditions: observed(conditions, verdict.generation),
        listeners: listeners.collect(),
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

fn gateway_programmed(verdict: &GatewayVerdict, refused: Option<&str>) -> Condition {
    match refused {
        Some(message) => Condition::fails(ConditionType::Programmed, Reason::Invalid, message),
        None if verdict.listeners.iter().any(ListenerVerdict::is_usable) => programmed(),
        None => Condition::fails(ConditionType::Programmed, Reason::Invalid, "no listener is valid"),
    }
}

fn listener(verdict: &ListenerVerdict, generation: Option<i64>, refused: Option<&str>) -> ListenerStatus {
    let http =
        RouteGroupKind { group: Some(GATEWAY_GROUP.into()), kind: "HTTPRoute".into(), unread: Unread::new() };
    let conditions = vec![
        listener_accepted(verdict),
        listener_programmed(verdict, refused),
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

fn listener_programmed(verdict: &ListenerVerdict, refused: Option<&str>) -> Condition {
    match (verdict.is_usable(), refused) {
        (true, None) => programmed(),
        (true, Some(message)) => Condition::fails(ConditionType::Programmed, Reason::Invalid, message),
        (false, _) => {
            Condition::fails(ConditionType::Programmed, Reason::Invalid, "the listener is not valid")
        }
    }
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

fn programmed() -> Condition {
    // Files have no report of the data plane to wait for.
    Condition::holds(
        ConditionType::Programmed,
        Reason::Programmed,
        "the snapshot is written; `/generation` of the data plane tells when it serves it",
    )
}
