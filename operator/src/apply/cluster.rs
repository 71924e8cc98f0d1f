//! An API server as the place of everything: the objects of each Gateway, written only where they differ.
//!
//! Absent: what the objects look like, which is `build`'s, and statuses.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use kube::core::ObjectMeta;
use rebound_api::config::Snapshot;
use rebound_api::name::{Generation, ObjectKey};
use serde_json::Value;

use super::ApplyError;
use crate::build::config_map;
use crate::build::names;
use crate::build::{Applied, Config, Desired, Prepared};
use crate::lease::Leadership;
use crate::live::kind::Kind;
use crate::live::{Id, Live, Object};
use crate::shards::{self, CARRIED_MAX_BYTES, Set, Shard};
use crate::telemetry::metrics::Metrics;
use write::{Wish, Writer};

/// So many reports of pods that are gone are left alone. Not every pod that is not known yet is gone, and one whose
/// report is taken away by mistake serves a while before it says so again.
const GONE_MAX: usize = 32;
/// Shards that a manifest carries are stored so long after it: what is served comes first, and what changes soon after
/// is stored with them.
const STORE_AFTER: Duration = Duration::from_millis(50);

/// What is wanted of the API server, and what it was given.
#[derive(Debug)]
pub struct Cluster {
    writer: Writer,
    /// The configuration of each Gateway.
    current: BTreeMap<ObjectKey, Arc<Set>>,
    gateways: BTreeMap<ObjectKey, Wishes>,
    /// Gateways of which something could not be written.
    unwritten: BTreeSet<ObjectKey>,
    /// Something that belongs to no Gateway could not be written, or something could not be taken away.
    is_left_over: bool,
}

/// Everything that one Gateway needs to have, in the order in which it is written.
#[derive(Debug, Default)]
struct Wishes {
    /// What its objects have in common.
    meta: ObjectMeta,
    /// Each made from the shard beside it.
    shards: Vec<(Arc<Shard>, Wish)>,
    manifest: Option<Wish>,
    /// When the shards are stored that the manifest carries; until then it may be changed again. None: it carries none,
    /// and is written after all shards, because it must not name any that is not to be had.
    store_at: Option<Instant>,
    objects: Vec<Wish>,
    /// What it has already stays, wished for or not.
    keeps: bool,
}

impl Cluster {
    pub fn new(client: Client, leadership: Leadership, metrics: Arc<Metrics>) -> Self {
        let (current, gateways, unwritten, is_left_over) = <_>::default();
        Self { writer: Writer::new(client, leadership, metrics), current, gateways, unwritten, is_left_over }
    }

    /// Takes up what an earlier leader has given to the data planes. Must come before the first round: whoever does
    /// not know what was given starts over with the generations.
    pub(super) fn recall(&mut self, live: &Live) {
        let maps = live.of_kind(Kind::ConfigMap).filter(|(_, object)| object.is_ours());
        self.current =
            config_map::current(maps.map(|(id, object)| (&*id.namespace, &*id.name, &object.body)));
        let wishes =
            |(key, set): (&ObjectKey, &Arc<Set>)| Some((key.clone(), Wishes::recalled(key, set, live)?));
        self.gateways = self.current.iter().filter_map(wishes).collect();
        self.writer.forget_all();
    }

    /// The configuration of each Gateway.
    pub(super) fn current(&self) -> &BTreeMap<ObjectKey, Arc<Set>> {
        &self.current
    }

    /// Whether something is left that could not be written.
    pub(super) fn is_behind(&self) -> bool {
        self.is_left_over || !self.unwritten.is_empty()
    }

