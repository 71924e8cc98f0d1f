//! What the types of a snapshot cannot say: references in range, numbers in bounds, names that can be sent.

use std::collections::HashSet;
use std::fmt::Display;

use super::Snapshot;
use super::cluster::Cluster;
use super::codec::DecodeError;
use super::listener::Listener;
use super::retry::{Budget, Retry};
use super::route::{Backend, HeaderEdits, Match, PathMatch, Route, Rule, ValueMatch};
use super::shared::Shared;
use crate::name::is_token;

/// The most listeners of a Gateway (Gateway API).
const LISTENERS_MAX: usize = 64;
/// The most routes of a Gateway.
const ROUTES_MAX: usize = 20_000;
/// The most clusters of a Gateway.
const CLUSTERS_MAX: usize = 20_000;
/// The most endpoints of a cluster.
const ENDPOINTS_MAX: usize = 10_000;
/// The largest weight of a backend (Gateway API).
const WEIGHT_MAX: u32 = 1_000_000;
/// The longest timeout or backoff that is accepted: a day.
const DURATION_MAX_MS: u64 = 24 * 60 * 60 * 1000;
const RETRIES_MAX: u8 = 10;
const REPLAY_MAX_BYTES: u32 = 16 * 1024 * 1024;

type Checked = Result<(), DecodeError>;

/// Where something stands. Written out only when it is wrong: there are many thousands of places.
type Path<'a> = &'a dyn Display;

/// `sound`: a snapshot that has been checked. What is shared with it is sound as well, unless what it refers to may be
/// gone.
pub(super) fn snapshot(snapshot: &Snapshot, sound: Option<&Snapshot>) -> Checked {
    // Zero is how a data plane says that it has none.
    ensure(snapshot.generation.0 > 0, || "generation".into(), "must be at least 1")?;
    at_most(&"listeners", snapshot.listeners.len(), LISTENERS_MAX)?;
    at_most(&"routes", snapshot.routes.len(), ROUTES_MAX)?;
    at_most(&"clusters", snapshot.clusters.len(), CLUSTERS_MAX)?;
    let (routes, clusters) = (snapshot.routes.len(), snapshot.clusters.len());
    let with_routes = sound.filter(|it| it.routes.len() <= routes);
    let with_clusters = sound.filter(|it| it.clusters.len() <= clusters);
    let known = with_routes.map_or(&[][..], |it| &it.listeners);
    each_new(&"listeners", &snapshot.listeners, known, |path, item| listener(path, item, routes))?;
    let mut addresses = HashSet::new();
    each(&"listeners", &snapshot.listeners, |path, item| {
        let first = addresses.insert((item.port, &item.hostname));
        ensure(first, || format!("{path}.hostname"), "stands twice on the port")
    })?;
    let known = with_clusters.map_or(&[][..], |it| &it.routes);
    each_new(&"routes", &snapshot.routes, known, |path, item| route(path, item, clusters))?;
    let known = sound.map_or(&[][..], |it| &it.clusters);
    each_new(&"clusters", &snapshot.clusters, known, |path, item| cluster(path, item))?;
    let mut services = HashSet::new();
    each(&"clusters", &snapshot.clusters, |path, item| {
        ensure(services.insert(&item.service), || format!("{path}.service"), "stands twice")
    })
}

fn listener(path: Path<'_>, listener: &Listener, routes: usize) -> Checked {
    ensure(listener.port != 0, || format!("{path}.port"), "must be 1 to 65535")?;
    if let Some(hostname) = &listener.hostname {
        ensure(is_hostname(hostname), || format!("{path}.hostname"), "is not a lower-case hostname")?;
    }
    each(&format_args!("{path}.routes"), &listener.routes, |path, attached| {
        ensure((attached.route as usize) < routes, || format!("{path}.route"), "is out of range")?;
        each(&format_args!("{path}.hostnames"), &attached.hostnames, |path, hostname| {
            ensure(is_hostname(hostname), || path.to_string(), "is not a lower-case hostname")
        })
    })
}

