//! What the operator may do, and as whom.

use std::collections::BTreeSet;

use super::deployment::deployments;
use super::{OfBundle, OfVersion};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[OfBundle] = &[account_not_shipped];
pub(super) const OF_VERSION: &[OfVersion] = &[accounts, no_definitions, no_wildcards];

const DEFINITIONS: &str = "customresourcedefinitions";
const DEFINING: [&str; 4] = ["create", "update", "patch", "delete"];

fn permissions<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    let install = version.at("spec.install.spec");
    [install.at("clusterPermissions").items(), install.at("permissions").items()].concat()
}

fn rules<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    permissions(version).iter().flat_map(|permission| permission.at("rules").items()).collect()
}

fn account_of<'a>(deployment: &Node<'a>) -> Node<'a> {
    deployment.at("spec.template.spec.serviceAccountName")
}

fn accounts(version: &Node<'_>) -> Vec<Finding> {
    let running: Vec<_> = deployments(version).iter().map(account_of).collect();
    let given: Vec<_> = permissions(version).iter().map(|it| it.at("serviceAccountName")).collect();
    let without_rights = strangers(&running, &given, "no permission is for this account");
    let without_use = strangers(&given, &running, "no deployment runs as this account");
    [without_rights, without_use].concat()
}

/// Those of one list that the other does not know.
fn strangers(list: &[Node<'_>], other: &[Node<'_>], message: &str) -> Vec<Finding> {
    let known: BTreeSet<_> = other.iter().map(Node::text).collect();
    let strange = list.iter().filter(|node| !known.contains(node.text()));
    strange.map(|node| node.finding(Fault::ServiceAccountMismatch, message)).collect()
}

/// OLM makes the account of a deployment itself, and takes another of the same name for a conflict.
fn account_not_shipped(bundle: &Bundle) -> Vec<Finding> {
    let deployments = bundle.service_versions().flat_map(|version| deployments(&version));
    let made: BTreeSet<_> = deployments.map(|deployment| account_of(&deployment).text()).collect();
    let names = bundle.of_kind("ServiceAccount").map(|account| account.at("metadata.name"));
    let shipped = names.filter(|name| made.contains(name.text()));
    shipped.map(|name| name.finding(Fault::ServiceAccountShipped, "OLM makes this account itself")).collect()
}

fn no_definitions(version: &Node<'_>) -> Vec<Finding> {
    let defines = |rule: &Node<'_>| {
        rule.at("resources").texts().contains(&DEFINITIONS)
            && rule.at("verbs").texts().iter().any(|verb| DEFINING.contains(verb))
    };
    let defining = rules(version).into_iter().filter(defines);
    defining.map(|rule| rule.finding(Fault::ForbiddenPermission, "defining kinds is OLM's work")).collect()
}

fn no_wildcards(version: &Node<'_>) -> Vec<Finding> {
    let lists = rules(version).into_iter();
    let lists = lists.flat_map(|rule| ["apiGroups", "resources", "verbs"].map(|field| rule.at(field)));
    let wild = lists.filter(|list| list.texts().contains(&"*"));
    wild.map(|list| list.finding(Fault::ForbiddenPermission, "must name what is meant, not `*`")).collect()
}
