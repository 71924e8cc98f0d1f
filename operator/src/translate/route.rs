//! Matches, header changes and backends of a route.

use std::collections::BTreeSet;

use rebound_api::config::route::{
    Backend, HeaderEdits, HeaderValue, Match, PathMatch, Route, Rule, ValueMatch, ValuePattern,
};
use rebound_api::crd::http_route::{
    FilterType, HttpHeader, HttpHeaderFilter, HttpPathMatch, HttpRouteFilter, HttpRouteMatch, HttpValueMatch,
    PathMatchType, ValueMatchType,
};

use super::{Links, retry};
use crate::validate::{AcceptedBackend, AcceptedRoute, AcceptedRule};

pub(super) fn route(links: &Links, route: &AcceptedRoute) -> Route {
    let rules = route.rules.iter().map(|it| rule(links, route, it));
    Route { name: route.key.clone(), rules: rules.collect() }
}

fn rule(links: &Links, route: &AcceptedRoute, rule: &AcceptedRule) -> Rule {
    let (request_headers, response_headers) = edits(&rule.filters);
    Rule {
        matches: matches(&rule.matches),
        request_headers,
        response_headers,
        request_timeout_ms: rule.request_timeout.map(retry::millis),
        attempt_timeout_ms: rule.attempt_timeout.map(retry::millis),
        backends: rule.backends.iter().map(|it| backend(links, route, rule, it)).collect(),
    }
}

fn backend(links: &Links, route: &AcceptedRoute, rule: &AcceptedRule, backend: &AcceptedBackend) -> Backend {
    let (request_headers, response_headers) = edits(&backend.filters);
    let policy = backend.target.as_ref().and_then(|port| links.policies.get(port));
    let own = rule.retry.as_ref().filter(|_| backend.target.is_some());
    Backend {
        weight: backend.weight,
        cluster: backend.target.as_ref().and_then(|port| links.clusters.get(port).copied()),
        retry: own.map(|it| Box::new(retry::of_rule(&route.key, rule, it, policy))),
        request_headers,
        response_headers,
    }
}

/// A rule without matches is for every request.
fn matches(matches: &[HttpRouteMatch]) -> Vec<Match> {
    if matches.is_empty() {
        return vec![match_(&HttpRouteMatch::default())];
    }
    matches.iter().map(match_).collect()
}

fn match_(item: &HttpRouteMatch) -> Match {
    Match {
        path: item.path.as_ref().map_or_else(|| PathMatch::Prefix("/".into()), path),
        method: item.method.clone(),
        headers: values(&item.headers, str::to_ascii_lowercase),
        query: values(&item.query_params, str::to_owned),
    }
}

fn path(path: &HttpPathMatch) -> PathMatch {
    match path.kind {
        PathMatchType::Exact => PathMatch::Exact(path.value.clone()),
        PathMatchType::RegularExpression => PathMatch::Regex(path.value.clone()),
        PathMatchType::PathPrefix | PathMatchType::Unknown(_) => PathMatch::Prefix(prefix(&path.value)),
    }
}

/// `/foo/` means the elements of `/foo` (Gateway API); the root has no element at all.
fn prefix(value: &str) -> String {
    match value.trim_end_matches('/') {
        "" => "/".into(),
        trimmed => trimmed.into(),
    }
}

/// Of several matches of one name the first counts (Gateway API).
fn values(items: &[HttpValueMatch], name: impl Fn(&str) -> String) -> Vec<ValueMatch> {
    let mut seen = BTreeSet::new();
    let named = items.iter().map(|item| (name(&item.name), item));
    let firsts = named.filter(|(name, _)| seen.insert(name.clone()));
    firsts.map(|(name, item)| ValueMatch { name, value: pattern(item) }).collect()
}

fn pattern(item: &HttpValueMatch) -> ValuePattern {
    match item.kind {
        ValueMatchType::RegularExpression => ValuePattern::Regex(item.value.clone()),
        ValueMatchType::Exact | ValueMatchType::Unknown(_) => ValuePattern::Exact(item.value.clone()),
    }
}

/// The changes to the request and to the response. Only the parameters of a filter's own type count.
fn edits(filters: &[HttpRouteFilter]) -> (HeaderEdits, HeaderEdits) {
    let of = |kind: FilterType| filters.iter().find(|it| it.kind == kind);
    let request = of(FilterType::RequestHeaderModifier).and_then(|it| it.request_header_modifier.as_ref());
    let response = of(FilterType::ResponseHeaderModifier).and_then(|it| it.response_header_modifier.as_ref());
    (request.map(header_edits).unwrap_or_default(), response.map(header_edits).unwrap_or_default())
}

fn header_edits(filter: &HttpHeaderFilter) -> HeaderEdits {
    HeaderEdits {
        remove: filter.remove.iter().map(|name| name.to_ascii_lowercase()).collect(),
        set: filter.set.iter().map(header).collect(),
        add: filter.add.iter().map(header).collect(),
    }
}

fn header(header: &HttpHeader) -> HeaderValue {
    HeaderValue { name: header.name.to_ascii_lowercase(), value: header.value.clone() }
}
