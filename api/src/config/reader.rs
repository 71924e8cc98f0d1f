//! Reading one snapshot after the other: of the next one, only what is new is parsed.
//!
//! Mostly a snapshot differs from the one before in a few of its thousands of items. A file is taken apart into the
//! texts of its items, which costs a fraction of parsing them, and an item whose text has not changed is shared with
//! the snapshot before. What has been read earlier never decides what a file means: only equal texts are taken over.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::cluster::Cluster;
use super::codec::{DecodeError, body};
use super::listener::Listener;
use super::route::Route;
use super::shared::Shared;
use super::{Snapshot, check};
use crate::name::{Generation, ObjectKey};

/// Remembers what it read last.
#[derive(Debug, Default)]
pub struct Reader {
    listeners: List<Listener>,
    routes: List<Route>,
    clusters: List<Cluster>,
    /// The last snapshot that was sound.
    sound: Option<Snapshot>,
}

/// A snapshot whose items have not been parsed yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts<'a> {
    generation: Generation,
    gateway: ObjectKey,
    #[serde(borrow)]
    listeners: Vec<&'a RawValue>,
    #[serde(borrow)]
    routes: Vec<&'a RawValue>,
    #[serde(borrow)]
    clusters: Vec<&'a RawValue>,
}

/// A list of the snapshot that was read last. After an error it may lack items, which are then parsed again.
#[derive(Debug)]
struct List<T>(Vec<Item<T>>);

#[derive(Debug)]
struct Item<T> {
    text: Box<str>,
    value: Shared<T>,
}

impl Reader {
    /// Reads and checks a snapshot as [`super::codec::decode`] does.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Snapshot, DecodeError> {
        let Parts { generation, gateway, listeners, routes, clusters } =
            serde_json::from_slice(body(bytes)?)?;
        let snapshot = Snapshot {
            generation,
            gateway,
            listeners: self.listeners.read("listeners", &listeners)?,
            routes: self.routes.read("routes", &routes)?,
            clusters: self.clusters.read("clusters", &clusters)?,
        };
        check::snapshot(&snapshot, self.sound.as_ref())?;
        Ok(self.sound.insert(snapshot).clone())
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: DeserializeOwned> List<T> {
    /// An item is looked for at its place counted from the start and counted from the end: where it still is when
    /// others were changed, or when one was added or removed.
    fn read(&mut self, name: &str, texts: &[&RawValue]) -> Result<Vec<Shared<T>>, DecodeError> {
        let mut before: Vec<_> = std::mem::take(&mut self.0).into_iter().map(Some).collect();
        self.0.reserve_exact(texts.len());
        for (index, text) in texts.iter().map(|it| it.get()).enumerate() {
            let from_end = (before.len() + index).checked_sub(texts.len());
            let places = [Some(index), from_end].into_iter().flatten();
            let mut known = places.filter_map(|at| before.get_mut(at)?.take_if(|it| *it.text == *text));
            let item = known.next().map_or_else(|| Item::parse(text), Ok);
            self.0
                .push(item.map_err(|source| DecodeError::Item { path: format!("{name}[{index}]"), source })?);
        }
        Ok(self.0.iter().map(|item| item.value.clone()).collect())
    }
}

impl<T: DeserializeOwned> Item<T> {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let value: T = serde_json::from_str(text)?;
        Ok(Self { text: text.into(), value: value.into() })
    }
}
