//! Every name that is sent is published, or is ours and explained.

use std::collections::BTreeSet;
use std::fs;

use hack::collector::{Receiver, Span};
use hack::programs::{cargo, workspace};
use serde_json::Value;

use crate::backend::{Backend, Step};
use crate::scene::Scene;
use crate::snapshot::{Verbs, retrying, serving};

/// Names that stand where spans say what is ours alone.
const OURS: &str = "rebound.";
const PAGE: &str = "docs/reference/telemetry.md";

/// The names that the published conventions have, from the source of the crate that lists them.
fn published() -> BTreeSet<String> {
    // Of this platform alone: what others need was never fetched.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let flags = ["metadata", "--format-version", "1", "--offline", "--filter-platform", &platform];
    let metadata = cargo().args(flags).output().unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let conventions = packages.iter().find(|package| package["name"] == "opentelemetry-semantic-conventions");
    let manifest = conventions.unwrap()["manifest_path"].as_str().unwrap();
    let source = fs::read_to_string(manifest.replace("Cargo.toml", "src/attribute.rs")).unwrap();
    let constants =
        source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \""));
    constants.map(|(_, rest)| rest.trim_end_matches("\";").to_owned()).collect()
}

/// All names of a request that was retried, one that failed, and one that nobody wanted.
fn sent() -> Vec<Span> {
    let backend = Backend::answering([503, 200, 503, 503, 404].map(Step::Status));
    let snapshot = serving([backend.address]).retried(retrying(1));
    let scene = Scene::start(Receiver::Otelcol, backend, &snapshot);
    ["/a?b=c", "/b", "/c"].into_iter().for_each(|target| drop(scene.get(target)));
    scene.spans(3)
}

fn names(spans: &[Span]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for span in spans {
        names.extend(span.resource.keys().cloned());
        names.extend(span.attributes.keys().cloned());
        names.extend(span.events.iter().flat_map(|event| event.attributes.keys().cloned()));
    }
    names
}

#[test]
fn every_name_is_published_or_ours() {
    let published = published();
    assert!(published.len() > 500, "the crate is written in another way: {} names", published.len());
    for name in names(&sent()) {
        assert!(name.starts_with(OURS) || published.contains(&name), "{name} is made up");
    }
}

/// The names in the first column of the page's tables.
fn explained() -> BTreeSet<String> {
    let page = fs::read_to_string(workspace().join(PAGE)).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_reference_page_explains_every_name_and_no_other_of_ours() {
    let (sent, explained) = (names(&sent()), explained());
    let unexplained: Vec<_> = sent.difference(&explained).collect();
    assert!(unexplained.is_empty(), "{PAGE} says nothing of {unexplained:?}");
    let ours = |names: &BTreeSet<String>| -> Vec<String> {
        names.iter().filter(|name| name.starts_with(OURS)).cloned().collect()
    };
    assert_eq!(ours(&sent), ours(&explained), "{PAGE} explains what is not sent");
}
