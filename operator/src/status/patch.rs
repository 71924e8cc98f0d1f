//! Writes statuses into the cluster, and an event for each statement that turns.
//!
//! IO only; what a status has to become is `merge`'s. A write names the version that it was made from: whoever has
//! written meanwhile is not overwritten, and the next round sees what he wrote.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Recorder, Reporter};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::difference::{difference, id};
use super::document::ObjectStatus;
use super::{event, merge};
use crate::lease::Leadership;
use crate::live::kind::Kind;
use crate::live::watch::OPERATOR;
use crate::live::{Id, Live, Object};
use crate::telemetry::metrics::{Metrics, Verb};
use crate::telemetry::spans;

/// Writes at a time: few, so that the API server has time for configuration while it takes thousands of statuses.
const WRITES_AT_ONCE: usize = 4;
/// Writes of one round.
const WRITES_MAX: usize = 256;
/// What is served comes first: so long a status waits for the configuration that it speaks of to reach the data planes,
/// and for what turns soon after it.
const LULL: Duration = Duration::from_millis(50);
/// The least time between two writes of one object: a Gateway counts its routes, and they may come by the thousand.
const SPACING: Duration = Duration::from_millis(200);
/// The same after a write that failed: it must neither be repeated without end nor keep others from their turn.
const FAILED_SPACING: Duration = Duration::from_secs(2);
/// The kinds whose status several controllers share.
const SHARED: [Kind; 2] = [Kind::HttpRoute, Kind::RetryPolicy];

/// Writes statuses and remembers which are settled.
pub struct Statuses {
    writer: Arc<Writer>,
    metrics: Arc<Metrics>,
    controller: String,
    wanted: HashMap<Id, Arc<ObjectStatus>>,
    /// What was wanted last, in its order: mostly the very same is wanted again.
    last: Vec<Arc<ObjectStatus>>,
    /// Objects that may say something else than is wanted. All others say what is wanted.
    open: BTreeSet<Id>,
    /// No write begins before.
    not_before: Option<Instant>,
    /// By object: the versions between which it is known to say what is wanted.
    settled: HashMap<Id, [Option<String>; 2]>,
    /// Before when an object is not written again.
    times: HashMap<Id, Instant>,
    /// The class of our name that belongs to another controller, by its identity, once that is told.
    warned: Option<String>,
    /// What is being written, while everything else goes on.
    under_way: Option<JoinHandle<Vec<Sent>>>,
}

/// A write, and what the API server says: the new version of the object. None: leadership has ended before.
type Sent = (Write, Option<kube::Result<Option<String>>>);

