//! What must be there, and what must not be there twice.

use std::collections::HashSet;

use super::layers::Layers;
use super::{ListedPort, RetryPolicySpec};
use crate::crd::strict::Examined;
use crate::violation::{Reason, Violation};

/// A configuration with a `retryOn` for every port that the policy speaks about; no port and no target twice.
pub(super) fn check(policy: &Examined<'_, RetryPolicySpec>, found: &mut Vec<Violation>) {
    let spec = &policy.spec;
    match (Layers::of_policy(spec), &spec.ports) {
        (None, None) => {
            let message = "the policy says nothing: write `config`, or `ports` with a `config` each";
            found.push(Violation::new("spec.config", Reason::Required, message));
        }
        (Some(layers), None) => retry_on(&layers, policy, found),
        (_, Some(_)) => spec.ports().for_each(|port| of_port(&port, policy, found)),
    }
    ports_twice(spec, found);
    targets_twice(policy, found);
}

fn of_port(port: &ListedPort<'_>, policy: &Examined<'_, RetryPolicySpec>, found: &mut Vec<Violation>) {
    match Layers::of_port(&policy.spec, port) {
        Some(layers) => retry_on(&layers, policy, found),
        None => {
            let message = "the port has no `config`, and the policy has none to inherit";
            found.push(Violation::new(format!("{}.config", port.path), Reason::Required, message));
        }
    }
}

fn retry_on(layers: &Layers<'_>, policy: &Examined<'_, RetryPolicySpec>, found: &mut Vec<Violation>) {
    let written = layers.value(|config| config.retry_on.as_ref());
    // A configuration of the wrong type may have held one.
    if written.is_none() && !layers.paths().any(|path| policy.is_stand_in(path)) {
        let message = "is missing: say which failures are retried, such as `5xx`, here or in `spec.config`";
        found.push(Violation::new(format!("{}.retryOn", layers.path()), Reason::Required, message));
    }
}

fn ports_twice(spec: &RetryPolicySpec, found: &mut Vec<Violation>) {
    let mut seen = HashSet::new();
    for listed in spec.ports().filter(|listed| !seen.insert(listed.port)) {
        let message = format!("port {} is listed twice", listed.port);
        found.push(Violation::new(format!("{}.port", listed.path), Reason::Duplicate, message));
    }
}

fn targets_twice(policy: &Examined<'_, RetryPolicySpec>, found: &mut Vec<Violation>) {
    let mut seen = HashSet::new();
    let own = policy.metadata.as_ref().and_then(|metadata| metadata.namespace.as_ref());
    for (path, target) in policy.spec.target_refs_with_paths() {
        let namespace = target.namespace.as_ref().or(own);
        if !seen.insert((&target.group, &target.kind, &target.name, namespace)) {
            let message = format!("the {} `{}` is named twice", target.kind, target.name);
            found.push(Violation::new(path, Reason::Duplicate, message));
        }
    }
}
