//! Who the operator is: names, versions, where it may be installed, and what a catalog shows.

use k8s_openapi::ByteString;

use super::{OfBundle, OfVersion, metadata};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::grammar::{is_subdomain, is_version};
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[OfBundle] = &[names];
pub(super) const OF_VERSION: &[OfVersion] = &[versions, install_modes, shown, icon, contacts, known_values];

/// OLM writes the name into labels.
const NAME_MAX_CHARS: usize = 63;
const ICON_TYPES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/svg+xml"];
const SHOWN: [&str; 6] = ["displayName", "description", "keywords", "maintainers", "links", "maturity"];
const CAPABILITIES: [&str; 5] =
    ["Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot"];
const CATEGORIES: [&str; 16] = [
    "AI/Machine Learning",
    "Application Runtime",
    "Big Data",
    "Cloud Provider",
    "Database",
    "Developer Tools",
    "Integration & Delivery",
    "Logging & Tracing",
    "Modernization & Migration",
    "Monitoring",
    "Networking",
    "Observability",
    "OpenShift Optional",
    "Security",
    "Storage",
    "Streaming & Messaging",
];

fn names(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let (name, replaces) = (version.at("metadata.name"), version.at("spec.replaces"));
        let expected = format!("{}.v{}", metadata::package(bundle), version.at("spec.version").text());
        if name.text() != expected {
            findings.push(name.finding(Fault::BadName, format!("must be `{expected}`: package and version")));
        }
        for name in [name, replaces].into_iter().filter(|name| !name.is_empty()) {
            if !is_subdomain(name.text()) || name.text().len() > NAME_MAX_CHARS {
                findings.push(name.finding(
                    Fault::BadName,
                    format!("must be a DNS-1123 subdomain of at most {NAME_MAX_CHARS} characters"),
                ));
            }
        }
    }
    findings
}

fn versions(version: &Node<'_>) -> Vec<Finding> {
    let fields = [("spec.version", Fault::BadVersion), ("spec.minKubeVersion", Fault::BadMinKubeVersion)];
    let fields = fields.map(|(path, fault)| (version.at(path), fault)).into_iter();
    let bad = fields.filter(|(node, _)| !is_version(node.text()));
    bad.map(|(node, fault)| node.finding(fault, "must be a semantic version such as 1.33.0")).collect()
}

/// OLM v1 takes webhooks only from a bundle that names no other mode, supported or not.
fn install_modes(version: &Node<'_>) -> Vec<Finding> {
    let modes = version.at("spec.installModes");
    let alone = match modes.items().as_slice() {
        [mode] => mode.at("type").text() == "AllNamespaces" && mode.value["supported"] == true,
        _ => false,
    };
    let message = "must be AllNamespaces, supported, and nothing else";
    if alone { Vec::new() } else { vec![modes.finding(Fault::BadInstallModes, message)] }
}

fn shown(version: &Node<'_>) -> Vec<Finding> {
    let fields = SHOWN.map(|name| version.at(&format!("spec.{name}"))).into_iter();
    let missing = fields.filter(Node::is_empty);
    missing.map(|node| node.finding(Fault::MissingField, "must be there: catalogs show it")).collect()
}

fn icon(version: &Node<'_>) -> Vec<Finding> {
    let icons = version.at("spec.icon");
    let items = icons.items();
    let [icon] = items.as_slice() else {
        return vec![icons.finding(Fault::BadIcon, "must be exactly one")];
    };
    let (kind, data) = (icon.at("mediatype"), icon.at("base64data"));
    let bad_kind = (!ICON_TYPES.contains(&kind.text()))
        .then(|| kind.finding(Fault::BadIcon, format!("must be one of {ICON_TYPES:?}")));
    let bad_data = (!is_base64(&data)).then(|| data.finding(Fault::BadIcon, "must be the image in base 64"));
    [bad_kind, bad_data].into_iter().flatten().collect()
}

fn is_base64(node: &Node<'_>) -> bool {
    !node.is_empty() && serde_json::from_value::<ByteString>(node.value.clone()).is_ok()
}

fn contacts(version: &Node<'_>) -> Vec<Finding> {
    let mut fields = vec![(version.at("spec.provider.name"), is_there as Form, "must be there")];
    for maintainer in version.at("spec.maintainers").items() {
        fields.push((maintainer.at("name"), is_there, "must be there"));
        fields.push((maintainer.at("email"), is_mail, "must be a mail address"));
    }
    for link in version.at("spec.links").items() {
        fields.push((link.at("name"), is_there, "must be there"));
        fields.push((link.at("url"), is_url, "must be a URL"));
    }
    let bad = fields.into_iter().filter(|(node, form, _)| !form(node.text()));
    bad.map(|(node, _, message)| node.finding(Fault::BadContact, message)).collect()
}

/// What a text must look like.
type Form = fn(&str) -> bool;

fn is_there(text: &str) -> bool {
    !text.trim().is_empty()
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && is_subdomain(host))
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|url| url.scheme().is_some() && url.host().is_some())
}

fn known_values(version: &Node<'_>) -> Vec<Finding> {
    let annotations = version.at("metadata.annotations");
    let known = [("capabilities", CAPABILITIES.as_slice()), ("categories", CATEGORIES.as_slice())];
    known.iter().flat_map(|(name, known)| unknown_in(&annotations.key(name), known)).collect()
}

fn unknown_in(node: &Node<'_>, known: &[&str]) -> Vec<Finding> {
    let values = node.text().split(',').map(str::trim);
    let strange = values.filter(|value| !known.contains(value));
    strange
        .map(|value| node.finding(Fault::UnknownValue, format!("`{value}` is none of {known:?}")))
        .collect()
}
