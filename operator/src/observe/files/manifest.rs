//! One object of a file, and who it is.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rebound_api::name::ObjectKey;
use rebound_api::violation::{Reason, Report, Violation};
use serde_json::Value;

use super::assemble;
use super::document::{Document, Lines};
use super::finding::{Finding, Severity};

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

impl Manifest {
    /// Reads the identity of an object and fills in its namespace.
    pub(super) fn new(file: Arc<Path>, document: Document, namespace: &str) -> Result<Self, Finding> {
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

    /// Refuses an object of a kind that is not read, or that another manifest already holds.
    pub(super) fn check(&self, seen: &mut HashSet<Id>) -> Result<(), Finding> {
        if !assemble::is_known(&self.id) {
            return Err(self.skipped());
        }
        if !seen.insert(self.id.clone()) {
            return Err(self.finding(Severity::Error, &self.twice()));
        }
        Ok(())
    }

    pub(super) fn findings<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = Finding> + 'a {
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

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}
