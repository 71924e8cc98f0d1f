//! Writes statuses into the cluster, and an event for each statement that turns.
//!
//! IO only; what a status has to become is `merge`'s. A write names the version that it was made from: whoever has
//! written meanwhile is not overwritten, and the next round sees what he wrote.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::{Value, json};
use tracing::Instrument;

use super::document::ObjectStatus;
use super::merge;
use crate::lease::Leadership;
use crate::live::kind::Kind;
use crate::live::watch::OPERATOR;
use crate::live::{Id, Live, Object};
use crate::telemetry::metrics::{Metrics, Verb};
use crate::telemetry::spans;

/// Writes at a time.
const WRITES_AT_ONCE: usize = 16;
/// Writes of one round, so that configuration never waits long behind statuses.
const WRITES_MAX: usize = 256;
/// The least time between two writes of one object: a Gateway counts its routes, and they may come by the thousand.
const SPACING: Duration = Duration::from_millis(200);
/// The most characters of an event's note (Kubernetes API).
const NOTE_MAX: usize = 1024;
/// The kinds whose status several controllers share.
const SHARED: [Kind; 2] = [Kind::HttpRoute, Kind::RetryPolicy];

/// Writes statuses and remembers which are settled.
pub struct Statuses {
    client: Client,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    recorder: Recorder,
    controller: String,
    wanted: HashMap<Id, ObjectStatus>,
    /// By object: the versions between which it is known to say what is wanted.
    settled: HashMap<Id, [Option<String>; 2]>,
    written: HashMap<Id, Instant>,
}

/// What is left after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// A write failed.
    pub failed: bool,
    /// When the next write may be made; none: nothing is left.
    pub due: Option<Instant>,
}

/// One status that has to be written.
struct Write {
    id: Id,
    version: Option<String>,
    status: Value,
    turned: Vec<Value>,
    uid: Option<String>,
}

impl Statuses {
    pub fn new(
        client: Client,
        leadership: Leadership,
        metrics: Arc<Metrics>,
        controller: &str,
        identity: &str,
    ) -> Self {
        let reporter = Reporter { controller: controller.into(), instance: Some(identity.into()) };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            leadership,
            metrics,
            controller: controller.into(),
            wanted: HashMap::new(),
            settled: HashMap::new(),
            written: HashMap::new(),
        }
    }

    /// From now on these are wanted, and of the other objects nothing is said.
    pub fn want(&mut self, statuses: &[ObjectStatus]) {
        let mut wanted = HashMap::with_capacity(statuses.len());
        for status in statuses {
            let Some(id) = id(status) else { continue };
            if self.wanted.get(&id) != Some(status) {
                self.settled.remove(&id);
            }
            wanted.insert(id, status.clone());
        }
        self.settled.retain(|id, _| wanted.contains_key(id));
        self.written.retain(|_, at| at.elapsed() < SPACING);
        self.wanted = wanted;
    }

    /// Takes nothing for settled.
    pub fn forget(&mut self) {
        self.settled.clear();
    }

    /// These replace what was wanted of the same objects.
    pub fn want_also(&mut self, statuses: Vec<ObjectStatus>) {
        for status in statuses {
            let Some(id) = id(&status) else { continue };
            if self.wanted.get(&id) != Some(&status) {
                self.settled.remove(&id);
                self.wanted.insert(id, status);
            }
        }
    }

    /// Writes what is not as wanted, as far as one round goes.
    pub async fn write(&mut self, live: &Live) -> Left {
        let mut left = Left::default();
        let mut writes = self.withdrawals(live);
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string();
        let open: Vec<Id> = self.wanted.keys().filter(|id| !self.is_settled(id, live)).cloned().collect();
        for id in open {
            let Some(found) = live.object(&id) else { continue };
            let Some(write) = self.due(&id, found, &now) else {
                self.settle(id, found.meta.resource_version.clone(), found.meta.resource_version.clone());
                continue;
            };
            let wait = self.written.get(&id).and_then(|at| SPACING.checked_sub(at.elapsed()));
            if wait.is_some() || writes.len() >= WRITES_MAX {
                left.wait(Instant::now() + wait.unwrap_or_default());
                continue;
            }
            writes.push(write);
        }
        let (client, recorder, leadership) = (&self.client, &self.recorder, &self.leadership);
        let sent =
            |write: Write| async move { (leadership.within(write.send(client, recorder)).await, write) };
        let sent: Vec<_> = stream::iter(writes).map(sent).buffer_unordered(WRITES_AT_ONCE).collect().await;
        for (version, write) in sent {
            // Leadership may end in the middle of many writes: the rest is the next leader's.
            let Some(version) = version else { continue };
            self.metrics.write(write.id.kind.as_str(), Verb::Patch, (&version).into());
            match version {
                Ok(version) => {
                    self.written.insert(write.id.clone(), Instant::now());
                    self.settle(write.id, write.version, version);
                }
                // It will not be taken however often it is sent: until the object or what there is to say changes.
                Err(kube::Error::Api(status)) if status.code == 422 => {
                    tracing::error!(object = %write.id, error = status.message, "the status is refused");
                    self.settle(write.id, write.version.clone(), write.version);
                }
                Err(error) => {
                    tracing::warn!(object = %write.id, %error, "the status is not written");
                    left.failed = true;
                }
            }
        }
        left
    }

    fn settle(&mut self, id: Id, before: Option<String>, after: Option<String>) {
        self.settled.insert(id, [before, after]);
    }

    fn is_settled(&self, id: &Id, live: &Live) -> bool {
        let version = live.object(id).map(|it| &it.meta.resource_version);
        self.settled.get(id).is_some_and(|known| version.is_none_or(|version| known.contains(version)))
    }

    /// None: it says what is wanted.
    fn due(&self, id: &Id, found: &Object, now: &str) -> Option<Write> {
        let wanted = serde_json::to_value(&self.wanted.get(id)?.status).unwrap_or_default();
        let live = &found.body["status"];
        let status = merge::merged(live, &wanted, &self.controller, now)?;
        Some(Write::new(id, found, status))
    }

    /// Objects that do not concern us any more, and still bear our word.
    fn withdrawals(&self, live: &Live) -> Vec<Write> {
        let objects = SHARED.into_iter().flat_map(|kind| live.of_kind(kind));
        let silent = objects.filter(|(id, _)| !self.wanted.contains_key(id));
        let write = |(id, found): (&Id, &Object)| {
            let status = merge::withdrawn(&found.body["status"], &self.controller)?;
            Some(Write::new(id, found, status))
        };
        silent.filter_map(write).take(WRITES_MAX).collect()
    }
}

