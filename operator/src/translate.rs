//! Writes what was accepted down as the snapshot of one Gateway.
//!
//! Pure: no client, no file, no clock. Input is already valid, so nothing here returns an error or leaves anything
//! out. One file for each part of the snapshot; each mirrors a file of `api::config`.

mod cluster;
mod listener;
mod retry;
mod route;

use std::collections::{BTreeMap, BTreeSet};

use rebound_api::config::Snapshot;
use rebound_api::name::{Generation, ObjectKey, ServicePort};

use crate::observe::world::World;
use crate::validate::{Accepted, AcceptedGateway};

/// Where each Service port stands in [`Snapshot::clusters`].
type ClusterIndex = BTreeMap<ServicePort, u32>;

/// The snapshots of all Gateways, still without a generation.
pub fn snapshots(world: &World, accepted: &Accepted<'_>) -> Vec<Snapshot> {
    accepted.gateways.iter().map(|gateway| snapshot(world, accepted, gateway)).collect()
}

/// Gives the clusters of these Services the endpoints that they have now. Says whether any has changed.
pub fn move_endpoints(world: &World, snapshot: &mut Snapshot, services: &BTreeSet<ObjectKey>) -> bool {
    let mut has_changed = false;
    for cluster in snapshot.clusters.iter_mut().filter(|it| services.contains(&it.service.service)) {
        let endpoints: Vec<_> = cluster::endpoints(world, &cluster.service).into_iter().collect();
        has_changed |= cluster.endpoints != endpoints;
        cluster.endpoints = endpoints;
    }
    has_changed
}

fn snapshot(world: &World, accepted: &Accepted<'_>, gateway: &AcceptedGateway) -> Snapshot {
    let attached = gateway.listeners.iter().flat_map(|it| &it.routes).map(|it| it.route);
    let routes: Vec<usize> = attached.collect::<BTreeSet<_>>().into_iter().collect();
    let clusters = cluster_index(accepted, &routes);
    Snapshot {
        generation: Generation::default(),
        gateway: gateway.key.clone(),
        listeners: gateway.listeners.iter().map(|it| listener::listener(it, &routes)).collect(),
        routes: routes.iter().map(|at| route::route(accepted, &accepted.routes[*at], &clusters)).collect(),
        clusters: clusters.keys().map(|port| cluster::cluster(world, accepted, port)).collect(),
    }
}

/// Every Service port that one of the routes leads to, each once and sorted.
fn cluster_index(accepted: &Accepted<'_>, routes: &[usize]) -> ClusterIndex {
    let rules = routes.iter().flat_map(|at| &accepted.routes[*at].rules);
    let targets = rules.flat_map(|rule| &rule.backends).filter_map(|backend| backend.target.clone());
    targets.collect::<BTreeSet<_>>().into_iter().zip(0..).collect()
}
