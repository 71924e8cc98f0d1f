//! What runs: deployments, what their containers need, and the images that a mirror must know of.

use std::collections::BTreeSet;

use super::{Rule, repeated};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::grammar::{is_image, is_subdomain};
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[Rule] = &[strategy, names, requests, related_images];

/// A variable of a container whose name ends so holds the name of an image that is used later.
const IMAGE_VARIABLE: &str = "_IMAGE";

pub(super) fn deployments<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    version.at("spec.install.spec.deployments").items()
}

fn containers<'a>(deployment: &Node<'a>) -> Vec<Node<'a>> {
    let pod = deployment.at("spec.template.spec");
    [pod.at("initContainers").items(), pod.at("containers").items()].concat()
}

fn strategy(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let strategy = version.at("spec.install.strategy");
        if strategy.text() != "deployment" {
            findings.push(strategy.finding(Fault::NoDeployment, "must be `deployment`"));
        }
        if deployments(&version).is_empty() {
            findings.push(
                version.at("spec.install.spec.deployments").finding(Fault::NoDeployment, "must not be empty"),
            );
        }
    }
    findings
}

fn names(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for version in bundle.service_versions() {
        let names: Vec<_> = deployments(&version).iter().map(|deployment| deployment.at("name")).collect();
        let illegal = names.iter().filter(|name| !is_subdomain(name.text()));
        findings.extend(
            illegal.map(|name| name.finding(Fault::BadDeploymentName, "must be a DNS-1123 subdomain")),
        );
        for name in repeated(names.iter().map(Node::text)) {
            let list = version.at("spec.install.spec.deployments");
            findings.push(list.finding(Fault::BadDeploymentName, format!("`{name}` is there twice")));
        }
    }
    findings
}

fn requests(bundle: &Bundle) -> Vec<Finding> {
    let deployments = bundle.service_versions().flat_map(|version| deployments(&version));
    let containers = deployments.flat_map(|deployment| containers(&deployment));
    let requests =
        containers.flat_map(|it| ["cpu", "memory"].map(|name| it.at(&format!("resources.requests.{name}"))));
    let missing = requests.filter(Node::is_empty);
    missing
        .map(|node| node.finding(Fault::MissingRequests, "must be there: some quotas refuse a pod without"))
        .collect()
}

/// Whoever mirrors a catalog to a cluster without a way out copies `relatedImages` and nothing else.
fn related_images(bundle: &Bundle) -> Vec<Finding> {
    bundle.service_versions().flat_map(|version| images_of(&version)).collect()
}

fn images_of(version: &Node<'_>) -> Vec<Finding> {
    let listed: Vec<_> =
        version.at("spec.relatedImages").items().iter().map(|item| item.at("image")).collect();
    let known: BTreeSet<_> = listed.iter().map(Node::text).collect();
    let used = used_images(version);
    let unrelated = used.iter().filter(|node| !known.contains(node.text()));
    let unrelated = unrelated.map(|node| {
        node.finding(Fault::ImageNotRelated, format!("`{}` is not in spec.relatedImages", node.text()))
    });
    let bad = listed.iter().chain(&used).filter(|node| !is_image(node.text()));
    let bad = bad.map(|node| node.finding(Fault::BadImage, "must name an image with a tag or a digest"));
    unrelated.chain(bad).collect()
}

fn used_images<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    let mut images = vec![version.at("metadata.annotations.containerImage")];
    images.retain(|image| !image.is_empty());
    for container in deployments(version).iter().flat_map(containers) {
        images.push(container.at("image"));
        let variables = container.at("env").items().into_iter();
        let named = variables.filter(|variable| variable.at("name").text().ends_with(IMAGE_VARIABLE));
        images.extend(named.map(|variable| variable.at("value")));
    }
    images
}
