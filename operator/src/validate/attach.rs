//! Which route attaches to which listener.

use rebound_api::crd::Unread;
use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::Listener;
use rebound_api::crd::http_route::HttpRoute;
use rebound_api::crd::parent_ref::ParentReference;
use rebound_api::name::ObjectKey;

use super::gateway::CheckedGateway;
use super::route::CheckedRoute;
use super::verdict::{GatewayVerdict, ParentVerdict, Refusal, RouteVerdict};
use super::{AcceptedGateway, AcceptedListener, AcceptedRoute, Attachment, RefusedGateway};
use super::{allowed, hostname, listener};
use crate::observe::world::{Observed, World};

/// Gateways with their routes, and what everybody is told.
#[derive(Debug)]
pub(super) struct Attached<'w> {
    pub(super) gateways: Vec<AcceptedGateway>,
    pub(super) refused: Vec<RefusedGateway>,
    pub(super) routes: Vec<AcceptedRoute<'w>>,
    pub(super) gateway_verdicts: Vec<GatewayVerdict>,
    pub(super) route_verdicts: Vec<RouteVerdict>,
    pub(super) notes: Vec<String>,
}

/// Attaches every route to every listener that it names and that lets it in.
pub(super) fn attach<'w>(
    world: &World,
    gateways: Vec<CheckedGateway<'w>>,
    routes: Vec<CheckedRoute<'w>>,
) -> Attached<'w> {
    let mut board = Board::new(world, gateways);
    let mut accepted = Vec::new();
    let mut route_verdicts = Vec::new();
    for (index, CheckedRoute { route, accepted: rules, mut verdict }) in routes.into_iter().enumerate() {
        let parents = route.object.spec.parent_refs.iter();
        verdict.parents = parents.filter_map(|parent| board.attach(index, route, &verdict, parent)).collect();
        accepted.push(rules);
        route_verdicts.push(verdict);
    }
    let Board { mut gateways, listeners, notes, .. } = board;
    let (mut accepted_gateways, mut refused) = (Vec::new(), Vec::new());
    for (gateway, attached) in gateways.iter_mut().zip(listeners) {
        let listeners = serve(gateway, attached);
        match &gateway.verdict.refused {
            None => accepted_gateways.push(accept(gateway, listeners)),
            Some(refusal) => refused
                .push(RefusedGateway { key: gateway.gateway.key.clone(), message: refusal.message.clone() }),
        }
    }
    Attached {
        gateways: accepted_gateways,
        refused,
        routes: accepted,
        gateway_verdicts: gateways.into_iter().map(|it| it.verdict).collect(),
        route_verdicts,
        notes,
    }
}

/// Who is attached where so far.
struct Board<'a, 'w> {
    world: &'a World,
    gateways: Vec<CheckedGateway<'w>>,
    /// For each Gateway, for each of its listeners.
    listeners: Vec<Vec<Vec<Attachment>>>,
    notes: Vec<String>,
}

impl<'a, 'w> Board<'a, 'w> {
    fn new(world: &'a World, gateways: Vec<CheckedGateway<'w>>) -> Self {
        let listeners = gateways.iter().map(|it| vec![Vec::new(); it.verdict.listeners.len()]).collect();
        Self { world, gateways, listeners, notes: Vec::new() }
    }

    /// Follows one reference of a route. None: it does not lead to a Gateway of ours.
    fn attach(
        &mut self,
        index: usize,
        route: &Observed<HttpRoute>,
        verdict: &RouteVerdict,
        parent: &ParentReference,
    ) -> Option<ParentVerdict> {
        let gateway = parent_key(parent, route.key.namespace())?;
        let Some(at) = self.gateways.iter().position(|it| it.gateway.key == gateway) else {
            self.notes.extend(orphan(self.world, &route.key, &gateway));
            return None;
        };
        let found = match_parent(self.world, &self.gateways[at], parent, route);
        let found = found.and_then(|found| verdict.own_refusal().map_or(Ok(found), Err));
        let listeners = &self.gateways[at].verdict.listeners;
        let is_served = found.iter().flatten().any(|(listener, _)| listeners[*listener].is_usable());
        let refused = found.map(|found| merge(&mut self.listeners[at], found, index)).err();
        // What has no effect is told as a warning; the reference in the status holds the fields of its kind.
        let parent = ParentReference { unread: Unread::new(), ..parent.clone() };
        Some(ParentVerdict { parent, gateway, refused, is_served })
    }
}

