//! Which objects a bundle holds, and how many.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{OfBundle, repeated};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::manifests::Bundle;
use crate::bundle::node::Node;

pub(super) const RULES: &[OfBundle] = &[one_service_version, allowed_kinds, no_duplicates, size];

/// OLM unpacks a bundle, compressed, into one ConfigMap.
const COMPRESSED_MAX_BYTES: usize = 1 << 20;

/// What OLM installs. Webhook configurations and deployments come from the service version; a GatewayClass, a Namespace
/// and a ValidatingAdmissionPolicy do not come at all.
const KINDS: [&str; 22] = [
    "ClusterServiceVersion",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "ConsoleCLIDownload",
    "ConsoleLink",
    "ConsolePlugin",
    "ConsoleQuickStart",
    "ConsoleYAMLSample",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PodMonitor",
    "PriorityClass",
    "PrometheusRule",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "VerticalPodAutoscaler",
];

fn one_service_version(bundle: &Bundle) -> Vec<Finding> {
    let versions: Vec<_> = bundle.service_versions().collect();
    match versions.as_slice() {
        [] => vec![Finding::of_file(
            Fault::NoServiceVersion,
            "manifests",
            "must hold one ClusterServiceVersion",
        )],
        [_] => Vec::new(),
        [_, others @ ..] => {
            let message = "must not hold another ClusterServiceVersion";
            others.iter().map(|version| version.finding(Fault::SeveralServiceVersions, message)).collect()
        }
    }
}

fn allowed_kinds(bundle: &Bundle) -> Vec<Finding> {
    let strange = bundle.objects().filter(|object| !KINDS.contains(&object.at("kind").text()));
    let finding = |object: Node<'_>| {
        let kind = object.at("kind");
        kind.finding(Fault::ForbiddenKind, format!("OLM does not install a {}", kind.text()))
    };
    strange.map(finding).collect()
}

fn no_duplicates(bundle: &Bundle) -> Vec<Finding> {
    let name = |object: Node<'_>| {
        let field = |path: &str| object.at(path).text().to_owned();
        format!("{} {}", field("kind"), field("metadata.name"))
    };
    let repeated = repeated(bundle.objects().map(name));
    let finding =
        |name| Finding::of_file(Fault::DuplicateObject, "manifests", format!("{name} is there twice"));
    repeated.into_iter().map(finding).collect()
}

fn size(bundle: &Bundle) -> Vec<Finding> {
    // What fits as it is fits compressed.
    if bundle.bytes.len() <= COMPRESSED_MAX_BYTES {
        return Vec::new();
    }
    let bytes = compressed_size(&bundle.bytes);
    let message = format!("{bytes} bytes compressed, at most {COMPRESSED_MAX_BYTES}");
    let finding =
        (bytes > COMPRESSED_MAX_BYTES).then(|| Finding::of_file(Fault::TooLarge, "manifests", message));
    finding.into_iter().collect()
}

/// Writing into memory does not fail; if it ever does, what cannot be compressed does not fit either.
fn compressed_size(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    compressed.map_or(usize::MAX, |compressed| compressed.len())
}
