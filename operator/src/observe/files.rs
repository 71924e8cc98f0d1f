//! Files as a source of objects.
//!
//! Stands in for kubectl and the API server: reads files and folders as `kubectl apply -f` does (folders without
//! their subfolders), fills in the namespace, and refuses what the API server would refuse. What is refused keeps
//! its last good version, as it would in a cluster: a typo in an edit takes nothing away.

mod assemble;
pub mod document;
mod read;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use core::net::SocketAddr;
use rebound_api::name::{ObjectKey, ServicePort};
use rebound_api::violation::{Reason, Report, Violation};
use serde_json::Value;

use super::admission::Admit;
use super::world::World;
use document::{Document, Lines};

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
}

/// An object of a file.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub file: Arc<Path>,
    pub lines: Lines,
    pub id: Id,
    pub value: Value,
}

/// What makes two manifests the same object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id {
    pub group: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// What one look at the files yielded.
#[derive(Debug)]
pub struct Observation {
    pub world: World,
    pub findings: Vec<Finding>,
}

/// Something to tell the user about a place in a file. Prints as `FILE:LINE: PATH: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub file: PathBuf,
    pub line: u64,
    /// The field; empty: the file as a whole.
    pub path: String,
    pub message: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file could not be read at all.
    Unreadable,
    /// What stands there is refused.
    Error,
    /// Accepted, but the user should know.
    Warning,
    /// Not looked at.
    Skipped,
}

impl Severity {
    /// For programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Skipped => "skipped",
        }
    }
}

impl Files {
    pub fn new(settings: Settings) -> Self {
        Self { settings, readable: BTreeMap::new(), admitted: HashMap::new() }
    }

    /// Reads everything once. What could not be read or is refused stands in the findings.
    pub fn observe(&mut self, admit: Admit) -> Observation {
        let mut findings = self.refresh();
        let mut world =
            World { controller: self.settings.controller.clone(), one_address: true, ..World::default() };
        let mut admitted = HashMap::new();
        let mut seen = HashSet::new();
        for manifest in self.readable.values().flatten() {
            let readable = manifest.check(&mut seen, &mut findings);
            if !readable {
                continue;
            }
            let admission = admit(&manifest.value);
            findings.extend(manifest.findings(&admission.report));
            let good =
                if admission.refused { self.admitted.get(&manifest.id) } else { Some(&manifest.value) };
            // A refused object without a better version goes on as well: its status says what is wrong.
            assemble::add(&mut world, &manifest.id, good.unwrap_or(&manifest.value));
            admitted.extend(good.map(|value| (manifest.id.clone(), value.clone())));
        }
        self.admitted = admitted;
        assemble::complete(&mut world, &self.settings);
        findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Observation { world, findings }
    }

    /// Reads the files; one that cannot be read keeps what it held.
    fn refresh(&mut self) -> Vec<Finding> {
        let (files, mut findings) = read::list(&self.settings.paths);
        let is_unclear = |path: &Path| findings.iter().any(|it| path.starts_with(&it.file));
        self.readable.retain(|path, _| files.contains(path) || is_unclear(path));
        for path in files {
            match read::manifests(&path, &self.settings.namespace) {
                Ok((manifests, more)) => {
                    findings.extend(more);
                    self.readable.insert(path, manifests);
                }
                Err(finding) => findings.push(finding),
            }
        }
        findings
    }
}

impl Manifest {
    /// Reads the identity of an object and fills in its namespace.
    fn new(file: Arc<Path>, document: Document, namespace: &str) -> Result<Self, Finding> {
        let Document { mut value, lines } = document;
        let missing = |path: &str, message: &str| Finding {
            severity: Severity::Error,
            file: file.to_path_buf(),
            line: lines.of(path),
            path: path.into(),
            message: message.into(),
        };
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let version = text("/apiVersion").ok_or_else(|| missing("apiVersion", "is missing"))?;
        let kind = text("/kind").ok_or_else(|| missing("kind", "is missing"))?;
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let name = text("/metadata/name").unwrap_or_default();
        let mut id = Id { group, kind, name, namespace: String::new() };
        if assemble::is_namespaced(&id) {
            id.namespace = text("/metadata/namespace").unwrap_or_else(|| namespace.into());
        }
        // What is not read may look as it likes.
        if assemble::is_known(&id) {
            id.check().map_err(|message| missing("metadata.name", &message))?;
            if !id.namespace.is_empty() {
                value["metadata"]["namespace"] = id.namespace.clone().into();
            }
        }
        Ok(Self { file, lines, id, value })
    }

    /// Whether the object is of a kind that is read, and not one that another manifest already holds.
    fn check(&self, seen: &mut HashSet<Id>, findings: &mut Vec<Finding>) -> bool {
        if !assemble::is_known(&self.id) {
            findings.push(self.skipped());
            return false;
        }
        if !seen.insert(self.id.clone()) {
            findings.push(self.finding(Severity::Error, &self.twice()));
            return false;
        }
        true
    }

    fn findings<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = Finding> + 'a {
        let errors = report.violations.iter().map(|it| self.finding(Severity::Error, it));
        errors.chain(report.warnings.iter().map(|it| self.finding(Severity::Warning, it)))
    }

    fn finding(&self, severity: Severity, violation: &Violation) -> Finding {
        Finding {
            severity,
            file: self.file.to_path_buf(),
            line: self.lines.of(&violation.path),
            path: violation.path.clone(),
            message: violation.message.clone(),
        }
    }

    fn twice(&self) -> Violation {
        let message = format!("{} stands in the files twice; the first one counts", self.id);
        Violation::new("metadata.name", Reason::Duplicate, message)
    }

    fn skipped(&self) -> Finding {
        Finding {
            severity: Severity::Skipped,
            file: self.file.to_path_buf(),
            line: self.lines.of(""),
            path: String::new(),
            message: format!("{} is skipped: Rebound does not read this kind", self.id),
        }
    }
}

impl Id {
    /// The name, and the namespace if the kind has one, must be such that references can name them.
    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("is missing".into());
        }
        let namespace = if self.namespace.is_empty() { "none" } else { &self.namespace };
        ObjectKey::new(namespace, &self.name).map(|_| ()).map_err(|bad| bad.to_string())
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if self.severity == Severity::Warning {
            write!(f, "warning: ")?;
        }
        f.write_str(&self.message)
    }
}
