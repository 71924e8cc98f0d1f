//! HTTPRoute.

use rebound_api::crd::condition::{Condition, ConditionType, Reason};
use rebound_api::crd::parent_ref::RouteParentStatus;

use super::super::document::{ObjectStatus, Status};
use super::{GATEWAY_API, accepted, join, object, observed, with_warnings};
use crate::validate::verdict::{ParentVerdict, RouteVerdict};

/// None: the route names no Gateway of ours, so that it is not ours to speak about.
pub(super) fn route(verdict: &RouteVerdict, controller: &str) -> Option<ObjectStatus> {
    let parent = |parent: &ParentVerdict| RouteParentStatus {
        parent_ref: parent.parent.clone(),
        controller_name: controller.into(),
        conditions: observed(conditions(verdict, parent), verdict.generation),
    };
    let parents: Vec<_> = verdict.parents.iter().map(parent).collect();
    (!parents.is_empty()).then(|| object(GATEWAY_API, "HTTPRoute", &verdict.key, Status::Route { parents }))
}

fn conditions(verdict: &RouteVerdict, parent: &ParentVerdict) -> Vec<Condition> {
    let mut conditions = vec![route_accepted(verdict, parent), resolved(verdict)];
    if parent.refused.is_none() {
        conditions.extend(partially_invalid(verdict));
    }
    conditions
}

/// A route that attaches only to listeners that are not served is accepted all the same (Gateway API): it takes effect
/// when they do. Whoever reads it alone must learn why nothing answers.
fn route_accepted(verdict: &RouteVerdict, parent: &ParentVerdict) -> Condition {
    match &parent.refused {
        Some(refusal) => Condition::fails(ConditionType::Accepted, refusal.reason, &refusal.message),
        None if parent.is_served => accepted(&verdict.warnings),
        None => {
            let message =
                "accepted, but no listener that the route attaches to is served: the Gateway says why";
            let message = with_warnings(message, &verdict.warnings);
            Condition::holds(ConditionType::Accepted, Reason::Accepted, message)
        }
    }
}

fn resolved(verdict: &RouteVerdict) -> Condition {
    match &verdict.unresolved {
        Some(refusal) => Condition::fails(ConditionType::ResolvedRefs, refusal.reason, &refusal.message),
        None => Condition::holds(ConditionType::ResolvedRefs, Reason::ResolvedRefs, "every backend is there"),
    }
}

/// What was done about mistakes; Gateway API wants the message to begin with dropped rules if there are any.
fn partially_invalid(verdict: &RouteVerdict) -> Option<Condition> {
    let parts = [("Dropped Rule", &verdict.dropped), ("Answered with 500", &verdict.answered_500)];
    let parts = parts.into_iter().filter(|(_, mistakes)| !mistakes.is_empty());
    let parts: Vec<_> = parts.map(|(done, mistakes)| format!("{done}: {}", join(mistakes))).collect();
    let condition = || {
        let (kind, reason) = (ConditionType::PartiallyInvalid, Reason::UnsupportedValue);
        Condition::holds(kind, reason, parts.join("; "))
    };
    (!parts.is_empty()).then(condition)
}
