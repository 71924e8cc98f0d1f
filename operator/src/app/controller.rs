//! `controller`: the walk again after every change of the cluster, by the one replica that leads.
//!
//! Every replica watches and answers the webhook; only the leader writes. A replica that has stood by knows the
//! cluster already when it takes over.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client, Resource};
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::stop::Stop;
use super::{CLASS, CONTROLLER, tasks};
use crate::admin::{Admin, Health, Part, Shown};
use crate::apply::Sink;
use crate::apply::cluster::Cluster as Applier;
use crate::build::{Family, Install};
use crate::cli;
use crate::client;
use crate::controller::Walk;
use crate::lease::{self, Leadership, Lease};
use crate::live::kind::Kind;
use crate::live::watch::{self as watches, Seen};
use crate::observe::Source;
use crate::observe::cluster::{Cluster, Stir};
use crate::rbac;
use crate::status::Board;
use crate::status::patch::Statuses;
use crate::telemetry::metrics::{Metrics, Outcome, Scope};
use crate::telemetry::spans;

/// Nothing is silent for longer than a watch lasts.
const SILENCE_MAX: Duration = Duration::from_secs(70);
/// The wait before something that failed is tried again; doubles with each failure.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// The longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Endpoints that come and go without an end are passed on together, so often; a single change at once. Meanwhile
/// retries rescue what goes to an endpoint that is gone.
const ENDPOINTS_SPACING: Duration = Duration::from_millis(400);
/// The loop shows that it lives, also while nothing changes.
const BEAT: Duration = Duration::from_secs(10);

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(args: cli::Controller, metrics: Arc<Metrics>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(serve(args, metrics));
    // Watches and servers have nothing to lose.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn serve(args: cli::Controller, metrics: Arc<Metrics>) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new()?;
    let client = client::connect(SILENCE_MAX).await?;
    let health = Health::default();
    let identity = lease::identity(args.identity.as_deref().unwrap_or("local"));
    let lease = Lease::new(client.clone(), &args.namespace, identity.clone());
    let leadership = lease.leadership();
    let admin = Admin::bind(args.admin).await?;
    tracing::info!(admin = %admin.address(), identity, "starting");
    let (end, ended) = watch::channel(false);
    let shown =
        Shown { health: health.clone(), metrics: metrics.clone(), leadership: Some(leadership.clone()) };
    let mut running = tokio::task::JoinSet::new();
    running.spawn(admin.serve(shown, tasks::ended(ended.clone())));
    running.spawn(lease.run(tasks::ended(ended.clone())));
    tasks::webhook(&mut running, &args, &client, &health, &metrics, leadership.clone(), &ended).await?;
    let install = install(&args, &client).await;
    let core = Core::new(&client, leadership, &identity, install, health.clone(), metrics);
    core.run(stop.wanted()).await;
    tracing::info!("stopping");
    health.stop();
    // Whoever listened has ended; whoever does not end in time is left behind.
    let _ = end.send(true);
    let all = async { while running.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(tasks::END_MAX, all).await;
    Ok(ExitCode::SUCCESS)
}

/// What belongs to no Gateway goes with the operator's ClusterRole. Outside a cluster there is none.
async fn owner(client: &Client) -> Option<OwnerReference> {
    let role = Api::<ClusterRole>::all(client.clone()).get_opt(rbac::NAME).await;
    let role = role.inspect_err(|error| tracing::warn!(%error, "cannot read the operator's ClusterRole"));
    role.ok().flatten().and_then(|role| role.owner_ref(&()))
}

/// What this install decides for all Gateways.
async fn install(args: &cli::Controller, client: &Client) -> Install {
    Install {
        class: CLASS.into(),
        owner: owner(client).await,
        operator_image: args.operator_image.clone(),
        dataplane_image: args.dataplane_image.clone(),
        family: if args.pod_ip.is_some_and(|ip| ip.is_ipv6()) { Family::V6 } else { Family::V4 },
    }
}

/// The loop.
struct Core {
    client: Client,
    walk: Walk,
    seen: mpsc::Receiver<Seen>,
    stir: Stir,
    leadership: Leadership,
    /// Whether what earlier leaders wrote has been taken up.
    leads: bool,
    /// When endpoints were last passed on.
    endpoints: Option<Instant>,
    retry: Retry,
    health: Health,
    listed: Option<Part>,
    metrics: Arc<Metrics>,
}

/// When to look again although nothing has changed.
struct Retry {
    /// Something that waits may be written.
    due: Option<Instant>,
    /// What has failed is tried again.
    again: Option<Instant>,
    /// Until then, the next time that something fails.
    pause: Duration,
}

impl Core {
    fn new(
        client: &Client,
        leadership: Leadership,
        identity: &str,
        install: Install,
        health: Health,
        metrics: Arc<Metrics>,
    ) -> Self {
        let source = Source::Cluster(Box::new(Cluster::new(CONTROLLER)));
        let applier = Applier::new(client.clone(), leadership.clone(), metrics.clone());
        let statuses =
            Statuses::new(client.clone(), leadership.clone(), metrics.clone(), CONTROLLER, identity);
        let walk = Walk::new(
            source,
            Sink::Cluster(Box::new(applier)),
            Board::Cluster(Box::new(statuses)),
            install,
            metrics.clone(),
        );
        Self {
            client: client.clone(),
            walk,
            seen: watches::start(client),
            stir: Stir::default(),
            leadership,
            leads: false,
            endpoints: None,
            retry: Retry { due: None, again: None, pause: RETRY_MIN },
            listed: Some(health.part("watches")),
            health,
            metrics,
        }
    }

    async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut beat = tokio::time::interval(BEAT);
        loop {
            let retry = self.retry.wait();
            tokio::select! {
                () = &mut stop => return,
                Some(seen) = self.seen.recv() => self.note_all(seen),
                left = self.walk.board.written() => {
                    self.retry.add(left.failed || self.walk.sink.is_behind(), left.due);
                }
                _ = self.leadership.changed() => {}
                () = retry => {}
                _ = beat.tick() => self.measure(),
            }
            self.health.beat();
            if self.walk.source.live().is_complete() {
                if let Some(part) = self.listed.take() {
                    part.came();
                }
                if self.takes_part() {
                    self.round().await;
                } else {
                    // Whoever takes over looks at everything anyway.
                    self.stir = Stir::default();
                    self.retry.due = None;
                    self.retry.again = None;
                }
            }
        }
    }

    /// Takes note of everything that has been seen by now. Nothing is waited for: what comes during a round is looked
    /// at together after it.
    fn note_all(&mut self, first: Seen) {
        self.note(first);
        while let Ok(seen) = self.seen.try_recv() {
            self.note(seen);
        }
    }

    fn note(&mut self, seen: Seen) {
        if let Seen::Failed(kind, _) = &seen {
            self.metrics.watch_restarted(kind.as_str());
        }
        self.walk.note(seen, &mut self.stir);
    }

    fn measure(&self) {
        let live = self.walk.source.live();
        for kind in Kind::ALL {
            self.metrics.objects(kind.as_str(), live.of_kind(kind).count());
        }
        self.metrics.gateways(self.walk.applied().len());
    }

    /// Whether this replica leads. One that has just begun to looks at everything.
    fn takes_part(&mut self) -> bool {
        let leads = self.leadership.is_leader();
        if leads && !self.leads {
            tracing::info!("leading");
            self.walk.recall();
            self.walk.stir_all(&mut self.stir);
        } else if !leads && self.leads {
            tracing::warn!("not leading any more");
        }
        self.leads = leads;
        leads
    }

    /// Until when changes of nothing but endpoints are collected.
    fn held_back(&self) -> Option<Instant> {
        let is_only_endpoints = !self.stir.endpoints.is_empty() && !self.stir.world && !self.stir.fleets;
        let until = self.endpoints.filter(|_| is_only_endpoints)? + ENDPOINTS_SPACING;
        (until > Instant::now()).then_some(until)
    }

    async fn round(&mut self) {
        let is_again = is_past(self.retry.again);
        let is_due = is_again || is_past(self.retry.due);
        if let Some(until) = self.held_back().filter(|_| !is_again) {
            self.retry.due = Some(until);
            return;
        }
        let stir = std::mem::take(&mut self.stir);
        if !stir.endpoints.is_empty() {
            self.endpoints = Some(Instant::now());
        }
        if stir == Stir::default() && !is_due {
            return;
        }
        let scope = scope(&stir);
        let started = Instant::now();
        if stir.world && self.walk.lacks_class() {
            // An owner that was deleted and made anew has another identity.
            self.walk.owned_by(owner(&self.client).await);
        }
        let left = self.walk.follow(&stir, is_again).instrument(spans::reconcile(scope)).await;
        self.metrics.round(scope, if left.failed { Outcome::Failure } else { Outcome::Success });
        tracing::debug!(?scope, took_ms = started.elapsed().as_millis(), ?left, "round");
        self.retry.due = None;
        self.retry.again = self.retry.again.filter(|_| !is_again);
        self.retry.add(left.failed, left.due);
    }
}

