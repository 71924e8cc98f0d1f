//! Decides what takes effect, and why the rest does not.
//!
//! Pure: no client, no file, no clock, no runtime. Cannot fail: every complaint is a verdict on the object that
//! deserves it, and one bad object never takes down a good one. What leaves this room as [`Accepted`] is joined,
//! parsed and in bounds; `translate` only has to write it down.

mod allowed;
mod attach;
mod backend;
mod court;
mod gateway;
mod grammar;
mod grant;
mod hostname;
mod infrastructure;
mod listener;
pub mod object;
mod place;
mod policy;
mod route;
mod rule;
mod settings;
mod shared;
pub mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rebound_api::crd::gateway_config::Settings;
use rebound_api::crd::http_route::{HttpRoute, HttpRouteFilter, HttpRouteMatch};
use rebound_api::name::{ObjectKey, ServicePort};
use rebound_api::policy::backoff::Backoff;
use rebound_api::policy::retry::RetryRules;
use rebound_api::policy::status_set::StatusSet;

use crate::memo::Memo;
use crate::observe::world::{Observed, World};
use court::{Court, Judged};
use verdict::Verdicts;

/// Where a data plane answers probes, on the address of its pod. No listener can have it.
pub const ADMIN_PORT: u16 = 9901;

/// What takes effect.
#[derive(Debug, Default)]
pub struct Accepted {
    pub gateways: Vec<AcceptedGateway>,
    /// Gateways of ours that keep what they were last given.
    pub refused: Vec<RefusedGateway>,
    /// Oldest first; listeners name them by index.
    pub routes: Vec<Arc<AcceptedRoute>>,
    /// The policy that holds each Service port.
    pub policies: BTreeMap<ServicePort, AcceptedPolicy>,
}

/// A Gateway of ours.
#[derive(Debug)]
pub struct AcceptedGateway {
    pub key: ObjectKey,
    /// Files have none.
    pub uid: Option<String>,
    /// The name of its GatewayClass.
    pub class: String,
    /// Labels of every object that is made for it.
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object that is made for it.
    pub annotations: BTreeMap<String, String>,
    /// How its data plane is run: what its GatewayConfig says, over that of its class.
    pub settings: Settings,
    /// The IP address that its traffic Service asks for.
    pub address: Option<String>,
    /// Those that can be served.
    pub listeners: Vec<AcceptedListener>,
    /// Those on any of its listeners, each once and in order. Indices into [`Accepted::routes`].
    pub routes: Vec<usize>,
    /// Every Service port that they lead to.
    pub reach: BTreeMap<ServicePort, Reach>,
}

/// A Gateway of ours that asks for something as a whole that it cannot get. Its data plane, if it has one, goes on with
/// what it has: a mistake in how it is to be run is no reason to stop serving.
#[derive(Debug)]
pub struct RefusedGateway {
    pub key: ObjectKey,
    pub message: String,
}

/// How the routes of a Gateway lead to a Service port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// Backends of rules that lead there.
    pub backends: usize,
    /// Those among them whose rule has its own `retry`.
    pub overridden: usize,
}

/// A listener that can be served.
#[derive(Debug)]
pub struct AcceptedListener {
    pub name: String,
    pub port: u16,
    /// In lower case; none: every host.
    pub hostname: Option<String>,
    pub routes: Vec<Attachment>,
}

/// A route on a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Index into [`Accepted::routes`].
    pub route: usize,
    /// What route and listener have in common; empty: every host of the listener.
    pub hostnames: Arc<[String]>,
}

/// A route with at least one rule that can be served.
#[derive(Debug)]
pub struct AcceptedRoute {
    pub key: ObjectKey,
    pub rules: Vec<AcceptedRule>,
}

/// A rule whose matches are in order.
#[derive(Debug)]
pub struct AcceptedRule {
    /// Empty: every request.
    pub matches: Vec<HttpRouteMatch>,
    pub filters: Vec<HttpRouteFilter>,
    /// None: no limit.
    pub request_timeout: Option<Duration>,
    /// None: no limit.
    pub attempt_timeout: Option<Duration>,
    pub retry: Option<RuleRetry>,
    /// Empty: the rule answers 500, also when something but its matches is not in order.
    pub backends: Vec<AcceptedBackend>,
}

/// The `retry` of a rule, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRetry {
    pub statuses: StatusSet,
    pub retries_max: u8,
    pub backoff: Backoff,
}

/// A backend of a rule.
#[derive(Debug)]
pub struct AcceptedBackend {
    pub weight: u32,
    pub filters: Vec<HttpRouteFilter>,
    /// None: it cannot be used, and its share is answered with 500.
    pub target: Option<ServicePort>,
}

/// What the holder of a Service port asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedPolicy {
    pub key: ObjectKey,
    /// None: the policy is disabled, and holds the port all the same.
    pub rules: Option<RetryRules>,
}

/// What was found out about single routes, for the next time. It changes no decision.
#[derive(Debug, Default)]
pub struct Memory {
    court: Option<Arc<Court>>,
    routes: Memo<Court, Observed<HttpRoute>, Judged>,
}

/// Decides about everything in the world.
pub fn decide(world: &World, memory: &mut Memory) -> (Accepted, Verdicts) {
    let around = &*world.around;
    let judged = memory.judge(world);
    let attached = attach::attach(&judged.court, &judged.routes);
    let (policies, policy_verdicts) = policy::policies(world);
    let mut refused = attached.refused;
    refused.extend(gateway::orphans(around));
    let policy_verdicts = policy::ancestors(&attached.gateways, policy_verdicts);
    let mut notes = gateway::notes(around);
    notes.extend(attached.notes);
    notes.extend(policy::notes(&policy_verdicts));
    let accepted = Accepted { gateways: attached.gateways, refused, routes: attached.routes, policies };
    let verdicts = Verdicts {
        controller: around.controller.clone(),
        classes: gateway::classes(around),
        gateways: attached.gateway_verdicts,
        routes: attached.route_verdicts,
        policies: policy_verdicts,
        notes,
    };
    (accepted, verdicts)
}
