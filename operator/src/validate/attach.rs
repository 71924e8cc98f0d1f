//! Which route attaches to which listener.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::{FromNamespaces, Listener};
use rebound_api::crd::parent_ref::ParentReference;
use rebound_api::name::ObjectKey;

use super::gateway::CheckedGateway;
use super::route::CheckedRoute;
use super::verdict::{GatewayVerdict, ParentVerdict, Refusal, RouteVerdict};
use super::{AcceptedGateway, AcceptedListener, AcceptedRoute, Attachment, hostname, listener};
use crate::observe::world::World;

/// Gateways with their routes, and what everybody is told.
#[derive(Debug)]
pub(super) struct Attached<'w> {
    pub(super) gateways: Vec<AcceptedGateway>,
    pub(super) routes: Vec<AcceptedRoute<'w>>,
    pub(super) gateway_verdicts: Vec<GatewayVerdict>,
    pub(super) route_verdicts: Vec<RouteVerdict>,
    pub(super) notes: Vec<String>,
}

/// The label that every namespace carries without being asked.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Attaches every route to every listener that it names and that lets it in.
pub(super) fn attach<'w>(
    world: &World,
    mut gateways: Vec<CheckedGateway<'w>>,
    routes: Vec<CheckedRoute<'w>>,
) -> Attached<'w> {
    let mut listeners: Vec<Vec<Vec<Attachment>>> =
        gateways.iter().map(|it| vec![Vec::new(); it.verdict.listeners.len()]).collect();
    let mut notes = Vec::new();
    let mut route_verdicts = Vec::new();
    let mut accepted = Vec::new();
    for (index, mut checked) in routes.into_iter().enumerate() {
        for parent in &checked.route.object.spec.parent_refs {
            let Some(key) = parent_key(parent, checked.route.key.namespace()) else { continue };
            let Some(at) = gateways.iter().position(|it| it.gateway.key == key) else {
                notes.extend(orphan(world, &checked, &key));
                continue;
            };
            let found = match_parent(world, &gateways[at], parent, &checked);
            let refused = match (found, checked.verdict.own_refusal()) {
                (Err(refusal), _) | (Ok(_), Some(refusal)) => Some(refusal),
                (Ok(found), None) => {
                    merge(&mut listeners[at], found, index);
                    None
                }
            };
            checked.verdict.parents.push(ParentVerdict { parent: parent.clone(), gateway: key, refused });
        }
        route_verdicts.push(checked.verdict);
        accepted.push(checked.accepted);
    }
    let accepted_gateways =
        gateways.iter_mut().zip(listeners).map(|(gateway, attached)| accept(gateway, attached)).collect();
    Attached {
        gateways: accepted_gateways,
        routes: accepted,
        gateway_verdicts: gateways.into_iter().map(|it| it.verdict).collect(),
        route_verdicts,
        notes,
    }
}

fn parent_key(parent: &ParentReference, namespace: &str) -> Option<ObjectKey> {
    let namespace = parent.namespace.as_deref().unwrap_or(namespace);
    parent.is_gateway().then(|| ObjectKey::new(namespace, &parent.name).ok()).flatten()
}

/// A parent that does not exist has no status to say so in.
fn orphan(world: &World, checked: &CheckedRoute<'_>, gateway: &ObjectKey) -> Option<String> {
    let exists = world.gateways.iter().any(|it| it.key == *gateway);
    (!exists)
        .then(|| format!("HTTPRoute {} names Gateway {gateway}, which does not exist", checked.route.key))
}

/// The listeners of a Gateway that take a route, each with the hostnames in common; or the one reason for none.
fn match_parent(
    world: &World,
    gateway: &CheckedGateway<'_>,
    parent: &ParentReference,
    checked: &CheckedRoute<'_>,
) -> Result<Vec<(usize, Vec<String>)>, Refusal> {
    let listeners = gateway.gateway.object.spec.listeners.iter().enumerate();
    let named: Vec<_> = listeners.filter(|(_, listener)| is_named(parent, listener)).collect();
    if named.is_empty() {
        let message = format!("Gateway {} has no listener of that name or port", gateway.gateway.key);
        return Err(Refusal::new(Reason::NoMatchingParent, message));
    }
    let allowing: Vec<_> = named
        .into_iter()
        .filter(|(at, listener)| {
            gateway.verdict.listeners[*at].takes_http_routes
                && allows(world, &gateway.gateway.key, listener, checked.route.key.namespace())
        })
        .collect();
    if allowing.is_empty() {
        let message = format!(
            "no listener of Gateway {} lets HTTPRoutes of namespace `{}` in",
            gateway.gateway.key,
            checked.route.key.namespace()
        );
        return Err(Refusal::new(Reason::NotAllowedByListeners, message));
    }
    let hosts = &checked.route.object.spec.hostnames;
    let common = |(at, spec): (usize, &Listener)| {
        hostname::intersect(listener::hostname(spec).as_deref(), hosts).map(|hosts| (at, hosts))
    };
    let found: Vec<_> = allowing.into_iter().filter_map(common).collect();
    if found.is_empty() {
        let message = format!("no listener of Gateway {} has a hostname in common", gateway.gateway.key);
        return Err(Refusal::new(Reason::NoMatchingListenerHostname, message));
    }
    Ok(found)
}

fn is_named(parent: &ParentReference, listener: &Listener) -> bool {
    parent.section_name.as_ref().is_none_or(|name| *name == listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

fn allows(world: &World, gateway: &ObjectKey, listener: &Listener, namespace: &str) -> bool {
    let namespaces = listener.allowed_routes.as_ref().and_then(|it| it.namespaces.as_ref());
    let from = namespaces.and_then(|it| it.from.as_ref()).unwrap_or(&FromNamespaces::Same);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => namespace == gateway.namespace(),
        FromNamespaces::Selector => {
            namespaces.and_then(|it| it.selector.as_ref()).is_some_and(|it| selects(world, it, namespace))
        }
        FromNamespaces::None | FromNamespaces::Unknown(_) => false,
    }
}

fn selects(world: &World, selector: &LabelSelector, namespace: &str) -> bool {
    let mut labels = world.namespaces.get(namespace).cloned().unwrap_or_default();
    labels.insert(NAME_LABEL.into(), namespace.into());
    let equal = selector.match_labels.iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    equal && selector.match_expressions.iter().flatten().all(|it| holds(it, &labels))
}

/// An operator that we do not know holds for nothing.
fn holds(requirement: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|it| it == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Two references of a route may lead to one listener: the route is attached once.
fn merge(listeners: &mut [Vec<Attachment>], found: Vec<(usize, Vec<String>)>, route: usize) {
    for (at, hostnames) in found {
        if listeners[at].last().is_none_or(|last| last.route != route) {
            listeners[at].push(Attachment { route, hostnames });
        }
    }
}

fn accept(checked: &mut CheckedGateway<'_>, attached: Vec<Vec<Attachment>>) -> AcceptedGateway {
    let mut listeners = Vec::new();
    let specs = &checked.gateway.object.spec.listeners;
    for ((spec, verdict), routes) in specs.iter().zip(&mut checked.verdict.listeners).zip(attached) {
        // Attachment does not ask whether the listener can be served: the count shows what a repair would serve.
        verdict.attached_routes = routes.len();
        let Ok(port) = u16::try_from(spec.port) else { continue };
        if verdict.is_usable() {
            let (name, hostname) = (spec.name.clone(), listener::hostname(spec));
            listeners.push(AcceptedListener { name, port, hostname, routes });
        }
    }
    AcceptedGateway { key: checked.gateway.key.clone(), listeners }
}
