//! Routes, one by one: each is judged by itself and by what is around it, never by other routes.

use std::sync::Arc;

use rebound_api::crd::http_route::HttpRoute;

use super::attach::{self, Seat};
use super::gateway::{self, CheckedGateway};
use super::route::{self, CheckedRoute};
use super::verdict::RouteVerdict;
use super::{AcceptedRoute, Memory};
use crate::observe::world::{Observed, Surroundings, World};

/// What every route is judged by.
#[derive(Debug)]
pub(super) struct Court {
    pub(super) around: Arc<Surroundings>,
    /// The Gateways of ours, oldest first.
    pub(super) gateways: Vec<CheckedGateway>,
}

/// What there is to say about a route.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) accepted: Arc<AcceptedRoute>,
    pub(super) verdict: Arc<RouteVerdict>,
    /// Where it attaches, each listener once.
    pub(super) seats: Vec<Seat>,
    /// What has no object to stand in.
    pub(super) notes: Vec<String>,
}

/// All routes, in the order of the world.
pub(super) struct Docket {
    pub(super) court: Arc<Court>,
    pub(super) routes: Vec<Arc<Judged>>,
}

impl Memory {
    /// Judges those that are new, and all when something around them is.
    pub(super) fn judge(&mut self, world: &World) -> Docket {
        let known = self.court.take().filter(|it| Arc::ptr_eq(&it.around, &world.around));
        let court = known.unwrap_or_else(|| Arc::new(Court::new(&world.around)));
        self.court = Some(court.clone());
        Docket { routes: self.routes.each(&court, world.routes.iter(), judge), court }
    }
}

impl Court {
    fn new(around: &Arc<Surroundings>) -> Self {
        Self { gateways: gateway::gateways(around), around: around.clone() }
    }
}

fn judge(court: &Court, route: &Arc<Observed<HttpRoute>>) -> Judged {
    let CheckedRoute { accepted, mut verdict } = route::check(&court.around, route);
    let (mut seats, mut notes) = (Vec::new(), Vec::new());
    let parents = route.object.spec.parent_refs.iter();
    verdict.parents = parents
        .filter_map(|parent| attach::follow(court, route, &verdict, parent, &mut seats, &mut notes))
        .collect();
    Judged { accepted: accepted.into(), verdict: verdict.into(), seats, notes }
}