impl std::fmt::Debug for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statuses").field("wanted", &self.wanted.len()).finish_non_exhaustive()
    }
}

impl Left {
    fn wait(&mut self, until: Instant) {
        self.due = Some(self.due.map_or(until, |due| due.min(until)));
    }
}

impl Write {
    fn new(id: &Id, found: &Object, status: Value) -> Self {
        let turned = merge::turned(&found.body["status"], &status).into_iter().cloned().collect();
        let meta = &found.meta;
        Self { id: id.clone(), version: meta.resource_version.clone(), status, turned, uid: meta.uid.clone() }
    }

    /// Returns the new version of the object.
    async fn send(&self, client: &Client, recorder: &Recorder) -> kube::Result<Option<String>> {
        let resource = &self.id.kind.resources()[0];
        let api: Api<DynamicObject> = if self.id.kind.is_namespaced() {
            Api::namespaced_with(client.clone(), &self.id.namespace, resource)
        } else {
            Api::all_with(client.clone(), resource)
        };
        let body = json!({ "metadata": { "resourceVersion": self.version }, "status": self.status });
        let parameters = PatchParams { field_manager: Some(OPERATOR.into()), ..PatchParams::default() };
        let span = spans::write(self.id.kind.as_str(), &self.id.namespace, &self.id.name);
        let written =
            api.patch_status(&self.id.name, &parameters, &Patch::Merge(body)).instrument(span).await;
        match written {
            Ok(object) => {
                self.tell(recorder).await;
                Ok(object.metadata.resource_version)
            }
            // The object is gone: there is nothing left to speak about.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An event is a courtesy: one that cannot be written is not tried again.
    async fn tell(&self, recorder: &Recorder) {
        let resource = &self.id.kind.resources()[0];
        let regarding = ObjectReference {
            api_version: Some(resource.api_version.clone()),
            kind: Some(resource.kind.clone()),
            name: Some(self.id.name.clone()),
            namespace: Some(self.id.namespace.clone()).filter(|it| !it.is_empty()),
            uid: self.uid.clone(),
            ..ObjectReference::default()
        };
        for condition in &self.turned {
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            let event = Event {
                type_: if merge::is_good(condition) { EventType::Normal } else { EventType::Warning },
                reason: text("reason").into(),
                note: Some(text("message").chars().take(NOTE_MAX).collect()),
                action: text("type").into(),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, &regarding).await {
                tracing::debug!(object = %self.id, %error, "an event is lost");
            }
        }
    }
}

fn id(status: &ObjectStatus) -> Option<Id> {
    let kind = Kind::of(status.api_version, status.kind)?;
    let metadata = &status.metadata;
    Some(Id { kind, namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone() })
}
