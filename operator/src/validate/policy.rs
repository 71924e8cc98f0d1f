//! RetryPolicies: which policy holds which Service port.

mod conflict;
mod target;

use std::collections::BTreeMap;

use rebound_api::crd::retry_policy::{self, Checked};
use rebound_api::name::ServicePort;
use serde_json::Value;

use super::verdict::{Ancestor, PolicyVerdict, TargetVerdict};
use super::{Accepted, AcceptedPolicy};
use crate::observe::world::{Observed, World};

/// Who holds each port, and what every policy is told. The world's order decides: oldest first.
pub(super) fn policies(world: &World) -> (BTreeMap<ServicePort, AcceptedPolicy>, Vec<PolicyVerdict>) {
    let mut holders = BTreeMap::new();
    let verdicts = world.policies.iter().map(|policy| judge(world, policy, &mut holders)).collect();
    (holders, verdicts)
}

/// Tells every policy which Gateways it acts through.
pub(super) fn ancestors(accepted: &Accepted<'_>, mut verdicts: Vec<PolicyVerdict>) -> Vec<PolicyVerdict> {
    for target in verdicts.iter_mut().flat_map(|verdict| &mut verdict.targets) {
        target.ancestors = accepted.gateways.iter().filter_map(|it| ancestor(accepted, it, target)).collect();
    }
    verdicts
}

fn judge(
    world: &World,
    policy: &Observed<Value>,
    holders: &mut BTreeMap<ServicePort, AcceptedPolicy>,
) -> PolicyVerdict {
    let Checked { policy: parsed, rules, report } = retry_policy::check(&policy.object);
    let targets = parsed.map(|it| it.targets()).unwrap_or_default().into_iter().map(|target| {
        let ports = target::ports(world, policy.key.namespace(), &target);
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

fn ancestor(
    accepted: &Accepted<'_>,
    gateway: &super::AcceptedGateway,
    target: &TargetVerdict,
) -> Option<Ancestor> {
    let is_target = |it: &ServicePort| it.service == target.target.key;
    let mut ancestor = Ancestor { gateway: gateway.key.clone(), backends: 0, overridden: 0 };
    for route in routes(accepted, gateway) {
        for rule in &route.rules {
            let hits = rule.backends.iter().filter_map(|it| it.target.as_ref()).filter(|it| is_target(it));
            let hits = hits.filter(|it| target.held.is_empty() || target.held.contains(&it.port)).count();
            ancestor.backends += hits;
            ancestor.overridden += if rule.retry.is_some() { hits } else { 0 };
        }
    }
    (ancestor.backends > 0).then_some(ancestor)
}

/// The routes of a Gateway, each once.
fn routes<'a, 'w>(
    accepted: &'a Accepted<'w>,
    gateway: &super::AcceptedGateway,
) -> impl Iterator<Item = &'a super::AcceptedRoute<'w>> {
    let attached = gateway.listeners.iter().flat_map(|it| &it.routes).map(|it| it.route);
    let indices: std::collections::BTreeSet<usize> = attached.collect();
    indices.into_iter().map(|index| &accepted.routes[index])
}
