//! One policy for each Service port: the oldest that asks for it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rebound_api::crd::condition::Reason;
use rebound_api::name::{ObjectKey, ServicePort};
use rebound_api::policy::policy_rules::PolicyRules;

use crate::validate::AcceptedPolicy;
use crate::validate::verdict::{Refusal, TargetVerdict};

/// Takes the ports that the policy asks for and nobody holds yet. Called for older policies first.
pub(super) fn claim(
    policy: &ObjectKey,
    rules: &PolicyRules,
    ports: &[u16],
    holders: &mut BTreeMap<ServicePort, AcceptedPolicy>,
    verdict: &mut TargetVerdict,
) {
    let asked = rules.listed_ports().map_or_else(|| ports.to_vec(), Iterator::collect);
    for number in asked {
        let port = ServicePort { service: verdict.target.key.clone(), port: number };
        match take(policy, rules, ports, port, holders) {
            Ok(()) => verdict.held.push(number),
            Err(refusal) => verdict.withheld.push(refusal),
        }
    }
    if verdict.held.is_empty() {
        verdict.refused = verdict.withheld.first().cloned();
    }
}

fn take(
    policy: &ObjectKey,
    rules: &PolicyRules,
    ports: &[u16],
    port: ServicePort,
    holders: &mut BTreeMap<ServicePort, AcceptedPolicy>,
) -> Result<(), Refusal> {
    if !ports.contains(&port.port) {
        let message = format!("Service {} has no TCP port {}", port.service, port.port);
        return Err(Refusal::new(Reason::TargetNotFound, message));
    }
    match holders.entry(port) {
        // One policy may name a target twice.
        Entry::Occupied(held) if held.get().key == *policy => Ok(()),
        Entry::Occupied(held) => {
            let (port, holder) = (held.key(), &held.get().key);
            let message =
                format!("{port} belongs to RetryPolicy {holder}: the oldest, or else the first by name");
            Err(Refusal::new(Reason::Conflicted, message))
        }
        Entry::Vacant(free) => {
            let rules = rules.for_port(free.key().port).cloned();
            free.insert(AcceptedPolicy { key: policy.clone(), rules });
            Ok(())
        }
    }
}
