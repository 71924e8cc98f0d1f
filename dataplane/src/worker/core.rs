//! The state of one core: `Rc`, `Cell` and `RefCell`. No lock. Of what other cores write, it reads their numbers, for
//! what is bounded in the whole process; only the budgets inside the plan are written by all.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use super::limits::Limits;
use crate::io::driver::Driver;
use crate::io::socket::Socket;
use crate::snapshot::plan::{Plan, Target};
use crate::telemetry::metrics::service::ServiceCounters;
use crate::telemetry::metrics::{CoreMetrics, Metrics};
use crate::telemetry::observer::Observer;
use crate::upstream::pool::Pool;

/// One core.
#[derive(Debug)]
pub struct Core {
    /// What it runs on.
    pub driver: Driver,
    /// Its endpoints and idle connections.
    pub pool: Pool,
    /// Who tells of its requests.
    pub observer: Observer,
    /// What clients may take of it.
    pub limits: Limits,
    index: usize,
    metrics: Arc<Metrics>,
    plan: RefCell<Option<Rc<CorePlan>>>,
    /// Plans there have been.
    plans: Cell<u64>,
    draining: Cell<bool>,
    clients: RefCell<HashMap<u64, Client>>,
    next_client: Cell<u64>,
}

/// A plan as one core holds it. Requests clone the `Rc` around this, so that cores do not fight over the counter of
/// the `Arc` inside.
#[derive(Debug)]
pub struct CorePlan {
    plan: Arc<Plan>,
    /// Counts the plans of this core.
    pub number: u64,
}

/// A client connection as draining sees it.
#[derive(Debug)]
struct Client {
    socket: Socket,
    idle: Rc<Cell<bool>>,
}

/// A client connection's entry in the core's list; it leaves the list when this is dropped.
#[derive(Debug)]
pub struct Membership {
    core: Rc<Core>,
    number: u64,
    idle: Rc<Cell<bool>>,
}

impl Core {
    /// A core without a plan.
    pub fn new(
        index: usize,
        driver: Driver,
        limits: Limits,
        metrics: Arc<Metrics>,
        observer: Observer,
    ) -> Self {
        Self {
            driver,
            pool: Pool::default(),
            index,
            observer,
            limits,
            metrics,
            plan: RefCell::default(),
            plans: Cell::new(0),
            draining: Cell::new(false),
            clients: RefCell::default(),
            next_client: Cell::new(0),
        }
    }

    /// This core's numbers.
    pub fn metrics(&self) -> &CoreMetrics {
        &self.metrics.cores[self.index]
    }

    /// This core's numbers of a Service port.
    pub fn counters_of<'t>(&self, target: &'t Target) -> &'t ServiceCounters {
        target.metrics.of_core(self.index)
    }

    /// The numbers of all cores: what is bounded for the whole process is read there.
    pub fn process_metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The plan for a request that begins now; none: there is no configuration yet.
    pub fn plan(&self) -> Option<Rc<CorePlan>> {
        self.plan.borrow().clone()
    }

    /// Puts a plan in place for the requests to come.
    pub fn set_plan(&self, plan: Arc<Plan>) {
        let generation = plan.generation;
        self.pool.retain(&plan.endpoints().collect::<HashSet<_>>());
        let number = self.plans.get() + 1;
        self.plans.set(number);
        let old = self.plan.replace(Some(Rc::new(CorePlan { plan, number })));
        self.metrics().generation.set(generation.0);
        // Last: if nobody else holds it any more, to free thousands of routes takes a while, and the generation is
        // already in force.
        drop(old);
    }

    /// Whether connections are to end after their current request.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// From now on connections end after their current request.
    pub fn start_draining(&self) {
        self.draining.set(true);
    }

    /// Client connections that are open.
    pub fn client_count(&self) -> usize {
        self.clients.borrow().len()
    }

    /// Lists a client connection.
    pub fn enter(self: &Rc<Self>, socket: Socket) -> Membership {
        let number = self.next_client.replace(self.next_client.get() + 1);
        let idle = Rc::new(Cell::new(false));
        self.clients.borrow_mut().insert(number, Client { socket, idle: idle.clone() });
        self.metrics().client_connections.add(1);
        self.metrics().client_accepted.add(1);
        Membership { core: self.clone(), number, idle }
    }

    /// Ends the wait of every connection that is between requests.
    pub fn close_idle_clients(&self) {
        for client in self.clients.borrow().values().filter(|client| client.idle.get()) {
            client.socket.shutdown_read();
        }
    }
}

impl Deref for CorePlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl Membership {
    /// Whether the connection is between requests.
    pub fn set_idle(&self, idle: bool) {
        self.idle.set(idle);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.core.clients.borrow_mut().remove(&self.number);
        self.core.metrics().client_connections.sub(1);
    }
}
