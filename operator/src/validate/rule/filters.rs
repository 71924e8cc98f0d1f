//! What filters may do, for rules and for single backends.

use rebound_api::crd::http_route::{FilterType, HttpHeaderFilter, HttpRouteFilter};
use rebound_api::name::is_token;

use crate::validate::grammar;
use crate::validate::place::Place;

/// Fields that frame a message or belong to one connection: no filter may touch them.
const UNTOUCHABLE: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Looks at the filters of the rule or backend at `place`.
pub(super) fn check(place: &mut Place<'_>, filters: &[HttpRouteFilter]) {
    for (index, filter) in filters.iter().enumerate() {
        let mut place = place.item("filters", index);
        // A filter that is not carried out is told once, with its parameters; some of them may stand twice.
        if !matches!(filter.kind, FilterType::Unknown(_)) {
            let is_first = filters.iter().position(|it| it.kind == filter.kind) == Some(index);
            place.at("type").ensure(is_first, || format!("`{}` stands twice", filter.kind));
            place.unread(&filter.unread);
        }
        match &filter.kind {
            FilterType::RequestHeaderModifier => {
                edits(&mut place.at("requestHeaderModifier"), filter.request_header_modifier.as_ref());
            }
            FilterType::ResponseHeaderModifier => {
                edits(&mut place.at("responseHeaderModifier"), filter.response_header_modifier.as_ref());
            }
            FilterType::Unknown(kind) => place.at("type").unknown(kind, "a filter that Rebound carries out"),
        }
    }
}

fn edits(place: &mut Place<'_>, edits: Option<&HttpHeaderFilter>) {
    let Some(edits) = edits else { return place.wrong("is missing") };
    place.unread(&edits.unread);
    for (part, headers) in [("set", &edits.set), ("add", &edits.add)] {
        for (index, header) in headers.iter().enumerate() {
            let mut place = place.item(part, index);
            place.unread(&header.unread);
            name(&mut place.at("name"), &header.name);
            let is_value = grammar::is_field_value(&header.value);
            place.at("value").ensure(is_value, || "holds a control character or one outside ASCII".into());
        }
    }
    for (index, it) in edits.remove.iter().enumerate() {
        name(&mut place.item("remove", index), it);
    }
}

fn name(place: &mut Place<'_>, name: &str) {
    place.ensure(is_token(name), || grammar::not_a_field_name(name));
    let is_touchable = !UNTOUCHABLE.contains(&name.to_ascii_lowercase().as_str());
    place.ensure(is_touchable, || format!("`{name}` belongs to the connection and cannot be changed"));
}
