//! One policy for each Service port: the oldest that asks for it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::validate::interim::PolicyRules;
use rebound_api::crd::condition::Reason;
use rebound_api::name::{ObjectKey, ServicePort};

use super::held_by;
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
    for number in wanted(rules, ports) {
        let port = ServicePort { service: verdict.service.clone(), port: number };
        if !ports.contains(&number) {
            let message = format!("Service {} has no TCP port {number}", verdict.service);
            verdict.withheld.push((number, Refusal::new(Reason::TargetNotFound, message)));
            continue;
        }
        match holders.entry(port) {
            Entry::Occupied(held) if held.get().key != *policy => {
                let message = held_by(held.key(), &held.get().key);
                verdict.withheld.push((number, Refusal::new(Reason::Conflicted, message)));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => {
                let rules = rules.for_port(number).cloned();
                free.insert(AcceptedPolicy { key: policy.clone(), rules });
                verdict.held.push(number);
            }
        }
    }
    if verdict.held.is_empty() {
        verdict.refused = verdict.withheld.first().map(|(_, refusal)| refusal.clone());
    }
}

fn wanted(rules: &PolicyRules, ports: &[u16]) -> Vec<u16> {
    ports.iter().copied().filter(|port| rules.for_port(*port).is_some()).collect()
}
