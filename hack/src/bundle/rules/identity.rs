//! Who the operator is: names, versions, where it may be installed, and what a catalog shows.

use super::{Rule, metadata};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::grammar::{is_subdomain, is_version};
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[Rule] = &[names, versions, install_modes, shown, icon, contacts, known_values];

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

fn versions(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        for (path, fault) in
            [("spec.version", Fault::BadVersion), ("spec.minKubeVersion", Fault::BadMinKubeVersion)]
        {
            let node = version.at(path);
            if !is_version(node.text()) {
                findings.push(node.finding(fault, "must be a semantic version such as 1.33.0"));
            }
        }
    }
    findings
}

/// OLM v1 takes webhooks only from a bundle that names no other mode, supported or not.
fn install_modes(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let modes = version.at("spec.installModes");
        let items = modes.items();
        let alone = items.len() == 1 && items[0].at("type").text() == "AllNamespaces";
        if !alone || items[0].value["supported"] != true {
            findings.push(
                modes.finding(Fault::BadInstallModes, "must be AllNamespaces, supported, and nothing else"),
            );
        }
    }
    findings
}

fn shown(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let missing =
            SHOWN.map(|name| version.at(&format!("spec.{name}"))).into_iter().filter(Node::is_empty);
        findings
            .extend(missing.map(|node| node.finding(Fault::MissingField, "must be there: catalogs show it")));
    }
    findings
}

fn icon(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let icons = version.at("spec.icon");
        let items = icons.items();
        if items.len() != 1 {
            findings.push(icons.finding(Fault::BadIcon, "must be exactly one"));
        }
        for icon in items {
            let (kind, data) = (icon.at("mediatype"), icon.at("base64data"));
            if !ICON_TYPES.contains(&kind.text()) {
                findings.push(kind.finding(Fault::BadIcon, format!("must be one of {ICON_TYPES:?}")));
            }
            if data.is_empty()
                || serde_json::from_value::<k8s_openapi::ByteString>(data.value.clone()).is_err()
            {
                findings.push(data.finding(Fault::BadIcon, "must be the image in base 64"));
            }
        }
    }
    findings
}

fn contacts(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut must = |node: Node<'_>, holds: bool, message: &str| {
        if !holds {
            findings.push(node.finding(Fault::BadContact, message));
        }
    };
    for version in bundle.service_versions() {
        let provider = version.at("spec.provider.name");
        must(provider.clone(), !provider.is_empty(), "must be there");
        for maintainer in version.at("spec.maintainers").items() {
            let (name, mail) = (maintainer.at("name"), maintainer.at("email"));
            must(name.clone(), !name.is_empty(), "must be there");
            must(mail.clone(), is_mail(mail.text()), "must be a mail address");
        }
        for link in version.at("spec.links").items() {
            let (name, url) = (link.at("name"), link.at("url"));
            must(name.clone(), !name.is_empty(), "must be there");
            must(
                url.clone(),
                url.text().parse::<http::Uri>().is_ok_and(|url| url.host().is_some()),
                "must be a URL",
            );
        }
    }
    findings
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && is_subdomain(host))
}

fn known_values(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let annotations = version.at("metadata.annotations");
        for (name, known) in
            [("capabilities", CAPABILITIES.as_slice()), ("categories", CATEGORIES.as_slice())]
        {
            let node = annotations.key(name);
            let strange = node.text().split(',').map(str::trim).filter(|value| !known.contains(value));
            findings.extend(
                strange.map(|value| {
                    node.finding(Fault::UnknownValue, format!("`{value}` is none of {known:?}"))
                }),
            );
        }
    }
    findings
}
