//! A bundle as objects: the manifests, the annotations and the labels of the image.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::{Fault, Finding};
use super::folder::{DOCKERFILE, Folder};
use super::node::Node;

/// Where the annotations are.
pub(super) const ANNOTATIONS: &str = "metadata/annotations.yaml";

/// What the rules look at.
#[derive(Debug, Default)]
pub struct Bundle {
    manifests: Vec<(String, Value)>,
    annotations: Value,
    /// The labels of the image, if there is a recipe.
    pub(super) labels: Option<BTreeMap<String, String>>,
    /// The other files of `metadata/`.
    pub(super) other_metadata: Vec<String>,
    /// The manifests as bytes, one after the other.
    pub(super) bytes: Vec<u8>,
}

impl Bundle {
    /// Reads what can be read, and finds fault with the rest.
    #[must_use]
    pub fn parse(folder: &Folder) -> (Self, Vec<Finding>) {
        let mut findings = layout(folder);
        let mut bundle = Self::default();
        for (file, bytes) in folder.inside("manifests") {
            bundle.bytes.extend(bytes);
            match object(bytes) {
                Ok(object) => bundle.manifests.push((file.to_owned(), object)),
                Err(reason) => findings.push(Finding::of_file(Fault::NotOneObject, file, reason)),
            }
        }
        for (file, bytes) in folder.inside("metadata") {
            if file == ANNOTATIONS {
                bundle.annotations = documents(bytes).ok().and_then(|mut all| all.pop()).unwrap_or_default();
            } else {
                bundle.other_metadata.push(file.to_owned());
            }
        }
        bundle.labels = folder.dockerfile.as_deref().map(labels);
        if bundle.labels.is_none() {
            findings.push(Finding::of_file(
                Fault::ImageLabels,
                DOCKERFILE,
                "is not beside the bundle's folder",
            ));
        }
        (bundle, findings)
    }

    /// All objects.
    pub(super) fn objects(&self) -> impl Iterator<Item = Node<'_>> {
        self.manifests.iter().map(|(file, object)| Node::root(file, object))
    }

    /// All objects of a kind.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = Node<'a>> {
        self.objects().filter(move |object| object.value["kind"] == kind)
    }

    /// The service version; several, if that rule is broken.
    pub(super) fn service_versions(&self) -> impl Iterator<Item = Node<'_>> {
        self.of_kind("ClusterServiceVersion")
    }

    /// The annotations of the bundle.
    pub(super) fn annotations(&self) -> Node<'_> {
        Node::root(ANNOTATIONS, &self.annotations).at("annotations")
    }
}

fn layout(folder: &Folder) -> Vec<Finding> {
    let missing = ["manifests", "metadata"].into_iter().filter(|name| folder.inside(name).next().is_none());
    let missing =
        missing.map(|name| Finding::of_file(Fault::MissingFolder, name, "is not there, or has no file"));
    let deeper =
        folder.files.keys().filter(|path| path.starts_with("manifests/") && path.matches('/').count() > 1);
    let nested = deeper.map(|path| {
        Finding::of_file(
            Fault::NestedFolder,
            path,
            "lies in a folder within `manifests/`, where nobody looks",
        )
    });
    missing.chain(nested).collect()
}

fn documents(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn object(bytes: &[u8]) -> Result<Value, String> {
    let mut documents = documents(bytes)?;
    let (Some(object), true) = (documents.pop(), documents.is_empty()) else {
        return Err("must hold exactly one object: OLM reads no further".to_owned());
    };
    for field in ["apiVersion", "kind", "metadata.name"] {
        if Node::root("", &object).at(field).text().is_empty() {
            return Err(format!("has no {field}"));
        }
    }
    Ok(object)
}

/// The `LABEL key=value` lines.
fn labels(dockerfile: &str) -> BTreeMap<String, String> {
    let lines = dockerfile.lines().filter_map(|line| line.trim().strip_prefix("LABEL "));
    let pairs = lines.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect()
}
