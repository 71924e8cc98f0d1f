//! The compiled, immutable form of a snapshot.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rebound_api::config::Snapshot;
use rebound_api::config::cluster::Cluster;
use rebound_api::config::route::{Route, Rule};
use rebound_api::config::shared::Shared;
use rebound_api::name::{Generation, ObjectKey, ServicePort};

use crate::retry::budget::Budget;
use crate::route::router::{BadPattern, Router, RuleId};
use crate::telemetry::metrics::service::ServiceMetrics;

/// Everything that a core needs to serve one Gateway.
#[derive(Debug)]
pub struct Plan {
    /// The snapshot's number.
    pub generation: Generation,
    /// The Gateway.
    pub gateway: ObjectKey,
    /// From requests to rules.
    pub router: Router,
    routes: Vec<Shared<Route>>,
    targets: Vec<Target>,
    by_service: HashMap<ServicePort, usize>,
}

/// A Service port that rules lead to.
#[derive(Debug)]
pub struct Target {
    /// Endpoints and retry rules.
    pub cluster: Shared<Cluster>,
    /// Lives on from plan to plan: a reload must not refill it.
    pub budget: Option<Arc<Budget>>,
    /// Its numbers, which live on as well.
    pub metrics: Arc<ServiceMetrics>,
}

impl Plan {
    /// Compiles a checked snapshot for so many cores. Numbers, and budgets whose terms have not changed, are taken over
    /// from `previous`.
    pub fn compile(
        snapshot: Snapshot,
        previous: Option<&Self>,
        now: Instant,
        cores: usize,
    ) -> Result<Self, BadPattern> {
        let router = Router::compile(&snapshot)?;
        let Snapshot { generation, gateway, listeners: _, routes, clusters } = snapshot;
        let target = |cluster: Shared<Cluster>| {
            let known = previous.and_then(|plan| plan.target_of(&cluster.service));
            let metrics = known.map(|target| target.metrics.clone());
            let metrics = metrics.unwrap_or_else(|| Arc::new(ServiceMetrics::new(cores)));
            let budget = budget_of(&cluster, known, now);
            Target { cluster, budget, metrics }
        };
        let targets: Vec<_> = clusters.into_iter().map(target).collect();
        let key = |(index, target): (usize, &Target)| (target.cluster.service.clone(), index);
        let by_service = targets.iter().enumerate().map(key).collect();
        Ok(Self { generation, gateway, router, routes, targets, by_service })
    }

    /// The HTTPRoute of a rule that the router found.
    pub fn route(&self, id: RuleId) -> &Route {
        &self.routes[id.route as usize]
    }

    /// All routes, in the order of the snapshot.
    pub fn routes(&self) -> &[Shared<Route>] {
        &self.routes
    }

    /// All Service ports, in the order of the snapshot.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The rule that the router found.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.routes[id.route as usize].rules[id.rule as usize]
    }

    /// The Service port that a rule's backend names.
    pub fn target(&self, index: u32) -> &Target {
        &self.targets[index as usize]
    }

    /// A Service port by name: how a request that runs under an older plan finds today's endpoints.
    pub fn target_of(&self, service: &ServicePort) -> Option<&Target> {
        self.by_service.get(service).map(|index| &self.targets[*index])
    }

    /// Every endpoint of every Service port.
    pub fn endpoints(&self) -> impl Iterator<Item = SocketAddr> {
        self.targets.iter().flat_map(|target| target.cluster.endpoints.iter().copied())
    }
}

fn budget_of(cluster: &Cluster, known: Option<&Target>, now: Instant) -> Option<Arc<Budget>> {
    let rules = cluster.budget?;
    let kept = known.and_then(|target| target.budget.clone());
    Some(kept.filter(|budget| *budget.rules() == rules).unwrap_or_else(|| Arc::new(Budget::new(rules, now))))
}
