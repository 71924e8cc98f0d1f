//! One rule of an HTTPRoute by itself: what is wrong with it, and its numbers parsed.

use std::time::Duration;

use rebound_api::crd::Unread;
use rebound_api::crd::http_route::{
    FilterType, HttpHeaderFilter, HttpPathMatch, HttpRouteFilter, HttpRouteMatch, HttpRouteRetry,
    HttpRouteRule, HttpValueMatch, PathMatchType, ValueMatchType,
};
use rebound_api::policy::backoff::{Backoff, CAP_DEFAULT_FACTOR, Jitter};
use rebound_api::policy::duration::{self, DURATION_MAX};
use rebound_api::policy::retry::RETRIES_MAX;
use rebound_api::policy::status_set::{STATUS_MAX, STATUS_MIN, StatusSet};
use rebound_api::violation::{Reason, Report, Violation};

use super::RuleRetry;
use super::grammar;

/// The largest weight of a backend (Gateway API).
pub(super) const WEIGHT_MAX: u32 = 1_000_000;
/// Retries of a rule that does not say (GEP-1731).
const ATTEMPTS_DEFAULT: u8 = 1;
/// The wait of a rule that names none.
const BACKOFF_DEFAULT: Duration = Duration::from_millis(25);
/// `backoff: 0s` asks for no wait; the backoff's base must be above zero.
const BACKOFF_MIN: Duration = Duration::from_micros(1);
/// Fields that frame a message or belong to one connection: no filter may touch them.
const UNTOUCHABLE: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// A rule, looked at.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) report: Report,
    /// False: nobody can say which requests the rule is for.
    pub(super) matches_ok: bool,
    /// Indices of backends whose own filters cannot be carried out.
    pub(super) bad_backends: Vec<usize>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) retry: Option<RuleRetry>,
}

impl Checked {
    /// Whether the rule can be carried out as a whole, apart from single backends.
    pub(super) fn is_sound(&self) -> bool {
        self.report.violations.len() == self.bad_backends.len()
    }
}

/// Looks at the rule that stands at `path`.
pub(super) fn check(path: &str, rule: &HttpRouteRule) -> Checked {
    let mut checked = Checked::default();
    let report = &mut checked.report;
    for (index, item) in rule.matches.iter().enumerate() {
        match_(report, &format!("{path}.matches[{index}]"), item);
    }
    checked.matches_ok = report.violations.is_empty();
    unread(report, path, &rule.unread);
    filters(report, path, &rule.filters);
    checked.request_timeout = timeout(report, path, "request", rule);
    checked.attempt_timeout = timeout(report, path, "backendRequest", rule);
    timeouts_fit(&mut checked, path);
    let report = &mut checked.report;
    checked.retry = rule.retry.as_ref().and_then(|it| retry(report, &format!("{path}.retry"), it));
    backends(&mut checked, path, rule);
    checked
}

fn match_(report: &mut Report, path: &str, item: &HttpRouteMatch) {
    unread(report, path, &item.unread);
    if let Some(it) = &item.path {
        path_match(report, &format!("{path}.path"), it);
    }
    for (index, it) in item.headers.iter().enumerate() {
        let path = format!("{path}.headers[{index}]");
        ensure(report, grammar::is_token(&it.name), &format!("{path}.name"), || not_a_field_name(&it.name));
        value_match(report, &path, it);
    }
    for (index, it) in item.query_params.iter().enumerate() {
        value_match(report, &format!("{path}.queryParams[{index}]"), it);
    }
    if let Some(method) = &item.method {
        let message = || format!("`{method}` is not a method");
        ensure(report, grammar::is_token(method), &format!("{path}.method"), message);
    }
}

fn path_match(report: &mut Report, path: &str, item: &HttpPathMatch) {
    let value = &item.value;
    let path_of_value = format!("{path}.value");
    match &item.kind {
        PathMatchType::Exact | PathMatchType::PathPrefix => {
            ensure(report, value.starts_with('/'), &path_of_value, || {
                format!("`{value}` must start with `/`")
            });
            let message = || {
                format!("`{value}` holds `//`, `/./`, `/../`, `%2f` or `#`, which no request path matches")
            };
            ensure(report, is_plain_path(value), &path_of_value, message);
        }
        PathMatchType::RegularExpression => regex(report, &path_of_value, value),
        PathMatchType::Unknown(kind) => {
            unknown(report, &format!("{path}.type"), kind, "a way to match paths");
        }
    }
}

