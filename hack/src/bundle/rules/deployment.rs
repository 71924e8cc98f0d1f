//! What runs: deployments, what their containers need, and the images that a mirror must know of.

use std::collections::BTreeSet;

use super::{OfVersion, repeated};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::grammar::{is_image, is_subdomain};
use crate::bundle::node::Node;

pub(super) const OF_VERSION: &[OfVersion] = &[strategy, names, requests, related_images];

/// A variable of a container whose name ends so holds the name of an image that is used later.
const IMAGE_VARIABLE: &str = "_IMAGE";

pub(super) fn deployments<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    version.at("spec.install.spec.deployments").items()
}

fn containers<'a>(deployment: &Node<'a>) -> Vec<Node<'a>> {
    let pod = deployment.at("spec.template.spec");
    [pod.at("initContainers").items(), pod.at("containers").items()].concat()
}

fn strategy(version: &Node<'_>) -> Vec<Finding> {
    let (strategy, list) = (version.at("spec.install.strategy"), version.at("spec.install.spec.deployments"));
    let other = (strategy.text() != "deployment")
        .then(|| strategy.finding(Fault::NoDeployment, "must be `deployment`"));
    let none = list.is_empty().then(|| list.finding(Fault::NoDeployment, "must not be empty"));
    other.into_iter().chain(none).collect()
}

fn names(version: &Node<'_>) -> Vec<Finding> {
    let names: Vec<_> = deployments(version).iter().map(|deployment| deployment.at("name")).collect();
    let illegal = names.iter().filter(|name| !is_subdomain(name.text()));
    let illegal = illegal.map(|name| name.finding(Fault::BadDeploymentName, "must be a DNS-1123 subdomain"));
    let list = version.at("spec.install.spec.deployments");
    let taken = repeated(names.iter().map(Node::text)).into_iter();
    let taken = taken.map(|name| list.finding(Fault::BadDeploymentName, format!("`{name}` is there twice")));
    illegal.chain(taken).collect()
}

fn requests(version: &Node<'_>) -> Vec<Finding> {
    let containers = deployments(version).into_iter().flat_map(|deployment| containers(&deployment));
    let requests = containers.flat_map(|container| {
        ["cpu", "memory"].map(|name| container.at(&format!("resources.requests.{name}")))
    });
    let missing = requests.filter(Node::is_empty);
    missing
        .map(|node| node.finding(Fault::MissingRequests, "must be there: some quotas refuse a pod without"))
        .collect()
}

/// Whoever mirrors a catalog to a cluster without a way out copies `relatedImages` and nothing else.
fn related_images(version: &Node<'_>) -> Vec<Finding> {
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
