//! What runs beside the controller's loop.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin::{Health, Part};
use crate::cli::{self, Certificates as Source};
use crate::lease::Leadership;
use crate::telemetry::metrics::Metrics;
use crate::webhook::{Certificates, Server, configuration::Place, directory, self_managed};

/// How long everything may take to end.
pub(super) const END_MAX: Duration = Duration::from_secs(10);
/// How often a replica without a certificate looks whether it has one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Completes when the process is to end.
pub(super) async fn ended(mut ended: watch::Receiver<bool>) {
    // Whoever could say so is gone.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Starts the webhook and what keeps its certificate, unless there is to be none.
pub(super) async fn webhook(
    running: &mut JoinSet<()>,
    args: &cli::Controller,
    client: &Client,
    health: &Health,
    metrics: &Arc<Metrics>,
    leadership: Leadership,
    end: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let certificates = Certificates::default();
    match args.webhook_certs {
        Source::Off => return Ok(()),
        Source::Directory => {
            let folder = args.webhook_cert_dir.clone();
            running.spawn(until(
                end.clone(),
                directory::follow(folder, certificates.clone(), directory::LOOK_EVERY),
            ));
        }
        Source::SelfManaged => {
            let place = match &args.webhook_url {
                Some(url) => Place::url(url)?,
                None => Place::service(&args.namespace),
            };
            let settings = self_managed::Settings {
                namespace: args.namespace.clone(),
                place,
                every: self_managed::LOOK_EVERY,
            };
            let (leader, follow) = leading(leadership);
            running.spawn(until(end.clone(), follow));
            let kept =
                self_managed::run(client.clone(), settings, certificates.clone(), leader, SystemTime::now);
            running.spawn(until(end.clone(), kept));
        }
    }
    running.spawn(until(end.clone(), announce(certificates.clone(), health.part("webhook certificate"))));
    let server = Server::bind(args.webhook, certificates).await?.counting(metrics.clone());
    tracing::info!(webhook = %server.address(), "listening");
    running.spawn(server.serve(ended(end.clone())));
    Ok(())
}

async fn until(end: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = ended(end) => {}
        () = task => {}
    }
}

async fn announce(certificates: Certificates, part: Part) {
    while !certificates.is_ready() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    part.came();
}

/// Leadership as a value that can be watched.
fn leading(mut leadership: Leadership) -> (watch::Receiver<bool>, impl Future<Output = ()>) {
    let (tell, leader) = watch::channel(leadership.is_leader());
    let follow = async move { while tell.send(leadership.changed().await).is_ok() {} };
    (leader, follow)
}