fn is_plain_path(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let inside = ["//", "/./", "/../", "%2f", "#"].iter().any(|part| lower.contains(part));
    !inside && !lower.ends_with("/..") && !lower.ends_with("/.")
}

fn value_match(report: &mut Report, path: &str, item: &HttpValueMatch) {
    match &item.kind {
        ValueMatchType::Exact => {}
        ValueMatchType::RegularExpression => regex(report, &format!("{path}.value"), &item.value),
        ValueMatchType::Unknown(kind) => {
            unknown(report, &format!("{path}.type"), kind, "a way to match values");
        }
    }
}

fn regex(report: &mut Report, path: &str, text: &str) {
    if let Err(message) = grammar::regex(text) {
        violation(report, path, message);
    }
}

fn filters(report: &mut Report, path: &str, filters: &[HttpRouteFilter]) {
    for (index, filter) in filters.iter().enumerate() {
        let path = format!("{path}.filters[{index}]");
        let message = || format!("`{}` stands twice", filter.kind);
        let first = filters.iter().position(|it| it.kind == filter.kind) == Some(index);
        ensure(report, first, &format!("{path}.type"), message);
        let (field, edits) = match &filter.kind {
            FilterType::RequestHeaderModifier => ("requestHeaderModifier", &filter.request_header_modifier),
            FilterType::ResponseHeaderModifier => {
                ("responseHeaderModifier", &filter.response_header_modifier)
            }
            FilterType::Unknown(kind) => {
                unknown(report, &format!("{path}.type"), kind, "a filter that Rebound carries out");
                continue;
            }
        };
        match edits {
            Some(edits) => header_filter(report, &format!("{path}.{field}"), edits),
            None => violation(report, &format!("{path}.{field}"), "is missing".into()),
        }
    }
}

fn header_filter(report: &mut Report, path: &str, edits: &HttpHeaderFilter) {
    for (part, headers) in [("set", &edits.set), ("add", &edits.add)] {
        for (index, header) in headers.iter().enumerate() {
            let path = format!("{path}.{part}[{index}]");
            field_name(report, &format!("{path}.name"), &header.name);
            let message = || "holds a control character or one outside ASCII".into();
            ensure(report, grammar::is_field_value(&header.value), &format!("{path}.value"), message);
        }
    }
    for (index, name) in edits.remove.iter().enumerate() {
        field_name(report, &format!("{path}.remove[{index}]"), name);
    }
}

fn field_name(report: &mut Report, path: &str, name: &str) {
    ensure(report, grammar::is_token(name), path, || not_a_field_name(name));
    let touchable = !UNTOUCHABLE.contains(&name.to_ascii_lowercase().as_str());
    ensure(report, touchable, path, || format!("`{name}` belongs to the connection and cannot be changed"));
}

fn timeout(report: &mut Report, path: &str, field: &str, rule: &HttpRouteRule) -> Option<Duration> {
    let timeouts = rule.timeouts.as_ref()?;
    let text = if field == "request" { &timeouts.request } else { &timeouts.backend_request };
    // GEP-1742: zero switches the timeout off.
    parse(report, &format!("{path}.timeouts.{field}"), text.as_deref()?).filter(|limit| !limit.is_zero())
}

fn timeouts_fit(checked: &mut Checked, path: &str) {
    let (Some(request), Some(attempt)) = (checked.request_timeout, checked.attempt_timeout) else { return };
    let message = || "must not be longer than `timeouts.request`".into();
    ensure(&mut checked.report, attempt <= request, &format!("{path}.timeouts.backendRequest"), message);
}