    /// When [`Self::repair`] has something to do although nothing has changed; what failed is not waited for here.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.gateways.iter().filter(|(key, _)| !self.unwritten.contains(*key));
        waiting.filter_map(|(_, wishes)| wishes.store_at).min()
    }

    /// Writes what differs, and takes away what nobody needs any more.
    pub(super) async fn apply(
        &mut self,
        prepared: Vec<Desired<Prepared>>,
        live: &Live,
    ) -> Vec<Desired<Applied>> {
        self.unwritten.clear();
        let wanted: BTreeSet<_> = prepared.iter().map(|it| it.gateway.clone()).collect();
        self.current.retain(|key, _| wanted.contains(key));
        self.gateways.retain(|key, _| wanted.contains(key));
        let mut applied = Vec::with_capacity(prepared.len());
        for mut desired in prepared {
            self.wish(&mut desired, live);
            if let Err(error) = self.write(&desired.gateway, live).await {
                desired.config = Config::Pending { message: error.to_string() };
            }
            applied.push(desired.applied());
        }
        self.prune(&wanted, live).await;
        applied
    }

    /// Writes an object that belongs to no Gateway, if it differs.
    pub(super) async fn keep(&mut self, object: Option<Value>, live: &Live) {
        self.is_left_over = false;
        let Some(wish) = object.and_then(Wish::new) else { return };
        if let Err(error) = self.writer.put(&wish, live).await {
            tracing::warn!(object = %wish.id, %error, "not written");
            self.is_left_over = true;
        }
    }

    /// Changes configurations in place, and writes those that `change` says it has changed. Returns these, and whether
    /// they can be given to a data plane.
    pub(super) async fn amend(
        &mut self,
        change: impl Fn(&mut Snapshot) -> bool,
        live: &Live,
    ) -> Vec<(ObjectKey, bool)> {
        let mut changed = Vec::new();
        let keys: Vec<_> = self.current.keys().cloned().collect();
        for key in keys {
            let Some(set) = self.current.get(&key) else { continue };
            let mut snapshot = set.snapshot().clone();
            if !change(&mut snapshot) {
                continue;
            }
            snapshot.generation = Generation(snapshot.generation.0.saturating_add(1));
            let base = set.base().to_owned();
            let set = shards::split(snapshot, &base, Some(&**set));
            changed.push((key.clone(), set.is_ok()));
            match set {
                Ok(set) => {
                    self.reconfigure(&key, Arc::new(set), live);
                    // What fails is logged there, and kept among what is unwritten.
                    let _ = self.write(&key, live).await;
                }
                Err(error) => tracing::error!(gateway = %key, %error, "endpoints are not passed on"),
            }
        }
        changed
    }

    /// Takes away the reports of pods that are gone. An agent takes its own back, unless it is killed.
    pub(super) async fn sweep(&self, gone: impl Iterator<Item = (&ObjectKey, Vec<String>)>, live: &Live) {
        for (gateway, pods) in gone.filter(|(_, pods)| pods.len() > GONE_MAX) {
            let mut maps = live.of_kind(Kind::ConfigMap).filter(|(id, _)| names::is_report(&id.name));
            let report = maps.find(|(_, object)| object.gateway().as_ref() == Some(gateway));
            let Some((id, _)) = report else { continue };
            if let Err(error) = self.writer.clear(id, &pods).await {
                tracing::warn!(object = %id, %error, "reports of pods that are gone stay");
            }
        }
    }

    pub(super) fn forget_gone(&mut self, touched: &BTreeSet<Id>, live: &Live) {
        touched.iter().filter(|id| live.object(id).is_none()).for_each(|id| self.writer.forget(id));
    }

    /// Puts right what others have changed, and writes what could not be written before or has waited.
    pub(super) async fn repair(&mut self, touched: &BTreeSet<Id>, is_again: bool, live: &Live) {
        let is_touched = |wishes: &Wishes| wishes.all().any(|wish| touched.contains(&wish.id));
        let now = Instant::now();
        let affected = self.gateways.iter().filter(|(key, it)| {
            let has_waited = it.store_at.is_some_and(|at| at <= now) && !self.unwritten.contains(*key);
            has_waited || (is_again && self.unwritten.contains(*key)) || is_touched(it)
        });
        let affected: Vec<_> = affected.map(|(key, _)| key.clone()).collect();
        for key in affected {
            // What fails is logged there, and kept among what is unwritten.
            let _ = self.write(&key, live).await;
        }
    }

    /// Takes over what is wanted of a Gateway. Of one that is refused the last wishes stay.
    fn wish(&mut self, desired: &mut Desired<Prepared>, live: &Live) {
        if desired.is_refused() {
            return;
        }
        let wishes = self.gateways.entry(desired.gateway.clone()).or_default();
        wishes.objects = wishes_of(std::mem::take(&mut desired.objects));
        wishes.keeps = desired.keeps;
        let is_new = wishes.manifest.is_none() || wishes.meta != desired.meta;
        if wishes.meta != desired.meta {
            wishes.shards.clear();
            wishes.meta = desired.meta.clone();
        }
        match &desired.config {
            Config::Changed(set) => self.reconfigure(&desired.gateway, set.clone(), live),
            Config::Unchanged(set) if is_new => self.reconfigure(&desired.gateway, set.clone(), live),
            _ => {}
        }
    }

    fn reconfigure(&mut self, gateway: &ObjectKey, set: Arc<Set>, live: &Live) {
        let Some(wishes) = self.gateways.get_mut(gateway) else { return };
        wishes.configure(&set, |wish| self.writer.is_fulfilled(wish, live));
        self.current.insert(gateway.clone(), set);
    }

    /// Writes what differs of one Gateway. The rest of it waits when something fails.
    async fn write(&mut self, gateway: &ObjectKey, live: &Live) -> Result<(), ApplyError> {
        let Some(wishes) = self.gateways.get_mut(gateway) else { return Ok(()) };
        let written = wishes.write(&mut self.writer, live).await;
        match written {
            Ok(()) => {
                self.unwritten.remove(gateway);
                Ok(())
            }
            Err((id, error)) => {
                tracing::warn!(%gateway, object = %id, %error, "not written");
                self.unwritten.insert(gateway.clone());
                Err(error)
            }
        }
    }

    /// Whether what is wished for a Gateway is all that it needs.
    fn is_sure(&self, gateway: &ObjectKey) -> bool {
        !self.unwritten.contains(gateway) && self.gateways.get(gateway).is_some_and(|wishes| !wishes.keeps)
    }

    /// Takes away what this operator made and nobody wishes for. What belongs to a Gateway that is kept as it is, or
    /// could not be written, stays.
    async fn prune(&mut self, wanted: &BTreeSet<ObjectKey>, live: &Live) {
        let wished: BTreeSet<_> = self.gateways.values().flat_map(Wishes::all).map(|wish| &wish.id).collect();
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_only_ours() || *kind == Kind::Service);
        let ours =
            kinds.flat_map(|kind| live.of_kind(kind)).filter(|(_, it)| it.is_ours() && !it.is_ending());
        let is_kept = |object: &Object| {
            // What was made for no Gateway is another room's, such as the certificates of the webhook.
            object.gateway().is_none_or(|key| wanted.contains(&key) && !self.is_sure(&key))
        };
        let surplus = ours.filter(|(id, object)| !wished.contains(id) && !is_kept(object));
        let surplus: Vec<_> = surplus.map(|(id, object)| (id.clone(), object.clone())).collect();
        for (id, object) in surplus {
            tracing::info!(object = %id, "taken away");
            if let Err(error) = self.writer.delete(&id, &object).await {
                tracing::warn!(object = %id, %error, "not taken away");
                self.is_left_over = true;
            }
        }
    }
}

