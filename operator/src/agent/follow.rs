//! From every new manifest to the file.

use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, future};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::timeout;

use super::gather::{Found, Gather, GatherError};
use super::{Pauses, Progress, Settings, WATCH_MAX};
use crate::apply::files::replace;

/// Between attempts to watch.
const WATCH_PAUSES: Pauses = Pauses::new(Duration::from_millis(200), Duration::from_secs(5));
/// Between attempts to bring one manifest to the file: the operator may be about to write the rest of its set.
const SET_PAUSES: Pauses = Pauses::new(Duration::from_millis(5), Duration::from_secs(2));
/// A set that is incomplete for longer is worth telling.
const INCOMPLETE_MAX: Duration = Duration::from_secs(1);
/// Of so many manifests that have come meanwhile only the last counts.
const MANIFESTS_MAX: usize = 16;

/// Brings every manifest to the file until a newer one comes. Never ends.
pub(super) async fn follow(client: Client, settings: &Settings, tell: watch::Sender<Progress>) {
    let maps: Api<ConfigMap> = Api::namespaced(client, &settings.namespace);
    let mut file = File { path: settings.out.clone(), gather: Gather::new(maps.clone()), tell };
    let mut manifests = pin!(manifests(maps, &settings.manifest));
    let mut next = manifests.next().await;
    while let Some(found) = next {
        let begun = Instant::now();
        let mut pauses = SET_PAUSES;
        next = loop {
            let pause = match file.bring(&found).await {
                Ok(()) => None,
                Err(error) => {
                    let is_worth_telling = error.is_final() || begun.elapsed() > INCOMPLETE_MAX;
                    file.note(is_worth_telling.then(|| error.to_string()));
                    pauses.next().filter(|_| !error.is_final())
                }
            };
            match pause {
                None => break manifests.next().await,
                Some(pause) => {
                    if let Ok(newer) = timeout(pause, manifests.next()).await {
                        break newer;
                    }
                }
            }
        };
    }
}

/// The manifest, of several at once the last.
fn manifests(maps: Api<ConfigMap>, name: &str) -> impl Stream<Item = Found> + use<> {
    let seconds = u32::try_from(WATCH_MAX.as_secs()).unwrap_or(u32::MAX);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}")).timeout(seconds);
    let mut is_broken = false;
    // The beginning of a list says nothing about how it will end.
    let events = watcher(maps, config).filter(|event| future::ready(!matches!(event, Ok(Event::Init))));
    let found = events.backoff(WATCH_PAUSES).filter_map(move |event| {
        note_watch(&mut is_broken, event.as_ref().err());
        future::ready(event.ok().and_then(found))
    });
    found.ready_chunks(MANIFESTS_MAX).filter_map(|mut found| future::ready(found.pop()))
}

fn found(event: Event<ConfigMap>) -> Option<Found> {
    match event {
        Event::InitApply(map) | Event::Apply(map) => Some(map.into()),
        Event::Delete(_) => {
            tracing::warn!("the manifest was deleted; the data plane keeps what it has");
            None
        }
        Event::Init | Event::InitDone => None,
    }
}

/// Logs once that the API server is gone, and once that it is back.
fn note_watch(is_broken: &mut bool, error: Option<&watcher::Error>) {
    match (error, *is_broken) {
        (Some(error), false) => {
            tracing::warn!(%error, "cannot watch the manifest; the data plane keeps what it has");
        }
        (None, true) => tracing::info!("the manifest is watched again"),
        (Some(_), true) | (None, false) => {}
    }
    *is_broken = error.is_some();
}

/// The snapshot file, and what is told about it.
struct File {
    path: PathBuf,
    gather: Gather,
    tell: watch::Sender<Progress>,
}

impl File {
    /// Writes what a manifest says, if all of it is there and right.
    async fn bring(&mut self, found: &Found) -> Result<(), GatherError> {
        let (generation, bytes) = self.gather.set(found).await?;
        replace(&self.path, &bytes).map_err(GatherError::Write)?;
        tracing::info!(%generation, bytes = bytes.len(), "the snapshot is written");
        self.tell.send_replace(Progress { written: generation, problem: None });
        Ok(())
    }

    /// Tells about a problem, and logs it once.
    fn note(&self, problem: Option<String>) {
        let Some(problem) = problem else { return };
        self.tell.send_if_modified(|progress| {
            let is_new = progress.problem.as_ref() != Some(&problem);
            if is_new {
                tracing::warn!(problem, "the data plane keeps what it has");
                progress.problem = Some(problem);
            }
            is_new
        });
    }
}
