//! Writes what was accepted down as the snapshot of one Gateway.
//!
//! Pure: no client, no file, no clock. Input is already valid, so nothing here returns an error or leaves anything
//! out. One file for each part of the snapshot; each mirrors a file of `api::config`.

mod cluster;
mod listener;
mod retry;
mod route;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rebound_api::config::Snapshot;
use rebound_api::config::route::Route;
use rebound_api::config::shared::Shared;
use rebound_api::name::{Generation, ObjectKey, ServicePort};

use crate::memo::Memo;
use crate::observe::world::World;
use crate::validate::{Accepted, AcceptedGateway, AcceptedPolicy, AcceptedRoute};

/// Where each Service port stands in [`Snapshot::clusters`].
type ClusterIndex = BTreeMap<ServicePort, u32>;

/// What routes have become, for the next time. It changes no snapshot.
#[derive(Debug, Default)]
pub struct Memory {
    gateways: HashMap<ObjectKey, Routes>,
}

/// What the routes of one Gateway have become.
#[derive(Debug, Default)]
struct Routes {
    links: Arc<Links>,
    routes: Memo<Links, AcceptedRoute, Shared<Route>>,
}

/// Everything that the translation of a route may depend on, other than the route itself.
#[derive(Debug, Default, PartialEq)]
struct Links {
    clusters: ClusterIndex,
    /// Of the Service ports among `clusters`.
    policies: BTreeMap<ServicePort, AcceptedPolicy>,
}

/// The snapshots of all Gateways, still without a generation.
pub fn snapshots(world: &World, accepted: &Accepted, memory: &mut Memory) -> Vec<Snapshot> {
    let mut last = std::mem::take(&mut memory.gateways);
    let mut snapshots = Vec::with_capacity(accepted.gateways.len());
    for gateway in &accepted.gateways {
        let mut known = last.remove(&gateway.key).unwrap_or_default();
        snapshots.push(snapshot(world, accepted, gateway, &mut known));
        memory.gateways.insert(gateway.key.clone(), known);
    }
    snapshots
}

/// Gives the clusters of these Services the endpoints that they have now. Says whether any has changed.
pub fn move_endpoints(world: &World, snapshot: &mut Snapshot, services: &BTreeSet<ObjectKey>) -> bool {
    let mut has_changed = false;
    for cluster in snapshot.clusters.iter_mut().filter(|it| services.contains(&it.service.service)) {
        let endpoints: Vec<_> = cluster::endpoints(world, &cluster.service).into_iter().collect();
        if cluster.endpoints != endpoints {
            cluster.endpoints = endpoints;
            has_changed = true;
        }
    }
    has_changed
}

fn snapshot(world: &World, accepted: &Accepted, gateway: &AcceptedGateway, known: &mut Routes) -> Snapshot {
    let clusters = gateway.reach.keys();
    Snapshot {
        generation: Generation::default(),
        gateway: gateway.key.clone(),
        listeners: gateway
            .listeners
            .iter()
            .map(|it| listener::listener(it, &gateway.routes).into())
            .collect(),
        routes: known.translate(accepted, gateway),
        clusters: clusters.map(|port| cluster::cluster(world, accepted, port).into()).collect(),
    }
}

impl Routes {
    fn translate(&mut self, accepted: &Accepted, gateway: &AcceptedGateway) -> Vec<Shared<Route>> {
        let links = Links::new(accepted, gateway);
        if *self.links != links {
            self.links = Arc::new(links);
        }
        let routes = gateway.routes.iter().map(|at| &accepted.routes[*at]);
        let made = self.routes.each(&self.links, routes, |links, it| route::route(links, it).into());
        made.iter().map(|route| Shared::clone(route)).collect()
    }
}

impl Links {
    fn new(accepted: &Accepted, gateway: &AcceptedGateway) -> Self {
        let policy = |port: &ServicePort| Some((port.clone(), accepted.policies.get(port)?.clone()));
        Self {
            clusters: gateway.reach.keys().cloned().zip(0..).collect(),
            policies: gateway.reach.keys().filter_map(policy).collect(),
        }
    }
}