impl Wishes {
    /// What is known of a Gateway before its first round: that its ConfigMaps look like its manifest.
    fn recalled(gateway: &ObjectKey, set: &Set, live: &Live) -> Option<Self> {
        let (kind, namespace) = (Kind::ConfigMap, gateway.namespace().to_owned());
        let found = &live.object(&Id { kind, namespace, name: set.manifest_name() })?.meta;
        let meta = ObjectMeta {
            namespace: found.namespace.clone(),
            labels: found.labels.clone(),
            annotations: write::without_mark(found.annotations.clone()),
            owner_references: found.owner_references.clone(),
            ..ObjectMeta::default()
        };
        Some(Self { meta, keeps: true, ..Self::default() })
    }

    fn all(&self) -> impl Iterator<Item = &Wish> {
        let shards = self.shards.iter().map(|(_, wish)| wish);
        shards.chain(&self.manifest).chain(&self.objects)
    }

    /// Wishes for the ConfigMaps of a set. Those of shards that were there before are taken over.
    fn configure(&mut self, set: &Set, is_stored: impl Fn(&Wish) -> bool) {
        let mut before = std::mem::take(&mut self.shards).into_iter();
        let wish = |(name, shard): (&str, &Arc<Shard>)| {
            let known = before.next().filter(|(it, wish)| Arc::ptr_eq(it, shard) && wish.id.name == name);
            known.or_else(|| {
                let wish = Wish::new(config_map::shard(name, shard.part(), &self.meta))?;
                Some((shard.clone(), wish))
            })
        };
        self.shards = set.shards().filter_map(wish).collect();
        let new = self.shards.iter().filter(|(_, wish)| !is_stored(wish));
        let new: Vec<_> = new.map(|(shard, wish)| (&*wish.id.name, shard.part())).collect();
        let bytes: usize = new.iter().map(|(_, part)| part.len()).sum();
        self.manifest = Wish::new(config_map::manifest(set, &self.meta));
        let carries = !new.is_empty() && bytes <= CARRIED_MAX_BYTES;
        if carries {
            let carried = config_map::carried(new.into_iter());
            self.manifest = self.manifest.take().map(|wish| wish.carrying(carried));
        }
        let soon = || Instant::now() + STORE_AFTER;
        self.store_at = carries.then(|| self.store_at.unwrap_or_else(soon));
    }