/// GEP-1731: `attempts` are retries, `backoff` is the shortest wait.
fn retry(report: &mut Report, path: &str, retry: &HttpRouteRetry) -> Option<RuleRetry> {
    unread(report, path, &retry.unread);
    let before = report.violations.len();
    for (index, code) in retry.codes.iter().enumerate() {
        let is_code = (i32::from(STATUS_MIN)..=i32::from(STATUS_MAX)).contains(code);
        let message = || format!("{code} is not a status code from {STATUS_MIN} to {STATUS_MAX}");
        ensure(report, is_code, &format!("{path}.codes[{index}]"), message);
    }
    let retries_max = attempts(report, path, retry.attempts);
    let backoff = backoff(report, path, retry.backoff.as_deref())?;
    let codes = retry.codes.iter().filter_map(|code| u16::try_from(*code).ok());
    let statuses = StatusSet::from_ranges(codes.map(|code| (code, code)));
    (report.violations.len() == before).then_some(RuleRetry { statuses, retries_max, backoff })
}

fn attempts(report: &mut Report, path: &str, attempts: Option<i32>) -> u8 {
    let path = format!("{path}.attempts");
    let Some(attempts) = attempts else { return ATTEMPTS_DEFAULT };
    ensure(report, attempts >= 0, &path, || format!("{attempts} is below zero"));
    if attempts > i32::from(RETRIES_MAX) {
        let message = format!("{attempts} is above the limit; {RETRIES_MAX} retries are made");
        report.warnings.push(Violation::new(path, Reason::OutOfRange, message));
    }
    u8::try_from(attempts.clamp(0, RETRIES_MAX.into())).unwrap_or(RETRIES_MAX)
}

fn backoff(report: &mut Report, path: &str, text: Option<&str>) -> Option<Backoff> {
    let path = format!("{path}.backoff");
    let base = match text {
        Some(text) => Some(parse(report, &path, text)?),
        None => None,
    };
    let jitter = if base.is_some() { Jitter::Floor } else { Jitter::Full };
    let base = base.unwrap_or(BACKOFF_DEFAULT).max(BACKOFF_MIN);
    let cap = base.saturating_mul(CAP_DEFAULT_FACTOR).min(DURATION_MAX);
    match Backoff::new(base, cap, 2, jitter) {
        Ok(backoff) => Some(backoff),
        Err(message) => {
            violation(report, &path, message.into());
            None
        }
    }
}

fn parse(report: &mut Report, path: &str, text: &str) -> Option<Duration> {
    let parsed = duration::parse(text);
    parsed.map_err(|bad| violation(report, path, format!("`{text}` {bad}"))).ok()
}

fn backends(checked: &mut Checked, path: &str, rule: &HttpRouteRule) {
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let path = format!("{path}.backendRefs[{index}]");
        let mut report = Report::default();
        unread(&mut report, &path, &backend.unread);
        filters(&mut report, &path, &backend.filters);
        let weight = backend.weight.unwrap_or(1);
        let message = || format!("{weight} is not within 0 to {WEIGHT_MAX}");
        let in_bounds = u32::try_from(weight).is_ok_and(|weight| weight <= WEIGHT_MAX);
        ensure(&mut report, in_bounds, &format!("{path}.weight"), message);
        // One entry for each violation, so that the others can be told from those of the rule.
        checked.bad_backends.extend(report.violations.iter().map(|_| index));
        checked.report.violations.append(&mut report.violations);
        checked.report.warnings.append(&mut report.warnings);
    }
}

/// Reports every field that has no effect.
pub(super) fn unread(report: &mut Report, path: &str, fields: &Unread) {
    let warning = |name: &String| {
        let message = format!("`{name}` has no effect in this version");
        Violation::new(format!("{path}.{name}"), Reason::NotInEffect, message)
    };
    report.warnings.extend(fields.keys().map(warning));
}

fn unknown(report: &mut Report, path: &str, value: &str, what: &str) {
    let message = format!("`{value}` is not {what}");
    report.violations.push(Violation::new(path, Reason::NotSupported, message));
}

fn violation(report: &mut Report, path: &str, message: String) {
    report.violations.push(Violation::new(path, Reason::Invalid, message));
}

fn ensure(report: &mut Report, holds: bool, path: &str, message: impl FnOnce() -> String) {
    if !holds {
        violation(report, path, message());
    }
}

fn not_a_field_name(name: &str) -> String {
    format!("`{name}` is not the name of a header field")
}
