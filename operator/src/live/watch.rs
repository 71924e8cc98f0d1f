//! One task for each kind, which tells what the API server tells.
//!
//! A watch never gives up: it begins again, with growing pauses, and lists anew when it has missed something.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;

use super::kind::Kind;
use crate::rbac;

/// Marks what this operator made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const OPERATOR: &str = rbac::NAME;

/// What tasks have told and nobody has taken yet; a full queue slows the watches down.
const QUEUE_MAX: usize = 1024;
/// The first pause after a failed watch, which doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A watch is begun anew after this many seconds, so that one that died without a sign is noticed.
const WATCH_MAX_S: u32 = 60;
/// An answer to a list has at most so many objects.
const PAGE: u32 = 500;
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Something that a watch has seen.
#[derive(Debug)]
pub enum Seen {
    /// A list begins: what is not in it is gone.
    Listing(Kind),
    Object(Kind, Box<DynamicObject>),
    Gone(Kind, Box<DynamicObject>),
    /// The list is complete.
    Listed(Kind),
    /// The kind cannot be watched for now.
    Failed(Kind, watcher::Error),
}

/// Starts all watches; they end when nobody listens any more.
pub fn start(client: &Client) -> mpsc::Receiver<Seen> {
    let (tell, seen) = mpsc::channel(QUEUE_MAX);
    for kind in Kind::ALL {
        tokio::spawn(follow(client.clone(), kind, tell.clone()));
    }
    seen
}

async fn follow(client: Client, kind: Kind, tell: mpsc::Sender<Seen>) {
    let mut pause = PAUSE_MIN;
    for resource in kind.resources().iter().cycle() {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
        let mut events = Box::pin(watcher(api, config(kind)).modify(prune));
        while let Some(event) = events.next().await {
            let has_failed = event.is_err();
            // The kind is not installed in this version: the next one is tried, and later this one again.
            let is_unknown = event.as_ref().is_err_and(is_unknown);
            // The beginning of a list says nothing about how it will end.
            if matches!(event, Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_))) {
                pause = PAUSE_MIN;
            }
            if tell.send(seen(kind, event)).await.is_err() {
                return;
            }
            if has_failed {
                // A watcher begins again as soon as it is asked for more.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            if is_unknown {
                break;
            }
        }
    }
}

fn config(kind: Kind) -> watcher::Config {
    let config = watcher::Config::default().page_size(PAGE).timeout(WATCH_MAX_S);
    if kind.is_only_ours() { config.labels(&format!("{MANAGED_BY}={OPERATOR}")) } else { config }
}

/// Drops what nobody reads: it is often more than half of an object.
fn prune(object: &mut DynamicObject) {
    object.metadata.managed_fields = None;
    object.annotations_mut().remove(LAST_APPLIED);
}

fn seen(kind: Kind, event: watcher::Result<Event<DynamicObject>>) -> Seen {
    match event {
        Ok(Event::Init) => Seen::Listing(kind),
        Ok(Event::InitApply(object) | Event::Apply(object)) => Seen::Object(kind, Box::new(object)),
        Ok(Event::Delete(object)) => Seen::Gone(kind, Box::new(object)),
        Ok(Event::InitDone) => Seen::Listed(kind),
        Err(error) => Seen::Failed(kind, error),
    }
}

/// Whether the API server does not know the kind in this version.
fn is_unknown(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    matches!(
        error,
        InitialListFailed(kube::Error::Api(status))
            | WatchStartFailed(kube::Error::Api(status))
            | WatchFailed(kube::Error::Api(status))
            if status.code == 404
    )
}
