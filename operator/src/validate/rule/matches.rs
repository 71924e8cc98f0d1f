//! What a match may say.

use rebound_api::crd::http_route::{
    HttpPathMatch, HttpRouteMatch, HttpValueMatch, PathMatchType, ValueMatchType,
};
use rebound_api::name::is_token;

use crate::validate::grammar;
use crate::validate::place::Place;

pub(super) fn check(place: &mut Place<'_>, item: &HttpRouteMatch) {
    place.unread(&item.unread);
    if let Some(it) = &item.path {
        path(&mut place.at("path"), it);
    }
    for (index, it) in item.headers.iter().enumerate() {
        let mut place = place.item("headers", index);
        place.at("name").ensure(is_token(&it.name), || grammar::not_a_field_name(&it.name));
        value(&mut place, it);
    }
    for (index, it) in item.query_params.iter().enumerate() {
        value(&mut place.item("queryParams", index), it);
    }
    if let Some(method) = &item.method {
        place.at("method").ensure(is_token(method), || format!("`{method}` is not a method"));
    }
}

fn path(place: &mut Place<'_>, item: &HttpPathMatch) {
    place.unread(&item.unread);
    match &item.kind {
        PathMatchType::Exact | PathMatchType::PathPrefix => plain_path(&mut place.at("value"), &item.value),
        PathMatchType::RegularExpression => regex(&mut place.at("value"), &item.value),
        PathMatchType::Unknown(kind) => place.at("type").unknown(kind, "a way to match paths"),
    }
}

fn plain_path(place: &mut Place<'_>, value: &str) {
    place.ensure(value.starts_with('/'), || format!("`{value}` must start with `/`"));
    let lower = value.to_ascii_lowercase();
    let inside = ["//", "/./", "/../", "%2f", "#"].iter().find(|part| lower.contains(**part));
    let at_end = ["/.", "/.."].iter().find(|part| lower.ends_with(**part));
    if let Some(part) = inside.or(at_end) {
        place.wrong(format!("`{value}` holds `{part}`, which has no place in a path to match (Gateway API)"));
    }
}

fn value(place: &mut Place<'_>, item: &HttpValueMatch) {
    place.unread(&item.unread);
    match &item.kind {
        ValueMatchType::Exact => {}
        ValueMatchType::RegularExpression => regex(&mut place.at("value"), &item.value),
        ValueMatchType::Unknown(kind) => place.at("type").unknown(kind, "a way to match values"),
    }
}

fn regex(place: &mut Place<'_>, text: &str) {
    if let Err(message) = grammar::regex(text) {
        place.wrong(message);
    }
}
