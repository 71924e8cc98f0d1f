//! RetryPolicies: which policy holds which Service port.

mod conflict;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use rebound_api::crd::parent_ref::ANCESTORS_MAX;
use rebound_api::crd::retry_policy::{self, Checked};
use rebound_api::crd::target_ref::TargetKind;
use rebound_api::name::ServicePort;
use serde_json::Value;

use super::verdict::{Ancestor, PolicyVerdict, TargetVerdict};
use super::{AcceptedGateway, AcceptedPolicy};
use crate::observe::world::{Observed, World};

/// Who holds each port, and what every policy is told. The world's order decides: oldest first.
pub(super) fn policies(world: &World) -> (BTreeMap<ServicePort, AcceptedPolicy>, Vec<PolicyVerdict>) {
    let mut holders = BTreeMap::new();
    let verdicts = world.policies.iter().map(|policy| judge(world, policy, &mut holders)).collect();
    (holders, verdicts)
}

/// Tells every policy which Gateways it acts through.
pub(super) fn ancestors(
    gateways: &[AcceptedGateway],
    mut verdicts: Vec<PolicyVerdict>,
) -> Vec<PolicyVerdict> {
    for target in verdicts.iter_mut().flat_map(|verdict| &mut verdict.targets) {
        target.ancestors = gateways.iter().filter_map(|gateway| ancestor(gateway, target)).collect();
    }
    verdicts
}

/// A status that is full cannot say by itself what it leaves out.
pub(super) fn notes(verdicts: &[PolicyVerdict]) -> impl Iterator<Item = String> + '_ {
    verdicts.iter().filter_map(|verdict| {
        let gateways = verdict.targets.iter().flat_map(|it| &it.ancestors).map(|it| &it.gateway);
        let apart = verdict.targets.iter().filter(|it| it.ancestors.is_empty()).count();
        let all = gateways.collect::<BTreeSet<_>>().len() + apart;
        let left_out = all.checked_sub(ANCESTORS_MAX).filter(|count| *count > 0)?;
        let key = &verdict.key;
        let message = "ancestors, the oldest Gateways first;";
        Some(format!(
            "the status of RetryPolicy {key} holds {ANCESTORS_MAX} {message} {left_out} more are left out"
        ))
    })
}

fn judge(
    world: &World,
    policy: &Observed<Value>,
    holders: &mut BTreeMap<ServicePort, AcceptedPolicy>,
) -> PolicyVerdict {
    let Checked { policy: parsed, rules, report } = retry_policy::check(&policy.object);
    let targets = parsed.map(|it| it.targets()).unwrap_or_default().into_iter().map(|target| {
        let ports = target::ports(&world.around, policy.key.namespace(), &target);
        let mut verdict = TargetVerdict::new(target);
        match (ports, &rules) {
            (Ok(ports), Some(rules)) => conflict::claim(&policy.key, rules, &ports, holders, &mut verdict),
            // A policy with a mistake claims nothing; the mistake is told about the policy as a whole.
            (Ok(_), None) => {}
            (Err(refusal), _) => verdict.refused = Some(refusal),
        }
        verdict
    });
    PolicyVerdict {
        key: policy.key.clone(),
        generation: policy.generation,
        targets: targets.collect(),
        violations: report.violations,
        warnings: report.warnings,
    }
}

fn ancestor(gateway: &AcceptedGateway, target: &TargetVerdict) -> Option<Ancestor> {
    // A ServiceImport may have the name of a Service; no rule leads to it.
    if target.target.kind != TargetKind::Service {
        return None;
    }
    let from = ServicePort { service: target.target.key.clone(), port: 0 };
    let of_service = gateway.reach.range(from..).take_while(|(port, _)| port.service == target.target.key);
    let is_held = |number: u16| target.holds_nothing() || target.held.contains(&number);
    let mut ancestor = Ancestor { gateway: gateway.key.clone(), backends: 0, overridden: 0 };
    for (_, reach) in of_service.filter(|(port, _)| is_held(port.port)) {
        ancestor.backends += reach.backends;
        ancestor.overridden += reach.overridden;
    }
    (ancestor.backends > 0).then_some(ancestor)
}
