//! Makes the bytes that a data plane will be given.
//!
//! Pure: no client, no file, no clock. A snapshot that cannot be given to a data plane is a diagnostic on its Gateway.

pub mod labels;
pub mod names;
mod objects;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use rebound_api::config::{Snapshot, codec};
use rebound_api::name::{Generation, ObjectKey};

use crate::validate::RefusedGateway;

pub use objects::{Family, Install, keeps_what_it_has, objects};

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
    state: PhantomData<State>,
}

/// The configuration of one data plane.
#[derive(Debug)]
pub enum Config {
    /// What the data plane has is right.
    Unchanged(Snapshot),
    /// What it has is out of date.
    Changed { snapshot: Snapshot, bytes: Vec<u8> },
    /// What the user asks for cannot be given to the data plane; it keeps what it has.
    Refused { message: String },
}

/// Numbers and encodes the snapshots. `current` is what the data planes have been given before; Gateways that are
/// refused keep that.
pub fn resources(
    snapshots: Vec<Snapshot>,
    refused: &[RefusedGateway],
    current: &BTreeMap<ObjectKey, Snapshot>,
) -> Vec<Desired<Prepared>> {
    let desired = |gateway, config| Desired { gateway, config, state: PhantomData };
    let changed = snapshots.into_iter().map(|snapshot| {
        let gateway = snapshot.gateway.clone();
        let config = config(current.get(&gateway), snapshot);
        desired(gateway, config)
    });
    let kept = refused.iter().map(|it| {
        let config = Config::Refused { message: it.message.clone() };
        desired(it.key.clone(), config)
    });
    changed.chain(kept).collect()
}

impl Desired<Prepared> {
    /// For the room that has put it in its place.
    pub fn applied(self) -> Desired<Applied> {
        let Self { gateway, config, state: _ } = self;
        Desired { gateway, config, state: PhantomData }
    }
}

/// The generation grows by one when anything else differs.
fn config(current: Option<&Snapshot>, mut snapshot: Snapshot) -> Config {
    let generation = current.map_or(Generation::default(), |it| it.generation);
    snapshot.generation = generation;
    if current == Some(&snapshot) {
        return Config::Unchanged(snapshot);
    }
    snapshot.generation = Generation(generation.0.saturating_add(1));
    match codec::encode(&snapshot) {
        Ok(bytes) => Config::Changed { snapshot, bytes },
        Err(error) => Config::Refused { message: error.to_string() },
    }
}
