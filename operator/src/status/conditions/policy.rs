//! RetryPolicy: one statement for each Gateway through which it acts (GEP-713).

use rebound_api::crd::condition::{Condition, ConditionType, Reason, Status as Holds};
use rebound_api::crd::parent_ref::{ANCESTORS_MAX, GATEWAY_GROUP, ParentReference, PolicyAncestorStatus};
use rebound_api::crd::target_ref::{Target, TargetKind};
use rebound_api::name::ObjectKey;

use super::super::document::{ObjectStatus, Status};
use super::progress::{Outcome, Progress};
use super::{POLICY_API, accepted, join, object, observed, with_warnings};
use crate::validate::verdict::{Ancestor, PolicyVerdict, TargetVerdict, Verdicts};

/// None: nobody can tell what the policy is for; only the answer to whoever wrote it can say so.
pub(super) fn policy(verdict: &PolicyVerdict, outcome: &Outcome<'_>) -> Option<ObjectStatus> {
    let verdicts = outcome.verdicts;
    let mut ancestors = Vec::new();
    for gateway in verdicts.gateways.iter().map(|it| &it.key) {
        let parts: Vec<_> =
            verdict.targets.iter().filter_map(|it| Some((it, it.through(gateway)?))).collect();
        if !parts.is_empty() {
            let conditions = through_gateway(verdict, &parts, outcome.of_policy(&verdict.key, gateway));
            ancestors.push(ancestor(gateway_ref(gateway), conditions, verdict, verdicts));
        }
    }
    for target in verdict.targets.iter().filter(|it| it.ancestors.is_empty()) {
        let conditions = vec![own_accepted(verdict, &[target])];
        ancestors.push(ancestor(target_ref(&target.target), conditions, verdict, verdicts));
    }
    // `validate` notes how many are left out.
    ancestors.truncate(ANCESTORS_MAX);
    let status = Status::Policy { ancestors };
    (!verdict.targets.is_empty()).then(|| object(POLICY_API, "RetryPolicy", &verdict.key, status))
}

fn ancestor(
    ancestor_ref: ParentReference,
    conditions: Vec<Condition>,
    verdict: &PolicyVerdict,
    verdicts: &Verdicts,
) -> PolicyAncestorStatus {
    PolicyAncestorStatus {
        ancestor_ref,
        controller_name: verdicts.controller.clone(),
        conditions: observed(conditions, verdict.generation),
    }
}

fn through_gateway(
    verdict: &PolicyVerdict,
    parts: &[(&TargetVerdict, &Ancestor)],
    progress: Progress,
) -> Vec<Condition> {
    let targets: Vec<_> = parts.iter().map(|(target, _)| *target).collect();
    let accepted = own_accepted(verdict, &targets);
    if accepted.status == Holds::False {
        return vec![accepted];
    }
    let programmed = match progress {
        Progress::Served(_) => own_programmed(parts),
        Progress::Pending(message) | Progress::Refused(message) => {
            Condition::fails(ConditionType::Programmed, Reason::Reconciling, message)
        }
    };
    vec![accepted, programmed]
}

/// Accepted if it takes effect for any of the targets.
fn own_accepted(verdict: &PolicyVerdict, targets: &[&TargetVerdict]) -> Condition {
    if !verdict.violations.is_empty() {
        return Condition::fails(ConditionType::Accepted, Reason::Invalid, join(&verdict.violations));
    }
    let refusals: Vec<_> = targets.iter().filter_map(|it| it.refused.as_ref()).collect();
    match refusals.first() {
        Some(first) if refusals.len() == targets.len() => {
            let message = with_warnings(&first.message, &verdict.warnings);
            Condition::fails(ConditionType::Accepted, first.reason, message)
        }
        _ => accepted(&verdict.warnings),
    }
}

fn own_programmed(parts: &[(&TargetVerdict, &Ancestor)]) -> Condition {
    let backends: usize = parts.iter().map(|(_, it)| it.backends).sum();
    let overridden: usize = parts.iter().map(|(_, it)| it.overridden).sum();
    let mut missing: Vec<String> = parts.iter().flat_map(|(target, _)| target.shortfalls()).collect();
    if overridden == backends {
        let message = "every rule that leads here has its own `retry`; the policy's ceilings bind it";
        return Condition::fails(ConditionType::Programmed, Reason::Overridden, message);
    }
    if overridden > 0 {
        missing.push(format!("{overridden} of {backends} backends belong to rules with their own `retry`"));
    }
    if missing.is_empty() {
        let message = "the data plane has the policy";
        return Condition::holds(ConditionType::Programmed, Reason::Programmed, message);
    }
    Condition::holds(ConditionType::Programmed, Reason::PartiallyProgrammed, missing.join("; "))
}

fn gateway_ref(key: &ObjectKey) -> ParentReference {
    reference(GATEWAY_GROUP, "Gateway", key)
}

fn target_ref(target: &Target) -> ParentReference {
    match target.kind {
        TargetKind::Service => reference("", "Service", &target.key),
        TargetKind::ServiceImport(group) => reference(group, "ServiceImport", &target.key),
    }
}

fn reference(group: &str, kind: &str, key: &ObjectKey) -> ParentReference {
    ParentReference {
        group: Some(group.into()),
        kind: Some(kind.into()),
        namespace: Some(key.namespace().into()),
        name: key.name().into(),
        ..ParentReference::default()
    }
}

impl TargetVerdict {
    fn through(&self, gateway: &ObjectKey) -> Option<&Ancestor> {
        self.ancestors.iter().find(|it| it.gateway == *gateway)
    }

    /// What the policy asks for here and does not get.
    fn shortfalls(&self) -> impl Iterator<Item = String> + '_ {
        let refused = self.refused.iter().map(|it| it.message.clone());
        refused.chain(self.withheld.iter().map(|it| it.message.clone()))
    }
}