fn route(path: Path<'_>, route: &Route, clusters: usize) -> Checked {
    each(&format_args!("{path}.rules"), &route.rules, |path, item| rule(path, item, clusters))
}

fn rule(path: Path<'_>, rule: &Rule, clusters: usize) -> Checked {
    ensure(!rule.matches.is_empty(), || format!("{path}.matches"), "is empty")?;
    each(&format_args!("{path}.matches"), &rule.matches, match_)?;
    header_edits(&format_args!("{path}.request_headers"), &rule.request_headers)?;
    header_edits(&format_args!("{path}.response_headers"), &rule.response_headers)?;
    timeout(path, "request_timeout_ms", rule.request_timeout_ms)?;
    timeout(path, "attempt_timeout_ms", rule.attempt_timeout_ms)?;
    each(&format_args!("{path}.backends"), &rule.backends, |path, item| backend(path, item, clusters))
}

fn match_(path: Path<'_>, item: &Match) -> Checked {
    let (PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Regex(text)) = &item.path;
    let absolute = text.starts_with('/') || matches!(item.path, PathMatch::Regex(_));
    ensure(absolute, || format!("{path}.path"), "must start with `/`")?;
    if let PathMatch::Prefix(prefix) = &item.path {
        let bare = prefix == "/" || !prefix.ends_with('/');
        ensure(bare, || format!("{path}.path"), "must not end with `/`")?;
    }
    if let Some(method) = &item.method {
        ensure(is_token(method), || format!("{path}.method"), "is not a token")?;
    }
    let lower_token = |path: Path<'_>, item: &ValueMatch| {
        ensure(is_lower_token(&item.name), || format!("{path}.name"), "is not a lower-case field name")
    };
    each(&format_args!("{path}.headers"), &item.headers, lower_token)
}

fn backend(path: Path<'_>, backend: &Backend, clusters: usize) -> Checked {
    ensure(backend.weight <= WEIGHT_MAX, || format!("{path}.weight"), "is out of range")?;
    if let Some(cluster) = backend.cluster {
        ensure((cluster as usize) < clusters, || format!("{path}.cluster"), "is out of range")?;
    }
    if let Some(rules) = &backend.retry {
        retry(&format_args!("{path}.retry"), rules)?;
    }
    header_edits(&format_args!("{path}.request_headers"), &backend.request_headers)?;
    header_edits(&format_args!("{path}.response_headers"), &backend.response_headers)
}

fn cluster(path: Path<'_>, cluster: &Cluster) -> Checked {
    at_most(&format_args!("{path}.endpoints"), cluster.endpoints.len(), ENDPOINTS_MAX)?;
    let sorted = cluster.endpoints.is_sorted_by(|a, b| a < b);
    ensure(sorted, || format!("{path}.endpoints"), "is not sorted or holds an endpoint twice")?;
    each(&format_args!("{path}.endpoints"), &cluster.endpoints, |path, endpoint| {
        ensure(endpoint.port() != 0, || path.to_string(), "has no port")
    })?;
    if let Some(budget_) = &cluster.budget {
        budget(&format_args!("{path}.budget"), budget_)?;
    }
    match &cluster.retry {
        Some(rules) => retry(&format_args!("{path}.retry"), rules),
        None => Ok(()),
    }
}

fn retry(path: Path<'_>, retry: &Retry) -> Checked {
    let ordered = retry.on.iter().all(|[low, high]| (400..=*high).contains(low) && *high <= 599);
    let apart = retry.on.windows(2).all(|pair| pair[0][1].saturating_add(1) < pair[1][0]);
    ensure(
        ordered && apart,
        || format!("{path}.on"),
        "must be sorted ranges within 400-599 that do not touch",
    )?;
    ensure(retry.retries_max <= RETRIES_MAX, || format!("{path}.retries_max"), "must be at most 10")?;
    let backoff = &retry.backoff;
    let bounded = 0 < backoff.base_us && backoff.base_us <= backoff.max_us;
    ensure(bounded, || format!("{path}.backoff"), "must hold 0 < base_us <= max_us")?;
    ensure(backoff.max_us <= DURATION_MAX_MS * 1000, || format!("{path}.backoff.max_us"), "is above a day")?;
    ensure(
        (1..=10).contains(&backoff.multiplier),
        || format!("{path}.backoff.multiplier"),
        "must be 1 to 10",
    )?;
    timeout(path, "per_try_timeout_ms", retry.per_try_timeout_ms)?;
    timeout(path, "total_timeout_ms", retry.total_timeout_ms)?;
    let replayable = retry.replay_max_bytes <= REPLAY_MAX_BYTES;
    ensure(replayable, || format!("{path}.replay_max_bytes"), "must be at most 16 MiB")?;
    each(&format_args!("{path}.methods"), &retry.methods, |path, method| {
        ensure(is_token(method), || path.to_string(), "is not a token")
    })
}

