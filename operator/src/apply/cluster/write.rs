//! One object: whether it has to be written, and writing it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::ObjectMeta;
use serde_json::{Value, json};
use tracing::{Instrument, Span};
use xxhash_rust::xxh3::xxh3_128;

use crate::apply::ApplyError;
use crate::lease::Leadership;
use crate::live::kind::Kind;
use crate::live::watch::OPERATOR;
use crate::live::{self, Id, Live, Object};
use crate::telemetry::metrics::{Metrics, Verb};
use crate::telemetry::spans;

/// What an object was given, so that a restart or an upgrade sees what is left to do.
const GIVEN: &str = "gateway.flomesh.io/given";

/// Writes at a time, where order does not matter.
const WRITES_AT_ONCE: usize = 8;

/// How long a watch may take to tell about an object that was made.
const ECHO_MAX: Duration = Duration::from_secs(30);

/// Writes objects and remembers what they were given.
pub(super) struct Writer {
    client: Client,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    memory: HashMap<Id, Memory>,
}

/// The last that is known of an object.
#[derive(Debug)]
struct Memory {
    given: String,
    /// Its `resourceVersion` before and after it was given that: until the watch has told, the first is still seen.
    versions: [Option<String>; 2],
    at: Instant,
}

impl Memory {
    fn is_settled(&self, given: &str, version: Option<&String>) -> bool {
        let is_known = self.versions.iter().any(|it| it.as_ref() == version);
        // A new object that the watch never tells about has been deleted while it did not look.
        let is_told = version.is_some() || self.at.elapsed() < ECHO_MAX;
        self.given == given && is_known && is_told
    }

    /// Whether what the watch has told, of this `resourceVersion`, is from before the object was given that.
    fn is_ahead_of(&self, version: Option<&String>) -> bool {
        let [before, after] = &self.versions;
        before != after && before.as_ref() == version
    }
}

/// An object as it is to be.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) id: Id,
    object: Value,
    given: String,
}

impl Wish {
    /// None: it is of no kind that is ever written.
    pub(super) fn new(mut object: Value) -> Option<Self> {
        let kind = Kind::of(object["apiVersion"].as_str()?, object["kind"].as_str()?)?;
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let id = Id { kind, namespace: text("namespace"), name: text("name") };
        let given = format!("{:032x}", xxh3_128(object.to_string().as_bytes()));
        object["metadata"]["annotations"][GIVEN] = json!(given);
        Some(Self { id, object, given })
    }

    /// With a `binaryData` that does not make it another wish: once it is not needed any more, it may stay or go.
    pub(super) fn carrying(mut self, binary_data: Value) -> Self {
        self.object["binaryData"] = binary_data;
        self
    }

    /// How many things its `binaryData` holds.
    #[cfg(test)]
    pub(super) fn carried(&self) -> usize {
        self.object["binaryData"].as_object().map_or(0, serde_json::Map::len)
    }

    /// Whether an object of that name is the one that is wished for: it bears our label, or belongs to the same owner
    /// and has lost it.
    fn is_of(&self, found: &ObjectMeta) -> bool {
        let owner = &self.object["metadata"]["ownerReferences"][0]["uid"];
        let mut owners = found.owner_references.iter().flatten();
        live::is_ours(found) || owners.any(|it| *owner == it.uid)
    }
}

impl Writer {
    pub(super) fn new(client: Client, leadership: Leadership, metrics: Arc<Metrics>) -> Self {
        Self { client, leadership, metrics, memory: HashMap::new() }
    }

