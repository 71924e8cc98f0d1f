//! What the API server holds, as far as its watches have told: the memory of the cluster mode.
//!
//! IO happens in the watches; everything else is bookkeeping. Every room that talks to the cluster compares with what
//! is here, so that nothing is written without a difference. Absent: decisions about what objects mean.

pub mod kind;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kube::api::DynamicObject;
use kube::core::ObjectMeta;
use kube::runtime::watcher;
use rebound_api::name::ObjectKey;
use serde_json::Value;

use kind::Kind;
use watch::Seen;

use crate::telemetry::chain;

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    pub kind: Kind,
    /// Empty for kinds without a namespace.
    pub namespace: String,
    pub name: String,
}

/// An object as it was last seen.
#[derive(Debug, Clone)]
pub struct Object {
    /// Without what nobody asks for.
    pub meta: ObjectMeta,
    /// Everything but `metadata`, `apiVersion` and `kind`. Of the kinds that users write only `status`.
    pub body: Value,
}

/// All objects.
#[derive(Debug)]
pub struct Live {
    objects: BTreeMap<Kind, BTreeMap<Id, Object>>,
    /// While a kind is listed: what has not come up yet.
    missing: BTreeMap<Kind, BTreeSet<Id>>,
    listed: BTreeSet<Kind>,
    /// What was last said about each kind that cannot be watched.
    complaints: BTreeMap<Kind, String>,
}

/// What has changed.
#[derive(Debug)]
pub struct Change {
    pub id: Id,
    /// As it was; none: it is new.
    pub before: Option<Object>,
    /// As it is; none: it is gone.
    pub object: Option<DynamicObject>,
}

impl Live {
    /// Before anything is known.
    pub const NOTHING: Self = Self {
        objects: BTreeMap::new(),
        missing: BTreeMap::new(),
        listed: BTreeSet::new(),
        complaints: BTreeMap::new(),
    };

    /// Whether every kind has been listed once: before, absence means nothing.
    pub fn is_complete(&self) -> bool {
        self.listed.len() == Kind::ALL.len()
    }

    pub fn object(&self, id: &Id) -> Option<&Object> {
        self.objects.get(&id.kind)?.get(id)
    }

    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&Id, &Object)> {
        self.objects.get(&kind).into_iter().flatten()
    }

    /// Takes note of what a watch has seen. A list that is complete may end several objects at once.
    pub fn note(&mut self, seen: Seen) -> Vec<Change> {
        match seen {
            Seen::Listing(kind) => {
                let known = self.of_kind(kind).map(|(id, _)| id.clone()).collect();
                self.missing.insert(kind, known);
                Vec::new()
            }
            Seen::Object(kind, object) => vec![self.put(kind, *object)],
            Seen::Gone(kind, object) => {
                let id = Id::new(kind, &object.metadata);
                self.forget(id).into_iter().collect()
            }
            Seen::Listed(kind) => {
                self.listed.insert(kind);
                self.complaints.remove(&kind);
                let missing = self.missing.remove(&kind).unwrap_or_default();
                missing.into_iter().filter_map(|id| self.forget(id)).collect()
            }
            Seen::Failed(kind, error) => {
                self.complain(kind, &error);
                Vec::new()
            }
        }
    }

    /// Says why a kind cannot be watched, once for each reason.
    fn complain(&mut self, kind: Kind, error: &watcher::Error) {
        let text = chain(error);
        if self.complaints.get(&kind) != Some(&text) {
            tracing::warn!(%kind, error = text, "cannot watch");
            self.complaints.insert(kind, text);
        }
    }

    fn put(&mut self, kind: Kind, object: DynamicObject) -> Change {
        let id = Id::new(kind, &object.metadata);
        if let Some(missing) = self.missing.get_mut(&kind) {
            missing.remove(&id);
        }
        let kept = Object { meta: object.metadata.clone(), body: kept_body(kind, &object) };
        let before = self.objects.entry(kind).or_default().insert(id.clone(), kept);
        Change { id, before, object: Some(object) }
    }

    fn forget(&mut self, id: Id) -> Option<Change> {
        let before = self.objects.get_mut(&id.kind)?.remove(&id)?;
        Some(Change { id, before: Some(before), object: None })
    }
}

impl Object {
    /// Whether this operator made it.
    pub fn is_ours(&self) -> bool {
        is_ours(&self.meta)
    }

    /// Whether it is being deleted.
    pub fn is_ending(&self) -> bool {
        self.meta.deletion_timestamp.is_some()
    }

    /// The Gateway that it was made for.
    pub fn gateway(&self) -> Option<ObjectKey> {
        let owners = self.meta.owner_references.as_deref().unwrap_or_default();
        let owner = owners.iter().find(|it| it.kind == Kind::Gateway.as_str())?;
        ObjectKey::new(self.meta.namespace.as_deref()?, &owner.name).ok()
    }
}

impl Change {
    /// Whether `metadata.generation` stands still: then what users write has not changed.
    pub fn keeps_generation(&self) -> bool {
        let (Some(before), Some(object)) = (&self.before, &self.object) else { return false };
        before.meta.uid == object.metadata.uid && before.meta.generation == object.metadata.generation
    }

    /// Whether the object is or was one that this operator made.
    pub fn concerns_ours(&self) -> bool {
        self.before.as_ref().is_some_and(Object::is_ours)
            || self.object.as_ref().is_some_and(|object| is_ours(&object.metadata))
    }
}

impl Id {
    pub fn new(kind: Kind, meta: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// What users write is kept by `observe`, in a shape of its own: here their status is enough.
fn kept_body(kind: Kind, object: &DynamicObject) -> Value {
    if kind.is_only_ours() || is_ours(&object.metadata) {
        return object.data.clone();
    }
    serde_json::json!({ "status": object.data.get("status").cloned().unwrap_or_default() })
}

/// Whether this operator made the object.
pub fn is_ours(meta: &ObjectMeta) -> bool {
    let manager = meta.labels.as_ref().and_then(|labels| labels.get(watch::MANAGED_BY));
    manager.is_some_and(|manager| manager == watch::OPERATOR)
}
