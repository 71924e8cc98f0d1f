//! The annotations, the channels, and the image that repeats them.

use super::OfBundle;
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::folder::DOCKERFILE;
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[OfBundle] = &[annotations, channels, image_labels, dependencies];

const PREFIX: &str = "operators.operatorframework.io.bundle.";
/// Annotations with the one value that they can have.
const FIXED: [(&str, &str); 3] =
    [("mediatype.v1", "registry+v1"), ("manifests.v1", "manifests/"), ("metadata.v1", "metadata/")];
/// Annotations with a value of the bundle's own.
const OWN: [&str; 3] = ["package.v1", "channels.v1", "channel.default.v1"];
/// How a channel's name begins, by convention.
const CHANNELS: [&str; 3] = ["candidate", "fast", "stable"];

/// The package that a bundle belongs to; empty if that is not said.
pub(super) fn package(bundle: &Bundle) -> &str {
    annotation(bundle, "package.v1").text()
}

fn annotation<'a>(bundle: &'a Bundle, name: &str) -> Node<'a> {
    bundle.annotations().key(&format!("{PREFIX}{name}"))
}

fn annotations(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in FIXED.iter().map(|(name, _)| *name).chain(OWN) {
        let node = annotation(bundle, name);
        if node.text().is_empty() {
            findings.push(node.finding(Fault::MissingAnnotation, "must be there, and be text"));
        }
    }
    for (name, value) in FIXED {
        let node = annotation(bundle, name);
        if !node.text().is_empty() && node.text() != value {
            findings.push(node.finding(Fault::WrongAnnotation, format!("must be `{value}`")));
        }
    }
    findings
}

fn channels(bundle: &Bundle) -> Vec<Finding> {
    let node = annotation(bundle, "channels.v1");
    let default = annotation(bundle, "channel.default.v1");
    let channels: Vec<_> = node.text().split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let strange = channels.iter().filter(|name| !CHANNELS.iter().any(|start| name.starts_with(start)));
    let mut findings: Vec<_> = strange
        .map(|name| {
            node.finding(Fault::BadChannel, format!("`{name}` does not begin with one of {CHANNELS:?}"))
        })
        .collect();
    if !default.text().is_empty() && !channels.contains(&default.text()) {
        findings.push(
            default.finding(Fault::BadChannel, format!("`{}` is none of the channels", default.text())),
        );
    }
    findings
}

fn image_labels(bundle: &Bundle) -> Vec<Finding> {
    let Some(labels) = &bundle.labels else { return Vec::new() };
    let annotations = bundle.annotations();
    let annotated = annotations.value.as_object().into_iter().flatten();
    let differs = annotated.filter(|(key, value)| labels.get(*key).map(String::as_str) != value.as_str());
    let finding = |(key, value)| {
        Finding::of_file(
            Fault::ImageLabels,
            DOCKERFILE,
            format!("must have the label {key}={value}, as the annotations do"),
        )
    };
    differs.map(finding).collect()
}

/// Nothing else is known in `metadata/` but dependencies and properties, and OLM v1 resolves neither.
fn dependencies(bundle: &Bundle) -> Vec<Finding> {
    let of_file = |file: &String| {
        Finding::of_file(Fault::Dependency, file, "OLM v1 refuses bundles with dependencies and constraints")
    };
    let required = bundle.service_versions().filter_map(|version| {
        let node = version.at("spec.customresourcedefinitions.required");
        (!node.is_empty())
            .then(|| node.finding(Fault::Dependency, "OLM v1 refuses bundles that require a kind of others"))
    });
    bundle.other_metadata.iter().map(of_file).chain(required).collect()
}
