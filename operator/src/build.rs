//! Makes the bytes that a data plane will be given.
//!
//! Pure: no client, no file, no clock. A snapshot that cannot be given to a data plane is a diagnostic on its Gateway.

pub mod class;
pub mod config_map;
pub mod labels;
pub mod names;
mod objects;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rebound_api::config::Snapshot;
use rebound_api::name::{Generation, ObjectKey};
use serde_json::Value;

use crate::shards::{self, Set};
use crate::validate::Accepted;
use names::Names;

pub use objects::{ALLOCATOR, Family, Install, Owner, keeps_what_it_has, objects};

/// Built, not yet anywhere.
#[derive(Debug)]
pub struct Prepared;
/// Where the data plane can see it. Only this state may be spoken about in a status.
#[derive(Debug)]
pub struct Applied;

/// What one Gateway needs to have.
#[derive(Debug)]
pub struct Desired<State> {
    pub gateway: ObjectKey,
    pub config: Config,
    /// What the objects of the Gateway have in common: namespace, labels, owner.
    pub meta: ObjectMeta,
    /// Everything else that it needs to have in a cluster, in the order in which it is to be written.
    pub objects: Vec<Value>,
    /// What it has already stays, also if it is not among the objects.
    pub keeps: bool,
    state: PhantomData<State>,
}

/// The configuration of one data plane.
#[derive(Debug)]
pub enum Config {
    /// What the data plane has is right.
    Unchanged(Arc<Set>),
    /// What it has is out of date.
    Changed(Arc<Set>),
    /// It could not be written just now, and will be.
    Pending { message: String },
    /// What the user asks for cannot be given to the data plane; it keeps what it has.
    Refused { message: String },
    /// The same, because it is too much. What asks for no edit, such as endpoints that go, can change that.
    TooMuch { message: String },
}

/// Numbers the snapshots and splits them. `current` is what the data planes have been given before; Gateways that are
/// refused keep that.
pub fn resources(
    accepted: &Accepted,
    snapshots: Vec<Snapshot>,
    current: &BTreeMap<ObjectKey, Arc<Set>>,
    install: &Install,
) -> Vec<Desired<Prepared>> {
    let given = accepted.gateways.iter().zip(snapshots).map(|(gateway, snapshot)| {
        let names = Names::new(gateway.key.name(), &gateway.class);
        Desired {
            gateway: gateway.key.clone(),
            config: config(current.get(&gateway.key), snapshot, names.base()),
            meta: objects::meta(gateway, &names),
            objects: objects::objects(gateway, install),
            keeps: objects::keeps_what_it_has(gateway),
            state: PhantomData,
        }
    });
    let kept = accepted.refused.iter().map(|it| Desired {
        gateway: it.key.clone(),
        config: Config::Refused { message: it.message.clone() },
        meta: ObjectMeta::default(),
        objects: Vec::new(),
        keeps: true,
        state: PhantomData,
    });
    given.chain(kept).collect()
}

impl<State> Desired<State> {
    pub fn is_refused(&self) -> bool {
        matches!(self.config, Config::Refused { .. } | Config::TooMuch { .. })
    }

    pub fn is_too_much(&self) -> bool {
        matches!(self.config, Config::TooMuch { .. })
    }

    /// That of the configuration, unless it could not be given.
    pub fn generation(&self) -> Option<Generation> {
        match &self.config {
            Config::Unchanged(set) | Config::Changed(set) => Some(set.snapshot().generation),
            Config::Pending { .. } | Config::Refused { .. } | Config::TooMuch { .. } => None,
        }
    }
}

impl Desired<Prepared> {
    /// For the room that has put it in its place.
    pub fn applied(self) -> Desired<Applied> {
        let Self { gateway, config, meta, objects, keeps, state: _ } = self;
        Desired { gateway, config, meta, objects, keeps, state: PhantomData }
    }
}

/// The generation grows by one when anything else differs.
fn config(current: Option<&Arc<Set>>, mut snapshot: Snapshot, base: &str) -> Config {
    let generation = current.map_or(Generation::default(), |it| it.snapshot().generation);
    snapshot.generation = generation;
    if let Some(current) = current.filter(|it| it.is_named(base) && *it.snapshot() == snapshot) {
        return Config::Unchanged(current.clone());
    }
    snapshot.generation = Generation(generation.0.saturating_add(1));
    match shards::split(snapshot, base, current.map(|it| &**it)) {
        Ok(set) => Config::Changed(Arc::new(set)),
        Err(error) => Config::TooMuch { message: error.to_string() },
    }
}
