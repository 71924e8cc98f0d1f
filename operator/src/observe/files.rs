//! Files as a source of objects.
//!
//! Stands in for kubectl and the API server: reads files and folders as `kubectl apply -f` does (folders without
//! their subfolders), fills in the namespace, and refuses what the API server would refuse. What is refused keeps
//! its last good version, as it would in a cluster: a typo in an edit takes nothing away.

pub(super) mod assemble;
pub mod document;
pub mod finding;
pub mod manifest;
mod read;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rebound_api::name::ServicePort;
use serde_json::Value;

use super::Observation;
use super::admission::Admit;
use super::world::World;
use finding::Finding;
use manifest::{Id, Manifest};

/// Where to read, and what the command line adds.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Fills in a missing `metadata.namespace`.
    pub namespace: String,
    /// Endpoints of Service ports; they also declare the Service and the port.
    pub backends: Vec<(ServicePort, SocketAddr)>,
    pub controller: String,
    /// The class that exists although no file defines it.
    pub class: String,
}

/// Reads the files again and again, and remembers what was good.
#[derive(Debug)]
pub struct Files {
    settings: Settings,
    /// What each file held when it was last readable.
    readable: BTreeMap<PathBuf, Vec<Manifest>>,
    /// The last version of each object that was not refused.
    admitted: HashMap<Id, Value>,
    world: World,
}

impl Files {
    pub fn new(settings: Settings) -> Self {
        Self { settings, readable: BTreeMap::new(), admitted: HashMap::new(), world: World::default() }
    }

    /// Reads everything once. What could not be read or is refused stands in the findings.
    pub fn observe(&mut self, admit: Admit) -> Observation<'_> {
        let mut findings = self.refresh();
        let mut world = World::default();
        world.around().controller = self.settings.controller.clone();
        world.around().one_address = true;
        let mut admitted = HashMap::new();
        let mut seen = HashSet::new();
        for manifest in self.readable.values().flatten() {
            if let Err(finding) = manifest.check(&mut seen) {
                findings.push(finding);
                continue;
            }
            let admission = admit(&manifest.value);
            findings.extend(manifest.findings(&admission.report));
            if !manifest.is_identified() {
                continue;
            }
            let good =
                if admission.refused { self.admitted.get(&manifest.id) } else { Some(&manifest.value) };
            // A refused object without a better version goes on as well: its status says what is wrong.
            assemble::add(&mut world, &manifest.id, good.unwrap_or(&manifest.value));
            admitted.extend(good.map(|value| (manifest.id.clone(), value.clone())));
        }
        self.admitted = admitted;
        assemble::complete(&mut world, &self.settings);
        findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.world = world;
        Observation { world: &self.world, live: &super::NOTHING, findings }
    }

    /// Whether the last look found no object of any kind.
    pub fn is_empty(&self) -> bool {
        self.readable.values().all(Vec::is_empty)
    }

    /// Reads the files; one that cannot be read keeps what it held.
    fn refresh(&mut self) -> Vec<Finding> {
        let (files, mut findings) = read::list(&self.settings.paths);
        let is_unclear = |path: &Path| findings.iter().any(|it| path.starts_with(&it.file));
        self.readable.retain(|path, _| files.contains(path) || is_unclear(path));
        for path in files {
            match read::manifests(&path, &self.settings.namespace) {
                Ok((mut manifests, nameless)) => {
                    let before = self.readable.remove(&path).unwrap_or_default();
                    if !nameless.is_empty() || !manifests.iter().all(Manifest::is_identified) {
                        keep_missing(&mut manifests, before);
                    }
                    findings.extend(nameless);
                    self.readable.insert(path, manifests);
                }
                Err(finding) => findings.push(finding),
            }
        }
        findings
    }
}

/// A document that has lost its kind or name may be any of the objects that the file does not hold any more.
fn keep_missing(manifests: &mut Vec<Manifest>, before: Vec<Manifest>) {
    let present: HashSet<_> =
        manifests.iter().filter(|it| it.is_identified()).map(|it| it.id.clone()).collect();
    let is_missing = |it: &Manifest| it.is_identified() && !present.contains(&it.id);
    manifests.extend(before.into_iter().filter(is_missing));
}
