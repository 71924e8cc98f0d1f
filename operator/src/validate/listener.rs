//! One listener among those of its Gateway, before any route attaches.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::{Listener, Protocol, RouteGroupKind};
use rebound_api::crd::parent_ref::GATEWAY_GROUP;
use rebound_api::violation::Reason as Mistake;

use super::allowed;
use super::grammar;
use super::place::Place;
use super::verdict::{ListenerVerdict, Refusal};

/// What the name of a listener looks like.
const SECTION_NAME: &str = "lower-case letters, digits, `-` and `.`, at most 253 characters";

/// The verdict on a listener; `listeners` are all of its Gateway.
pub(super) fn check(listener: &Listener, listeners: &[Listener]) -> ListenerVerdict {
    let invalid =
        |(field, message): (&str, String)| Refusal::new(Reason::Invalid, format!("{field}: {message}"));
    ListenerVerdict {
        name: listener.name.clone(),
        takes_http_routes: takes_http_routes(listener),
        attached_routes: 0,
        refused: mistake(listener, listeners).map(invalid).or_else(|| unsupported(listener)),
        conflicted: conflict(listener, listeners),
        unresolved: foreign_kinds(listener),
    }
}

/// Everything that is wrong with the listener at `place`.
pub(super) fn report(place: &mut Place<'_>, listener: &Listener, listeners: &[Listener]) {
    if let Some((field, message)) = mistake(listener, listeners) {
        place.at(field).wrong(message);
    }
    // The one conflict that a rule of the schema forbids; the other waits for a listener to change.
    if let Some(refusal) = conflict(listener, listeners).filter(|it| it.reason == Reason::HostnameConflict) {
        place.wrong(refusal.message);
    }
    match unsupported(listener) {
        Some(refusal) => place.at("protocol").warn(Mistake::NotInEffect, refusal.message),
        // Of a listener that is not served at all no field has an effect.
        None => unread(place, listener),
    }
}

fn unread(place: &mut Place<'_>, listener: &Listener) {
    place.unread(&listener.unread);
    if let Some(allowed) = &listener.allowed_routes {
        allowed::report(&mut place.at("allowedRoutes"), allowed);
    }
}

/// The hostname in lower case; an empty one means none.
pub(super) fn hostname(listener: &Listener) -> Option<String> {
    let hostname = listener.hostname.as_deref().filter(|it| !it.is_empty());
    hostname.map(str::to_ascii_lowercase)
}

/// A field that an API server would refuse, and why.
fn mistake(listener: &Listener, listeners: &[Listener]) -> Option<(&'static str, String)> {
    if u16::try_from(listener.port).unwrap_or(0) == 0 {
        return Some(("port", format!("{} is not within 1 to 65535", listener.port)));
    }
    let hostname = listener.hostname.as_deref().unwrap_or_default();
    if !hostname.is_empty() && !grammar::is_hostname(hostname) {
        return Some(("hostname", format!("`{hostname}` is not a hostname")));
    }
    if !grammar::is_section_name(&listener.name) {
        return Some(("name", format!("`{}` is not a name: {SECTION_NAME}", listener.name)));
    }
    let first = listeners.iter().find(|it| it.name == listener.name)?;
    let is_first = std::ptr::eq(first, listener);
    (!is_first).then(|| ("name", format!("`{}` stands twice", listener.name)))
}

fn unsupported(listener: &Listener) -> Option<Refusal> {
    if listener.protocol == Protocol::Http {
        return None;
    }
    let message = format!("protocol {} is not in this version", listener.protocol);
    Some(Refusal::new(Reason::UnsupportedProtocol, message))
}

/// Listeners of one Gateway must be distinct in port, protocol and hostname; those that are not are all refused.
fn conflict(listener: &Listener, listeners: &[Listener]) -> Option<Refusal> {
    let is_other = |other: &&Listener| !std::ptr::eq(*other, listener) && other.port == listener.port;
    listeners.iter().filter(is_other).find_map(|other| clash(listener, other))
}

/// Why two listeners cannot share their port.
fn clash(listener: &Listener, other: &Listener) -> Option<Refusal> {
    if other.protocol != listener.protocol {
        let message = format!("listener `{}` speaks {} on the same port", other.name, other.protocol);
        return Some(Refusal::new(Reason::ProtocolConflict, message));
    }
    let message = || format!("listener `{}` has the same port and hostname", other.name);
    (hostname(other) == hostname(listener)).then(|| Refusal::new(Reason::HostnameConflict, message()))
}

fn foreign_kinds(listener: &Listener) -> Option<Refusal> {
    let kinds = &listener.allowed_routes.as_ref()?.kinds;
    let foreign = kinds.iter().find(|kind| !is_http_route(kind))?;
    let message = format!("{} cannot attach to an {} listener", foreign.kind, listener.protocol);
    Some(Refusal::new(Reason::InvalidRouteKinds, message))
}

fn takes_http_routes(listener: &Listener) -> bool {
    let is_http = matches!(listener.protocol, Protocol::Http | Protocol::Https);
    let kinds = listener.allowed_routes.as_ref().map_or(&[][..], |it| &it.kinds);
    is_http && (kinds.is_empty() || kinds.iter().any(is_http_route))
}

fn is_http_route(kind: &RouteGroupKind) -> bool {
    kind.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP && kind.kind == "HTTPRoute"
}