    /// Writes what differs. What comes later waits when something fails.
    async fn write(&mut self, writer: &mut Writer, live: &Live) -> Result<(), (Id, ApplyError)> {
        if let Some(at) = self.store_at {
            writer.put_each(self.manifest.iter(), live).await?;
            if at > Instant::now() {
                return writer.put_each(self.objects.iter(), live).await;
            }
        }
        writer.put_all(self.shards.iter().map(|(_, wish)| wish), live).await?;
        writer.put_each(self.manifest.iter().chain(&self.objects), live).await?;
        self.store_at = None;
        Ok(())
    }
}

fn wishes_of(objects: Vec<Value>) -> Vec<Wish> {
    objects.into_iter().filter_map(Wish::new).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A configuration whose shards have about so many bytes: digits that hardly get smaller.
    fn set(bytes: usize) -> Set {
        let mut dice = fastrand::Rng::with_seed(1);
        let digits: String = (0..2 * bytes).map(|_| dice.digit(16)).collect();
        let edits = |value: &str| json!({ "set": [{ "name": "x-large", "value": value }] });
        let rule = |value: &str| {
            json!({ "matches": [{ "path": { "prefix": "/" } }], "backends": [],
                "request_headers": edits(value) })
        };
        let rules: Vec<_> =
            digits.as_bytes().chunks(4096).map(|it| rule(std::str::from_utf8(it).unwrap())).collect();
        let snapshot = json!({ "generation": 7, "gateway": "default/gw", "listeners": [],
            "routes": [{ "name": "default/route", "rules": rules }], "clusters": [] });
        shards::split(serde_json::from_value(snapshot).unwrap(), "gw-fsm", None).unwrap()
    }

    fn configured(set: &Set, is_stored: bool) -> (bool, usize) {
        let mut wishes = Wishes {
            meta: ObjectMeta { namespace: Some("default".into()), ..<_>::default() },
            ..<_>::default()
        };
        wishes.configure(set, |_| is_stored);
        let carried = wishes.manifest.map_or(0, |it| it.carried());
        (wishes.store_at.is_some(), carried)
    }

    #[test]
    fn a_manifest_carries_what_is_not_stored_unless_it_is_too_much() {
        let bytes = |set: &Set| set.shards().map(|(_, it)| it.part().len()).sum::<usize>();
        let (small, large) = (set(CARRIED_MAX_BYTES * 7 / 8), set(CARRIED_MAX_BYTES));
        assert!(bytes(&small) <= CARRIED_MAX_BYTES && bytes(&large) > CARRIED_MAX_BYTES);
        assert_eq!(configured(&small, false), (true, small.shards().count()));
        assert_eq!(configured(&small, true), (false, 0));
        assert_eq!(configured(&large, false), (false, 0));
    }
}
