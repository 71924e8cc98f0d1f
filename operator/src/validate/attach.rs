//! Which route attaches to which listener.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rebound_api::crd::Unread;
use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::Listener;
use rebound_api::crd::http_route::HttpRoute;
use rebound_api::crd::parent_ref::ParentReference;
use rebound_api::name::{ObjectKey, ServicePort};

use super::court::{Court, Judged};
use super::gateway::CheckedGateway;
use super::verdict::{GatewayVerdict, ParentVerdict, Refusal, RouteVerdict};
use super::{AcceptedGateway, AcceptedListener, AcceptedRoute, Attachment, Reach, RefusedGateway};
use super::{allowed, hostname, listener};
use crate::observe::world::{Observed, Surroundings};

/// Gateways with their routes, and what everybody is told.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) gateways: Vec<AcceptedGateway>,
    pub(super) refused: Vec<RefusedGateway>,
    pub(super) routes: Vec<Arc<AcceptedRoute>>,
    pub(super) gateway_verdicts: Vec<GatewayVerdict>,
    pub(super) route_verdicts: Vec<Arc<RouteVerdict>>,
    pub(super) notes: Vec<String>,
}

/// A listener that a route attaches to.
#[derive(Debug)]
pub(super) struct Seat {
    /// Index into [`Court::gateways`].
    gateway: usize,
    /// Index among the listeners of the Gateway.
    listener: usize,
    hostnames: Arc<[String]>,
}

/// Attaches every route to every listener that it names and that lets it in.
pub(super) fn attach(court: &Court, judged: &[Arc<Judged>]) -> Attached {
    let seats = |it: &CheckedGateway| vec![Vec::new(); it.verdict.listeners.len()];
    let mut listeners: Vec<Vec<Vec<Attachment>>> = court.gateways.iter().map(seats).collect();
    for (route, judged) in judged.iter().enumerate() {
        for seat in &judged.seats {
            let hostnames = seat.hostnames.clone();
            listeners[seat.gateway][seat.listener].push(Attachment { route, hostnames });
        }
    }
    let routes: Vec<_> = judged.iter().map(|it| it.accepted.clone()).collect();
    let (mut gateways, mut refused, mut gateway_verdicts) = (Vec::new(), Vec::new(), Vec::new());
    for (checked, attached) in court.gateways.iter().zip(listeners) {
        let mut verdict = checked.verdict.clone();
        let listeners = serve(&checked.gateway.object.spec.listeners, &mut verdict, attached);
        match &verdict.refused {
            None => gateways.push(accept(checked, listeners, &routes)),
            Some(refusal) => {
                refused.push(RefusedGateway { key: verdict.key.clone(), message: refusal.message.clone() });
            }
        }
        gateway_verdicts.push(verdict);
    }
    let route_verdicts = judged.iter().map(|it| it.verdict.clone()).collect();
    let notes = judged.iter().flat_map(|it| &it.notes).cloned().collect();
    Attached { gateways, refused, routes, gateway_verdicts, route_verdicts, notes }
}

/// Follows one reference of a route. None: it does not lead to a Gateway of ours.
pub(super) fn follow(
    court: &Court,
    route: &Observed<HttpRoute>,
    verdict: &RouteVerdict,
    parent: &ParentReference,
    seats: &mut Vec<Seat>,
    notes: &mut Vec<String>,
) -> Option<ParentVerdict> {
    let gateway = parent_key(parent, route.key.namespace())?;
    let Some(at) = court.gateways.iter().position(|it| it.gateway.key == gateway) else {
        notes.extend(orphan(&court.around, &route.key, &gateway));
        return None;
    };
    let checked = &court.gateways[at];
    let found = match_parent(&court.around, checked, parent, route);
    let found = found.and_then(|found| verdict.own_refusal().map_or(Ok(found), Err));
    let listeners = &checked.verdict.listeners;
    let is_served = found.iter().flatten().any(|(listener, _)| listeners[*listener].is_usable());
    let refused = found.map(|found| take(seats, at, found)).err();
    // What has no effect is told as a warning; the reference in the status holds the fields of its kind.
    let parent = ParentReference { unread: Unread::new(), ..parent.clone() };
    Some(ParentVerdict { parent, gateway, refused, is_served })
}

fn parent_key(parent: &ParentReference, namespace: &str) -> Option<ObjectKey> {
    let namespace = parent.namespace.as_deref().unwrap_or(namespace);
    parent.is_gateway().then(|| ObjectKey::new(namespace, &parent.name).ok()).flatten()
}

/// A parent that does not exist has no status to say so in.
fn orphan(around: &Surroundings, route: &ObjectKey, gateway: &ObjectKey) -> Option<String> {
    let exists = around.gateways.iter().any(|it| it.key == *gateway);
    (!exists).then(|| format!("HTTPRoute {route} names Gateway {gateway}, which does not exist"))
}

/// The listeners of a Gateway that take a route, each with the hostnames in common; or the one reason for none.
fn match_parent(
    around: &Surroundings,
    gateway: &CheckedGateway,
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
        verdict.takes_http_routes && allowed::allows(around, key, listener, namespace)
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
fn take(seats: &mut Vec<Seat>, gateway: usize, found: Vec<(usize, Vec<String>)>) {
    for (listener, hostnames) in found {
        if !seats.iter().any(|it| (it.gateway, it.listener) == (gateway, listener)) {
            seats.push(Seat { gateway, listener, hostnames: hostnames.into() });
        }
    }
}

/// The listeners that can be served, with their routes.
fn serve(
    specs: &[Listener],
    verdict: &mut GatewayVerdict,
    attached: Vec<Vec<Attachment>>,
) -> Vec<AcceptedListener> {
    let mut listeners = Vec::new();
    for ((spec, verdict), routes) in specs.iter().zip(&mut verdict.listeners).zip(attached) {
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

fn accept(
    checked: &CheckedGateway,
    listeners: Vec<AcceptedListener>,
    routes: &[Arc<AcceptedRoute>],
) -> AcceptedGateway {
    let Observed { key, uid, object, .. } = &checked.gateway;
    let infrastructure = object.spec.infrastructure.clone().unwrap_or_default();
    let attached = attached_routes(&listeners);
    AcceptedGateway {
        key: key.clone(),
        uid: uid.clone(),
        class: object.spec.gateway_class_name.clone(),
        labels: infrastructure.labels,
        annotations: infrastructure.annotations,
        settings: checked.settings.clone(),
        address: checked.address.clone(),
        reach: reach(attached.iter().map(|route| &*routes[*route])),
        routes: attached,
        listeners,
    }
}

/// Each once, in their order.
fn attached_routes(listeners: &[AcceptedListener]) -> Vec<usize> {
    let mut routes: Vec<_> = listeners.iter().flat_map(|it| &it.routes).map(|it| it.route).collect();
    routes.sort_unstable();
    routes.dedup();
    routes
}

/// How often rules lead to each Service port, and how often with a `retry` of their own.
fn reach<'r>(routes: impl Iterator<Item = &'r AcceptedRoute>) -> BTreeMap<ServicePort, Reach> {
    let mut reaches: HashMap<&ServicePort, Reach> = HashMap::new();
    for rule in routes.flat_map(|route| &route.rules) {
        for port in rule.backends.iter().filter_map(|it| it.target.as_ref()) {
            let reach = reaches.entry(port).or_default();
            reach.backends += 1;
            reach.overridden += usize::from(rule.retry.is_some());
        }
    }
    reaches.into_iter().map(|(port, reach)| (port.clone(), reach)).collect()
}