    /// Makes objects so, several at a time and in no order. Fails with one of those that could not be written.
    pub(super) async fn put_all<'w>(
        &mut self,
        wishes: impl Iterator<Item = &'w Wish>,
        live: &Live,
    ) -> Result<(), (Id, ApplyError)> {
        let this = &*self;
        let open = wishes.filter(|wish| !this.is_settled(wish, live));
        let open = open.map(|wish| async move { (wish, this.send(wish, live).await) }).collect::<Vec<_>>();
        let sent: Vec<_> = stream::iter(open).buffer_unordered(WRITES_AT_ONCE).collect().await;
        let mut failed = None;
        for (wish, sent) in sent {
            match sent {
                Ok(memory) => drop(self.memory.insert(wish.id.clone(), memory)),
                Err(error) => failed = Some((wish.id.clone(), error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Makes objects so, one after the other. What comes later waits when something fails.
    pub(super) async fn put_each<'w>(
        &mut self,
        wishes: impl Iterator<Item = &'w Wish>,
        live: &Live,
    ) -> Result<(), (Id, ApplyError)> {
        for wish in wishes {
            self.put(wish, live).await.map_err(|error| (wish.id.clone(), error))?;
        }
        Ok(())
    }

    /// Makes the object so, unless it is.
    pub(super) async fn put(&mut self, wish: &Wish, live: &Live) -> Result<(), ApplyError> {
        if !self.is_settled(wish, live) {
            let memory = self.send(wish, live).await?;
            self.memory.insert(wish.id.clone(), memory);
        }
        Ok(())
    }

    fn is_settled(&self, Wish { id, given, .. }: &Wish, live: &Live) -> bool {
        let version = live.object(id).and_then(|it| it.meta.resource_version.as_ref());
        self.memory.get(id).is_some_and(|it| it.is_settled(given, version))
    }

    /// Whether the object is so, as far as is known.
    pub(super) fn is_fulfilled(&self, wish: &Wish, live: &Live) -> bool {
        self.is_settled(wish, live) || self.is_as_wished(wish, live)
    }

    /// Whether the object was so when it was last seen. What was written since is not seen yet.
    fn is_as_wished(&self, Wish { id, object, .. }: &Wish, live: &Live) -> bool {
        let is_old = |found: &Object| {
            self.memory.get(id).is_some_and(|it| it.is_ahead_of(found.meta.resource_version.as_ref()))
        };
        live.object(id).is_some_and(|found| !is_old(found) && !is_immutable(found) && holds(found, object))
    }

    async fn send(&self, wish: &Wish, live: &Live) -> Result<Memory, ApplyError> {
        let Wish { id, object, given } = wish;
        let found = live.object(id);
        let before = found.and_then(|it| it.meta.resource_version.clone());
        self.ensure_ours(wish, found).await?;
        if let Some(frozen) = found.filter(|found| is_immutable(found)) {
            self.remove(id, frozen).await?;
        }
        let mut after = before.clone();
        if !self.is_as_wished(wish, live) {
            let (parameters, patch) = (PatchParams::apply(OPERATOR).force(), Patch::Apply(object));
            let api = api(&self.client, id);
            let write = api.patch(&id.name, &parameters, &patch).instrument(span(id));
            let written = self.leadership.within(write).await.ok_or(ApplyError::NotLeading)?;
            self.metrics.write(id.kind.as_str(), Verb::Apply, (&written).into());
            after = written?.metadata.resource_version;
        }
        Ok(Memory { given: given.clone(), versions: [before, after], at: Instant::now() })
    }

    /// Nothing of somebody else is taken over: it would go with the Gateway. Of most kinds only our own are watched,
    /// so that one look is taken before the first write. A class may be anybody's, as long as it names us.
    async fn ensure_ours(&self, wish: &Wish, found: Option<&Object>) -> Result<(), ApplyError> {
        let id = &wish.id;
        let is_ours = match found {
            _ if id.kind == Kind::GatewayClass => true,
            Some(found) => wish.is_of(&found.meta),
            None => {
                let seen = api(&self.client, id).get_metadata_opt(&id.name).await?;
                seen.is_none_or(|it| wish.is_of(&it.metadata))
            }
        };
        if is_ours { Ok(()) } else { Err(ApplyError::NotOurs(id.clone())) }
    }

    /// Takes away exactly the object that was seen.
    pub(super) async fn delete(&mut self, id: &Id, found: &Object) -> Result<(), ApplyError> {
        self.forget(id);
        self.remove(id, found).await
    }

    async fn remove(&self, id: &Id, found: &Object) -> Result<(), ApplyError> {
        let preconditions = Preconditions { uid: found.meta.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        let api = api(&self.client, id);
        let delete = api.delete(&id.name, &parameters).instrument(span(id));
        let deleted = self.leadership.within(delete).await.ok_or(ApplyError::NotLeading)?;
        self.metrics.write(id.kind.as_str(), Verb::Delete, (&deleted).into());
        match deleted {
            // Whoever was faster has done the same.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            done => Ok(done.map(|_| ())?),
        }
    }

    /// Takes keys out of a ConfigMap, whoever has written them.
    pub(super) async fn clear(&self, id: &Id, keys: &[String]) -> Result<(), ApplyError> {
        let nothing: BTreeMap<_, _> = keys.iter().map(|key| (key, Value::Null)).collect();
        let patch = Patch::Merge(json!({ "data": nothing }));
        let (parameters, api) = (PatchParams::default(), api(&self.client, id));
        let write = api.patch(&id.name, &parameters, &patch).instrument(span(id));
        let written = self.leadership.within(write).await.ok_or(ApplyError::NotLeading)?;
        self.metrics.write(id.kind.as_str(), Verb::Patch, (&written).into());
        Ok(written.map(drop)?)
    }

    /// Another replica has been writing.
    pub(super) fn forget_all(&mut self) {
        self.memory.clear();
    }

    /// The object is gone: what it was given went with it.
    pub(super) fn forget(&mut self, id: &Id) {
        self.memory.remove(id);
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("memory", &self.memory.len()).finish_non_exhaustive()
    }
}

fn span(id: &Id) -> Span {
    spans::write(id.kind.as_str(), &id.namespace, &id.name)
}

/// The annotations of an object without the mark of what it was given.
pub(super) fn without_mark(
    annotations: Option<BTreeMap<String, String>>,
) -> Option<BTreeMap<String, String>> {
    let mut annotations = annotations?;
    annotations.remove(GIVEN);
    Some(annotations).filter(|it| !it.is_empty())
}

fn api(client: &Client, id: &Id) -> Api<DynamicObject> {
    // Every kind that is written has exactly one version.
    let resource = &id.kind.resources()[0];
    if id.kind.is_namespaced() {
        Api::namespaced_with(client.clone(), &id.namespace, resource)
    } else {
        Api::all_with(client.clone(), resource)
    }
}

/// Whether nobody can change it any more, not even back: a ConfigMap that somebody has marked so. An agent could not
/// report in it either.
fn is_immutable(found: &Object) -> bool {
    found.body["immutable"] == true
}

/// Whether the object has everything that is wanted of it. More than that is none of our business: the API server's
/// defaults, and what others add.
fn holds(found: &Object, wanted: &Value) -> bool {
    let meta = serde_json::to_value(&found.meta).unwrap_or_default();
    let fields = wanted.as_object().into_iter().flatten();
    fields.filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")).all(|(name, wanted)| {
        let found = if name == "metadata" { &meta } else { &found.body[name] };
        covers(found, wanted)
    })
}

fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| covers(found.get(name).unwrap_or(&Value::Null), wanted))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| covers(found, wanted))
        }
        // Nothing is nothing, however it is written.
        (Value::Null, Value::Object(wanted)) => wanted.is_empty(),
        (Value::Null, Value::Array(wanted)) => wanted.is_empty(),
        (found, wanted) => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_add_is_no_difference_and_what_they_change_is() {
        let wanted = json!({"a": 1, "list": [{"name": "x"}], "none": {}, "empty": []});
        assert!(covers(&json!({"a": 1, "b": 2, "list": [{"name": "x", "default": true}]}), &wanted));
        assert!(!covers(&json!({"a": 2, "list": [{"name": "x"}]}), &wanted));
        assert!(!covers(&json!({"a": 1, "list": [{"name": "x"}, {"name": "y"}]}), &wanted));
        assert!(!covers(&json!({"list": [{"name": "x"}]}), &wanted));
    }

    #[test]
    fn the_mark_tells_one_wish_from_another() {
        let object = |value: &str| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "c"},
                "data": {"key": value}})
        };
        let wish = |value: &str| Wish::new(object(value)).unwrap();
        let first = wish("a");
        assert_eq!(first.id.to_string(), "ConfigMap n/c");
        assert_eq!(first.object["metadata"]["annotations"][GIVEN], json!(first.given));
        assert_ne!(wish("b").given, first.given);
        assert_eq!(wish("a").given, first.given);
    }

    #[test]
    fn what_a_manifest_carries_does_not_make_it_another_wish_and_is_written() {
        let wish = Wish::new(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": "n", "name": "c"}, "data": {"key": "a"}}));
        let carrying = wish.clone().unwrap().carrying(json!({"shard": "eA=="}));
        assert_eq!(carrying.given, wish.unwrap().given);
        assert_eq!(carrying.object["binaryData"], json!({"shard": "eA=="}));
    }

    #[test]
    fn what_was_seen_before_a_write_says_nothing_about_the_object_now() {
        let version = |text: &str| Some(text.to_owned());
        let memory = |versions| Memory { given: String::new(), versions, at: Instant::now() };
        let written = memory([version("1"), version("2")]);
        assert!(written.is_ahead_of(version("1").as_ref()));
        assert!(!written.is_ahead_of(version("2").as_ref()));
        assert!(
            !memory([version("1"), version("1")]).is_ahead_of(version("1").as_ref()),
            "nothing was written"
        );
    }

    #[test]
    fn an_object_that_has_lost_its_label_is_still_ours_and_that_of_somebody_else_is_not() {
        let owner = json!([{ "apiVersion": "v1", "kind": "Gateway", "name": "g", "uid": "1" }]);
        let wish = Wish::new(json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "namespace": "n", "name": "c", "ownerReferences": owner } }));
        let is_of = |meta: Value| wish.as_ref().unwrap().is_of(&serde_json::from_value(meta).unwrap());
        assert!(is_of(json!({ "name": "c", "labels": { "app.kubernetes.io/managed-by": OPERATOR } })));
        assert!(is_of(json!({ "name": "c", "ownerReferences": owner })));
        assert!(!is_of(json!({ "name": "c" })));
        let other = json!([{ "apiVersion": "v1", "kind": "Gateway", "name": "g", "uid": "2" }]);
        assert!(!is_of(json!({ "name": "c", "ownerReferences": other })));
    }
}
