//! Verdicts and what was applied, in the words of Gateway API.
//!
//! Pure: no client, no file, no clock; whoever writes a condition adds the time of its last change.

mod gateway;
mod policy;
pub mod progress;
mod route;

use std::sync::Arc;

use rebound_api::crd::condition::{Condition, ConditionType, Reason};
use rebound_api::crd::parent_ref::GATEWAY_GROUP;
use rebound_api::name::ObjectKey;
use rebound_api::violation::Violation;

use super::document::{Metadata, ObjectStatus, Status};
use crate::memo::Memo;
use crate::validate::verdict::RouteVerdict;
use progress::Outcome;

const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";
const POLICY_API: &str = "gateway.flomesh.io/v1alpha1";

/// The statuses of routes, for the next time. It changes no status.
#[derive(Debug, Default)]
pub struct Memory {
    controller: Arc<String>,
    routes: Memo<String, RouteVerdict, Option<Arc<ObjectStatus>>>,
}

/// The status of every object of ours.
pub fn statuses(outcome: &Outcome<'_>, memory: &mut Memory) -> Vec<Arc<ObjectStatus>> {
    let verdicts = outcome.verdicts;
    if *memory.controller != verdicts.controller {
        memory.controller = Arc::new(verdicts.controller.clone());
    }
    let made = |controller: &String, verdict: &Arc<_>| route::route(verdict, controller).map(Arc::new);
    let routes = memory.routes.each(&memory.controller, verdicts.routes.iter(), made);
    let classes = verdicts.classes.iter().map(gateway::class).map(Arc::new);
    let routes = routes.iter().filter_map(|it| (**it).clone());
    classes.chain(routes).chain(of_progress(outcome)).collect()
}

/// The status of those objects that speak about how far their configuration has come.
pub fn of_progress(outcome: &Outcome<'_>) -> Vec<Arc<ObjectStatus>> {
    let verdicts = outcome.verdicts;
    let gateways = verdicts.gateways.iter().map(|it| gateway::gateway(it, outcome));
    let policies = verdicts.policies.iter().filter_map(|it| policy::policy(it, outcome));
    gateways.chain(policies).map(Arc::new).collect()
}

fn object(api_version: &'static str, kind: &'static str, key: &ObjectKey, status: Status) -> ObjectStatus {
    let metadata = Metadata { namespace: Some(key.namespace().into()), name: key.name().into() };
    ObjectStatus { api_version, kind, metadata, status }
}

/// What was accepted, and every field of it that has no effect or will hurt.
fn accepted(warnings: &[Violation]) -> Condition {
    Condition::holds(ConditionType::Accepted, Reason::Accepted, with_warnings("accepted", warnings))
}

fn join(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn with_warnings(message: &str, warnings: &[Violation]) -> String {
    let mut text = message.to_owned();
    for warning in warnings {
        text.push_str("; warning: ");
        text.push_str(&warning.to_string());
    }
    text
}

fn observed(conditions: Vec<Condition>, generation: Option<i64>) -> Vec<Condition> {
    conditions.into_iter().map(|it| it.observed(generation)).collect()
}