fn parent_key(parent: &ParentReference, namespace: &str) -> Option<ObjectKey> {
    let namespace = parent.namespace.as_deref().unwrap_or(namespace);
    parent.is_gateway().then(|| ObjectKey::new(namespace, &parent.name).ok()).flatten()
}

/// A parent that does not exist has no status to say so in.
fn orphan(world: &World, route: &ObjectKey, gateway: &ObjectKey) -> Option<String> {
    let exists = world.gateways.iter().any(|it| it.key == *gateway);
    (!exists).then(|| format!("HTTPRoute {route} names Gateway {gateway}, which does not exist"))
}

/// The listeners of a Gateway that take a route, each with the hostnames in common; or the one reason for none.
fn match_parent(
    world: &World,
    gateway: &CheckedGateway<'_>,
    parent: &ParentReference,
    route: &Observed<HttpRoute>,
) -> Result<Vec<(usize, Vec<String>)>, Refusal> {
    let (key, namespace) = (&gateway.gateway.key, route.key.namespace());
    let listeners = gateway.gateway.object.spec.listeners.iter().zip(&gateway.verdict.listeners).enumerate();
    let named = listeners.filter(|(_, (listener, _))| is_named(parent, listener));
    let named = some(named, Reason::NoMatchingParent, || {
        format!("Gateway {key} has no listener of that name or port")
    })?;
    let allowing = named.into_iter().filter(|(_, (listener, verdict))| {
        verdict.takes_http_routes && allowed::allows(world, key, listener, namespace)
    });
    let allowing = some(allowing, Reason::NotAllowedByListeners, || {
        format!("no listener of Gateway {key} lets HTTPRoutes of namespace `{namespace}` in")
    })?;
    let hosts = &route.object.spec.hostnames;
    let common = allowing.into_iter().filter_map(|(at, (listener, _))| {
        Some((at, hostname::intersect(listener::hostname(listener).as_deref(), hosts)?))
    });
    some(common, Reason::NoMatchingListenerHostname, || {
        format!("no listener of Gateway {key} has a hostname in common")
    })
}

/// All of them, or the reason why there is none.
fn some<T>(
    found: impl Iterator<Item = T>,
    reason: Reason,
    message: impl FnOnce() -> String,
) -> Result<Vec<T>, Refusal> {
    let found: Vec<T> = found.collect();
    if found.is_empty() { Err(Refusal::new(reason, message())) } else { Ok(found) }
}

fn is_named(parent: &ParentReference, listener: &Listener) -> bool {
    parent.section_name.as_ref().is_none_or(|name| *name == listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

/// Two references of a route may lead to one listener: the route is attached once.
fn merge(listeners: &mut [Vec<Attachment>], found: Vec<(usize, Vec<String>)>, route: usize) {
    for (at, hostnames) in found {
        if listeners[at].last().is_none_or(|last| last.route != route) {
            listeners[at].push(Attachment { route, hostnames });
        }
    }
}

/// The listeners that can be served, with their routes.
fn serve(checked: &mut CheckedGateway<'_>, attached: Vec<Vec<Attachment>>) -> Vec<AcceptedListener> {
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
    listeners
}

fn accept(checked: &mut CheckedGateway<'_>, listeners: Vec<AcceptedListener>) -> AcceptedGateway {
    let Observed { key, uid, object, .. } = checked.gateway;
    let infrastructure = object.spec.infrastructure.clone().unwrap_or_default();
    AcceptedGateway {
        key: key.clone(),
        uid: uid.clone(),
        class: object.spec.gateway_class_name.clone(),
        labels: infrastructure.labels,
        annotations: infrastructure.annotations,
        settings: std::mem::take(&mut checked.settings),
        address: checked.address.take(),
        listeners,
    }
}
