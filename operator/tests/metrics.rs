//! The reference page of the metrics is what a scrape really shows.
//!
//! `UPDATE_GOLDEN=1` rewrites the table: review its diff, since dashboards depend on every row.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rebound_operator::telemetry::metrics::{Metrics, Outcome, Review, Scope, Spans, Stage, Verb};

const PAGE: &str = "../docs/reference/operator_metrics.md";
/// The table begins here, and is the rest of the page.
const HEAD: &str = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";

/// A page on which every family has a sample for each value of its labels.
fn everything() -> String {
    let metrics = Metrics::default();
    for outcome in Outcome::ALL {
        Scope::ALL.iter().for_each(|scope| metrics.round(*scope, *outcome));
        Verb::ALL.iter().for_each(|verb| metrics.write("…", *verb, *outcome));
    }
    Stage::ALL.iter().for_each(|stage| metrics.stage(*stage, Duration::ZERO));
    Review::ALL.iter().for_each(|review| metrics.review(*review, Duration::ZERO));
    Spans::ALL.iter().for_each(|fate| metrics.spans(*fate, 1));
    metrics.objects("…", 1);
    metrics.watch_restarted("…");
    metrics.page(true)
}

/// A row for each family, in the order of the page.
fn table(page: &str) -> String {
    let comments = |word: &str| -> Vec<(String, String)> {
        let start = format!("# {word} ");
        let lines = page.lines().filter_map(|line| line.strip_prefix(&start)?.split_once(' '));
        lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let types: BTreeMap<_, _> = comments("TYPE").into_iter().collect();
    let row = |(name, help): (String, String)| {
        let kind = &types[&name];
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels = labels(page, &name);
        format!("| `{name}{suffix}` | {kind} | {labels} | {} |\n", help.trim_end_matches('.'))
    };
    comments("HELP").into_iter().map(row).collect()
}

/// The labels of a family, each with its values; a value that depends on the world is `…`.
fn labels(page: &str, family: &str) -> String {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with(family)) {
        let Some((_, rest)) = line.split_once('{') else { continue };
        let (inside, _) = rest.rsplit_once('}').unwrap();
        for (name, value) in inside.split(',').map(|label| label.split_once('=').unwrap()) {
            labels.entry(name).or_default().insert(value.trim_matches('"'));
        }
    }
    labels.remove("le");
    let label = |(name, values): (&str, BTreeSet<&str>)| {
        let values: Vec<_> = values.into_iter().filter(|it| *it != "…" && name != "version").collect();
        if values.is_empty() { format!("`{name}`") } else { format!("`{name}`: {}", values.join(", ")) }
    };
    labels.into_iter().map(label).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_reference_lists_every_metric_with_its_labels() {
    let text = std::fs::read_to_string(PAGE).unwrap();
    let (prose, _) = text.split_once(HEAD).unwrap();
    let expected = format!("{prose}{HEAD}{}", table(&everything()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PAGE, &expected).unwrap();
        return;
    }
    assert!(text == expected, "{PAGE} is stale; UPDATE_GOLDEN=1 rewrites it. Expected:\n{expected}");
}

#[test]
fn names_are_of_one_family_and_carry_their_units() {
    for row in table(&everything()).lines() {
        let name = row.split('`').nth(1).unwrap();
        assert!(name.starts_with("rebound_operator_"), "{name}");
        assert!(!row.contains("| histogram |") || name.ends_with("_seconds"), "{name}");
    }
}
