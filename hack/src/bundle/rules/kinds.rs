//! The kinds that the operator brings: owned, defined, described and exemplified, all four for each.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{OfBundle, OfVersion, repeated};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[OfBundle] = &[owned_and_defined, described];
pub(super) const OF_VERSION: &[OfVersion] = &[owned_once, examples];

/// A kind in a version: name of the definition, version, kind.
type Key = [String; 3];

fn owned<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    version.at("spec.customresourcedefinitions.owned").items()
}

fn key_of_owned(owned: &Node<'_>) -> Key {
    ["name", "version", "kind"].map(|field| owned.at(field).text().to_owned())
}

/// A definition has a key for each of its versions.
fn keys_of_definition(definition: &Node<'_>) -> Vec<Key> {
    let text = |path: &str| definition.at(path).text().to_owned();
    let key = |version: &Node<'_>| {
        [text("metadata.name"), version.at("name").text().to_owned(), text("spec.names.kind")]
    };
    definition.at("spec.versions").items().iter().map(key).collect()
}

fn owned_and_defined(bundle: &Bundle) -> Vec<Finding> {
    let definitions: Vec<_> = bundle.of_kind("CustomResourceDefinition").collect();
    let defined: BTreeSet<_> = definitions.iter().flat_map(keys_of_definition).collect();
    let all_owned: Vec<_> = bundle.service_versions().flat_map(|version| owned(&version)).collect();
    let owned: BTreeSet<_> = all_owned.iter().map(key_of_owned).collect();

    let without_file = all_owned.iter().filter(|node| !defined.contains(&key_of_owned(node)));
    let without_file = without_file.map(|node| {
        let name = key_of_owned(node).join(" ");
        node.finding(Fault::OwnedWithoutFile, format!("no file defines {name}"))
    });
    let orphans =
        definitions.iter().filter(|node| keys_of_definition(node).iter().all(|key| !owned.contains(key)));
    let orphans = orphans.map(|node| {
        let name = node.at("metadata.name");
        name.finding(Fault::FileWithoutOwner, format!("the service version does not own {}", name.text()))
    });
    without_file.chain(orphans).collect()
}

fn owned_once(version: &Node<'_>) -> Vec<Finding> {
    let list = version.at("spec.customresourcedefinitions.owned");
    let repeated = repeated(owned(version).iter().map(key_of_owned)).into_iter();
    repeated
        .map(|key| list.finding(Fault::DuplicateObject, format!("{} is owned twice", key.join(" "))))
        .collect()
}

fn described(bundle: &Bundle) -> Vec<Finding> {
    let with_status: Vec<_> = bundle.of_kind("CustomResourceDefinition").filter(has_status).collect();
    let with_status: BTreeSet<_> = with_status.iter().flat_map(keys_of_definition).collect();
    let mut findings = Vec::new();
    for kind in bundle.service_versions().flat_map(|version| owned(&version)) {
        let mut fields = vec!["displayName", "description", "resources", "specDescriptors"];
        if with_status.contains(&key_of_owned(&kind)) {
            fields.push("statusDescriptors");
        }
        let empty = fields.into_iter().map(|field| kind.at(field)).filter(Node::is_empty);
        findings
            .extend(empty.map(|node| node.finding(Fault::Undescribed, "must be there for every owned kind")));
    }
    findings
}

fn has_status(definition: &Node<'_>) -> bool {
    let versions = definition.at("spec.versions").items();
    versions.iter().any(|version| !version.at("subresources.status").value.is_null())
}

fn examples(version: &Node<'_>) -> Vec<Finding> {
    let node = version.at("metadata.annotations").key("alm-examples");
    let Ok(Value::Array(examples)) = serde_json::from_str(node.text()) else {
        return vec![node.finding(Fault::BadExamples, "must be a JSON list of objects")];
    };
    let shown: BTreeSet<_> = examples.iter().map(kind_of_example).collect();
    let owned: BTreeSet<_> = owned(version).iter().map(kind_of_owned).collect();
    let foreign = shown.difference(&owned);
    let foreign =
        foreign.map(|kind| node.finding(Fault::ForeignExample, format!("{} is not owned", kind.join(" "))));
    let missing = owned.difference(&shown);
    let missing =
        missing.map(|kind| node.finding(Fault::MissingExample, format!("{} has no example", kind.join(" "))));
    foreign.chain(missing).collect()
}

fn kind_of_example(example: &Value) -> [String; 2] {
    ["apiVersion", "kind"].map(|field| example[field].as_str().unwrap_or_default().to_owned())
}

/// The group is what follows the plural in the definition's name.
fn kind_of_owned(owned: &Node<'_>) -> [String; 2] {
    let [name, version, kind] = key_of_owned(owned);
    let group = name.split_once('.').map_or("", |(_, group)| group);
    [format!("{group}/{version}"), kind]
}
