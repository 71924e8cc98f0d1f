//! The wire between operator and data plane: one [`Snapshot`] for each Gateway.
//!
//! A wire type is a promise. Both sides are strict: the operator writes only what [`codec::encode`] accepts, the
//! data plane checks again with [`codec::decode`] and keeps its last good plan. Names here carry their units;
//! numbers take the place of every grammar. Uses serde and `name`; never `policy`, never `crd`.
//!
//! Compatibility: [`FORMAT_VERSION`] grows when a reader of the previous version could misunderstand a snapshot.
//! A reader refuses a newer version by name. Snapshots of every released version still decode.

mod check;
pub mod cluster;
pub mod codec;
mod list;
pub mod listener;
pub mod reader;
pub mod retry;
pub mod route;
pub mod shared;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{Generation, ObjectKey, ServicePort};
use cluster::Cluster;
use listener::Listener;
use route::Route;
use shared::Shared;

/// The version of the snapshot format that this build writes and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that one Gateway's data plane needs to know. A snapshot shares what it has in common with the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Grows with every change.
    pub generation: Generation,
    /// The Gateway.
    pub gateway: ObjectKey,
    /// Where connections are accepted. Several may share a port when their hostnames differ.
    #[serde(deserialize_with = "list::exact")]
    pub listeners: Vec<Shared<Listener>>,
    /// Routes, oldest first and ties by name: the order decides between equal matches.
    #[serde(deserialize_with = "list::exact")]
    pub routes: Vec<Shared<Route>>,
    /// Service ports that routes lead to; routes name them by index.
    #[serde(deserialize_with = "list::exact")]
    pub clusters: Vec<Shared<Cluster>>,
}

impl Serialize for Generation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Generation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

/// Names travel as the text that they print.
macro_rules! as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(ObjectKey);
as_text!(ServicePort);