fn budget(path: Path<'_>, budget: &Budget) -> Checked {
    ensure(budget.percent <= 100, || format!("{path}.percent"), "must be at most 100")?;
    let window = 1_000..=3_600_000;
    ensure(window.contains(&budget.interval_ms), || format!("{path}.interval_ms"), "must be 1 s to 1 h")?;
    ensure(
        window.contains(&budget.floor_interval_ms),
        || format!("{path}.floor_interval_ms"),
        "must be 1 s to 1 h",
    )
}

fn header_edits(path: Path<'_>, edits: &HeaderEdits) -> Checked {
    each(&format_args!("{path}.remove"), &edits.remove, |path, name| {
        ensure(is_lower_token(name), || path.to_string(), "is not a lower-case field name")
    })?;
    for (part, values) in [("set", &edits.set), ("add", &edits.add)] {
        each(&format_args!("{path}.{part}"), values, |path, header| {
            ensure(
                is_lower_token(&header.name),
                || format!("{path}.name"),
                "is not a lower-case field name",
            )?;
            ensure(is_field_value(&header.value), || format!("{path}.value"), "holds a control character")
        })?;
    }
    Ok(())
}

fn timeout(path: Path<'_>, field: &str, value: Option<u64>) -> Checked {
    let fits = value.is_none_or(|ms| (1..=DURATION_MAX_MS).contains(&ms));
    ensure(fits, || format!("{path}.{field}"), "must be 1 ms to a day; none means no limit")
}

fn each<'a, T>(path: Path<'_>, items: &'a [T], mut check: impl FnMut(Path<'_>, &'a T) -> Checked) -> Checked {
    items.iter().enumerate().try_for_each(|(index, item)| check(&format_args!("{path}[{index}]"), item))
}

/// Passes over what is the very item of `sound`, at its place counted from the start or from the end: there it still is
/// when others were changed, or when one was added or removed.
fn each_new<'a, T>(
    path: Path<'_>,
    items: &'a [Shared<T>],
    sound: &[Shared<T>],
    mut check: impl FnMut(Path<'_>, &'a T) -> Checked,
) -> Checked {
    let is_sound = |index: usize, item: &Shared<T>| {
        let from_end = (sound.len() + index).checked_sub(items.len());
        [Some(index), from_end].into_iter().flatten().any(|at| sound.get(at).is_some_and(|it| it.is(item)))
    };
    let new = items.iter().enumerate().filter(|(index, item)| !is_sound(*index, item));
    new.into_iter().try_for_each(|(index, item)| check(&format_args!("{path}[{index}]"), item))
}

fn at_most(path: Path<'_>, count: usize, max: usize) -> Checked {
    if count <= max {
        return Ok(());
    }
    Err(DecodeError::Invalid {
        path: path.to_string(),
        message: format!("holds {count} items, more than {max}"),
    })
}

fn ensure(holds: bool, path: impl FnOnce() -> String, message: &str) -> Checked {
    if holds {
        return Ok(());
    }
    Err(DecodeError::Invalid { path: path(), message: message.into() })
}

fn is_hostname(text: &str) -> bool {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    labels.len() <= 253 && labels.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

fn is_lower_token(text: &str) -> bool {
    is_token(text) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// RFC 9110 5.5, without the obsolete bytes above 0x7f.
fn is_field_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}
