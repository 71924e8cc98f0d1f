//! HTTPRoute.

use rebound_api::crd::condition::{Condition, ConditionType, Reason};
use rebound_api::crd::parent_ref::RouteParentStatus;

use super::super::document::{ObjectStatus, Status};
use super::{GATEWAY_API, accepted, join, object, observed};
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
    let mut conditions = vec![
        match &parent.refused {
            Some(refusal) => Condition::fails(ConditionType::Accepted, refusal.reason, &refusal.message),
            None => accepted(&verdict.warnings),
        },
        match &verdict.unresolved {
            Some(refusal) => Condition::fails(ConditionType::ResolvedRefs, refusal.reason, &refusal.message),
            None => {
                Condition::holds(ConditionType::ResolvedRefs, Reason::ResolvedRefs, "every backend is there")
            }
        },
    ];
    if parent.refused.is_none() && !verdict.dropped.is_empty() {
        conditions.push(partially_invalid(verdict));
    }
    conditions
}

/// Gateway API wants the message to begin with what was done about it.
fn partially_invalid(verdict: &RouteVerdict) -> Condition {
    let message = format!("Dropped Rule: {}", join(&verdict.dropped));
    Condition::holds(ConditionType::PartiallyInvalid, Reason::UnsupportedValue, message)
}
