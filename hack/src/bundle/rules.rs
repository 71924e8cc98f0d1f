//! The rules, each a function, in the order in which a reader would look.

mod contents;
mod deployment;
mod identity;
mod kinds;
mod metadata;
mod permissions;
mod webhooks;

use super::fault::Finding;
use super::manifests::Bundle;
use super::node::Node;

/// A rule about the bundle as a whole.
type OfBundle = fn(&Bundle) -> Vec<Finding>;
/// A rule about a service version alone.
type OfVersion = fn(&Node<'_>) -> Vec<Finding>;

const OF_BUNDLE: [&[OfBundle]; 5] =
    [metadata::RULES, contents::RULES, identity::RULES, kinds::RULES, permissions::RULES];
const OF_VERSION: [&[OfVersion]; 5] = [
    identity::OF_VERSION,
    kinds::OF_VERSION,
    deployment::OF_VERSION,
    permissions::OF_VERSION,
    webhooks::OF_VERSION,
];

/// What all rules have to say.
pub(super) fn findings(bundle: &Bundle) -> Vec<Finding> {
    let mut findings: Vec<_> = OF_BUNDLE.concat().iter().flat_map(|rule| rule(bundle)).collect();
    for version in bundle.service_versions() {
        findings.extend(OF_VERSION.concat().iter().flat_map(|rule| rule(&version)));
    }
    findings
}

/// The values that are there more than once, each once.
fn repeated<T: PartialEq + Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    let mut repeated = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        } else if !repeated.contains(&value) {
            repeated.push(value);
        }
    }
    repeated
}