fn scope(stir: &Stir) -> Scope {
    if stir.world {
        Scope::All
    } else if stir.endpoints.is_empty() {
        Scope::Rest
    } else {
        Scope::Endpoints
    }
}

impl Retry {
    async fn wait(&self) {
        match self.due.into_iter().chain(self.again).min() {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// What waits for its time does not bring forward what has failed.
    fn add(&mut self, failed: bool, due: Option<Instant>) {
        self.due = self.due.into_iter().chain(due).min();
        if !failed {
            (self.again, self.pause) = (None, RETRY_MIN);
        } else if self.again.is_none() {
            self.again = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(RETRY_MAX);
        }
    }
}

fn is_past(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at <= Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_its_time_neither_brings_forward_what_failed_nor_makes_its_pause_longer() {
        let mut retry = Retry { due: None, again: None, pause: RETRY_MIN };
        retry.add(true, None);
        let again = retry.again;
        assert!(again.is_some());
        for _ in 0..10 {
            retry.due = None;
            retry.add(true, Some(Instant::now()));
        }
        assert_eq!((retry.again, retry.pause), (again, RETRY_MIN * 2));
        retry.again = None;
        retry.add(true, None);
        assert_eq!(retry.pause, RETRY_MIN * 4);
        retry.add(false, None);
        assert_eq!((retry.again, retry.pause), (None, RETRY_MIN));
    }
}