/// What writing takes.
struct Writer {
    client: Client,
    leadership: Leadership,
    recorder: Recorder,
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
    /// What it is made from; none: our word is taken back.
    wanted: Option<Arc<ObjectStatus>>,
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
        let recorder = Recorder::new(client.clone(), reporter);
        let (wanted, last, open, not_before, settled, times, warned, under_way) = <_>::default();
        let writer = Arc::new(Writer { client, leadership, recorder });
        let controller = controller.into();
        Self {
            writer,
            metrics,
            controller,
            wanted,
            last,
            open,
            not_before,
            settled,
            times,
            warned,
            under_way,
        }
    }

    /// From now on these are wanted, and of the other objects nothing is said.
    pub fn want(&mut self, statuses: &[Arc<ObjectStatus>]) {
        let (turned, gone) = difference(&self.last, statuses);
        self.last = statuses.to_vec();
        for (id, status) in turned {
            self.want_one(id, status);
        }
        for id in gone {
            self.wanted.remove(&id);
            self.unsettle(&id);
        }
    }

    /// Takes nothing for settled.
    pub fn forget(&mut self, live: &Live) {
        self.settled.clear();
        self.open.extend(self.wanted.keys().cloned());
        self.open.extend(SHARED.into_iter().flat_map(|kind| live.of_kind(kind)).map(|(id, _)| id.clone()));
    }

    /// These replace what was wanted of the same objects.
    pub fn want_also(&mut self, statuses: Vec<Arc<ObjectStatus>>) {
        for status in statuses {
            if let Some(id) = id(&status) {
                self.want_one(id, status);
            }
        }
    }

    /// Tells, once, that the class of our name is another controller's; none: it is not.
    pub fn warn_of_class(&mut self, name: &str, note: Option<&str>, live: &Live) {
        let id = Id { kind: Kind::GatewayClass, namespace: String::new(), name: name.into() };
        let uid = note.and(live.object(&id)).and_then(|it| it.meta.uid.clone());
        if uid == self.warned {
            return;
        }
        self.warned.clone_from(&uid);
        if let (Some(note), Some(uid)) = (note, uid) {
            let (writer, event) = (self.writer.clone(), event::foreign(note));
            tokio::spawn(async move {
                let told = event::tell(&writer.recorder, &event, &id, Some(&uid));
                writer.leadership.within(told).await
            });
        }
    }

    fn want_one(&mut self, id: Id, status: Arc<ObjectStatus>) {
        if self.wanted.get(&id).is_none_or(|it| !is_same(it, &status)) {
            self.unsettle(&id);
        }
        self.wanted.insert(id, status);
    }

    /// Something else than before is wanted.
    fn unsettle(&mut self, id: &Id) {
        if self.open.is_empty() {
            self.not_before = Some(Instant::now() + LULL);
        }
        self.settled.remove(id);
        self.open.insert(id.clone());
    }

    /// Starts to write what is not as wanted, as far as one round goes; `touched` may have changed. Nothing is started
    /// while something is under way: [`Self::written`] tells when to go on.
    pub fn write(&mut self, touched: &BTreeSet<Id>, live: &Live) -> Left {
        let is_ours = |id: &&Id| SHARED.contains(&id.kind) || self.wanted.contains_key(id);
        self.open.extend(touched.iter().filter(is_ours).cloned());
        let mut left = Left::default();
        if self.under_way.is_some() || self.open.is_empty() {
            return left;
        }
        if let Some(at) = self.not_before.filter(|at| *at > Instant::now()) {
            left.wait(at);
            return left;
        }
        self.times.retain(|_, at| *at > Instant::now());
        let writes = self.due(live, &mut left);
        if !writes.is_empty() {
            let sending = self.writer.clone().send_all(writes);
            self.under_way = Some(tokio::spawn(sending.in_current_span()));
        }
        left
    }

    /// Waits until what is under way is written; for ever if nothing is.
    pub async fn written(&mut self) -> Left {
        let Some(under_way) = &mut self.under_way else { return std::future::pending().await };
        let sent = under_way.await;
        self.under_way = None;
        let mut left = Left::default();
        match sent {
            Ok(sent) => sent.into_iter().for_each(|sent| self.note(sent, &mut left)),
            Err(error) => tracing::error!(%error, "statuses are not written"),
        }
        if !self.open.is_empty() {
            left.wait(Instant::now());
        }
        left
    }

    fn note(&mut self, (write, sent): Sent, left: &mut Left) {
        // Leadership may end in the middle of many writes: the rest is the next leader's.
        let Some(sent) = sent else { return };
        self.metrics.write(write.id.kind.as_str(), Verb::Patch, (&sent).into());
        match sent {
            Ok(version) => {
                self.times.insert(write.id.clone(), Instant::now() + SPACING);
                self.settle(write.id, write.wanted.as_ref(), [write.version, version]);
            }
            // It will not be taken however often it is sent: until the object or what there is to say changes.
            Err(kube::Error::Api(status)) if status.code == 422 => {
                tracing::error!(object = %write.id, error = status.message, "the status is refused");
                self.settle(write.id, write.wanted.as_ref(), [write.version.clone(), write.version]);
            }
            Err(error) => {
                tracing::warn!(object = %write.id, %error, "the status is not written");
                // After a conflict the watch is about to show what others wrote.
                let is_conflict = matches!(&error, kube::Error::Api(status) if status.code == 409);
                let pause = if is_conflict { SPACING } else { FAILED_SPACING };
                self.times.insert(write.id.clone(), Instant::now() + pause);
                self.open.insert(write.id);
                left.failed = true;
            }
        }
    }

    /// What is open is looked at: most of it turns out to be as wanted, and some of it has to wait.
    fn due(&mut self, live: &Live, left: &mut Left) -> Vec<Write> {
        let mut writes = Vec::new();
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string();
        for id in std::mem::take(&mut self.open) {
            // One that is not there is open again as soon as it comes.
            let Some(found) = live.object(&id).filter(|it| !self.is_settled(&id, it)) else { continue };
            let wanted = self.wanted.get(&id).cloned();
            let Some(status) = self.turned(&id, wanted.as_deref(), found, &now) else {
                let version = found.meta.resource_version.clone();
                self.settle(id, wanted.as_ref(), [version.clone(), version]);
                continue;
            };
            let not_before = self.times.get(&id).copied().filter(|at| *at > Instant::now());
            if not_before.is_some() || writes.len() >= WRITES_MAX {
                left.wait(not_before.unwrap_or_else(Instant::now));
                self.open.insert(id);
                continue;
            }
            writes.push(Write::new(&id, found, status, wanted));
        }
        writes
    }

    /// What the status has to become; none: it says what is wanted. An object that does not concern us any more may
    /// still bear our word.
    fn turned(&self, id: &Id, wanted: Option<&ObjectStatus>, found: &Object, now: &str) -> Option<Value> {
        let live = &found.body["status"];
        match wanted {
            Some(wanted) => {
                let wanted = serde_json::to_value(&wanted.status).unwrap_or_default();
                merge::merged(live, &wanted, &self.controller, now)
            }
            None if SHARED.contains(&id.kind) => merge::withdrawn(live, &self.controller),
            None => None,
        }
    }

    /// Between these versions the object says `wanted`; while it was written something else may have become wanted.
    fn settle(&mut self, id: Id, wanted: Option<&Arc<ObjectStatus>>, versions: [Option<String>; 2]) {
        if self.wanted.get(&id).zip(wanted).is_some_and(|(now, then)| is_same(now, then)) {
            self.settled.insert(id, versions);
        }
    }

    fn is_settled(&self, id: &Id, found: &Object) -> bool {
        self.settled.get(id).is_some_and(|known| known.contains(&found.meta.resource_version))
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

impl Writer {
    async fn send_all(self: Arc<Self>, writes: Vec<Write>) -> Vec<Sent> {
        let (client, recorder, leadership) = (&self.client, &self.recorder, &self.leadership);
        let send = |write: Write| async move {
            let sent = leadership.within(write.send(client, recorder)).await;
            (write, sent)
        };
        stream::iter(writes).map(send).buffer_unordered(WRITES_AT_ONCE).collect().await
    }
}

impl Write {
    fn new(id: &Id, found: &Object, status: Value, wanted: Option<Arc<ObjectStatus>>) -> Self {
        let turned = merge::turned(&found.body["status"], &status).into_iter().cloned().collect();
        let meta = &found.meta;
        let (version, uid) = (meta.resource_version.clone(), meta.uid.clone());
        Self { id: id.clone(), version, status, turned, uid, wanted }
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
                for condition in &self.turned {
                    event::tell(recorder, &event::turned(condition), &self.id, self.uid.as_deref()).await;
                }
                Ok(object.metadata.resource_version)
            }
            // The object is gone: there is nothing left to speak about.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What is the same need not be looked at.
fn is_same(before: &Arc<ObjectStatus>, after: &Arc<ObjectStatus>) -> bool {
    Arc::ptr_eq(before, after) || before == after
}
