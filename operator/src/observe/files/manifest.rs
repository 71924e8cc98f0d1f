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

/// Stands in for a name that is none, so that the rest of the object can be looked at.
const PLACEHOLDER: &str = "unnamed";

/// An object of a file.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub file: Arc<Path>,
    pub lines: Lines,
    pub id: Id,
    pub value: Value,
    /// What keeps anybody from saying which object this is.
    flaws: Vec<Violation>,
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
    /// Reads the identity of an object and fills in its namespace. Fails if the object does not even have a kind.
    pub(super) fn new(file: Arc<Path>, document: Document, namespace: &str) -> Result<Self, Finding> {
        let Document { value, lines } = document;
        let required = |field: &str| {
            text(&value[field]).and_then(|it| it.ok_or("is missing")).map_err(|message| Finding {
                severity: Severity::Error,
                file: file.to_path_buf(),
                line: lines.of(field),
                path: field.into(),
                message: message.into(),
            })
        };
        let group = required("apiVersion")?.split_once('/').map_or("", |(group, _)| group).to_owned();
        let kind = required("kind")?.to_owned();
        let id = Id { group, kind, name: String::new(), namespace: String::new() };
        let mut manifest = Self { file, lines, id, value, flaws: Vec::new() };
        manifest.identify(namespace);
        Ok(manifest)
    }

    fn identify(&mut self, namespace: &str) {
        let is_known = assemble::is_known(&self.id);
        if is_known && !matches!(self.value["metadata"], Value::Object(_) | Value::Null) {
            self.flaws.push(Violation::new("metadata", Reason::Invalid, "must be a map"));
            self.value["metadata"] = Value::Null;
        }
        let namespace = assemble::is_namespaced(&self.id).then_some(namespace);
        if is_known {
            self.id.name = self.name("name", None);
            self.id.namespace = namespace.map(|it| self.name("namespace", Some(it))).unwrap_or_default();
        } else {
            // What is not read may look as it likes.
            let field = |name: &str| self.value["metadata"][name].as_str();
            let (name, own) = (field("name").unwrap_or_default().into(), field("namespace"));
            self.id.namespace = namespace.map(|it| own.unwrap_or(it).into()).unwrap_or_default();
            self.id.name = name;
        }
    }

    /// A field that references can name. One that is missing is filled in.
    fn name(&mut self, field: &str, fallback: Option<&str>) -> String {
        let given = text(&self.value["metadata"][field]);
        let given = given.and_then(|it| it.or(fallback).ok_or("is missing")).map_err(str::to_owned);
        let name = given.and_then(|name| check_name(field, name).map(|()| name.to_owned()));
        let name = name.unwrap_or_else(|message| {
            self.flaws.push(Violation::new(format!("metadata.{field}"), Reason::Invalid, message));
            PLACEHOLDER.into()
        });
        self.value["metadata"][field] = name.clone().into();
        name
    }

    /// Whether it can be said which object this is.
    pub(super) fn is_identified(&self) -> bool {
        self.flaws.is_empty()
    }

    /// Refuses an object of a kind that is not read, or that another manifest already holds.
    pub(super) fn check(&self, seen: &mut HashSet<Id>) -> Result<(), Finding> {
        if !assemble::is_known(&self.id) {
            return Err(self.skipped());
        }
        if self.is_identified() && !seen.insert(self.id.clone()) {
            return Err(self.finding(Severity::Error, &self.twice()));
        }
        Ok(())
    }

    pub(super) fn findings<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = Finding> + 'a {
        let errors = self.flaws.iter().chain(&report.violations).map(|it| self.finding(Severity::Error, it));
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

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// A text; none: it is missing or empty.
fn text(value: &Value) -> Result<Option<&str>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        _ => Err("must be text"),
    }
}

fn check_name(field: &str, text: &str) -> Result<(), String> {
    let key = if field == "namespace" {
        ObjectKey::new(text, PLACEHOLDER)
    } else {
        ObjectKey::new(PLACEHOLDER, text)
    };
    key.map(|_| ()).map_err(|bad| bad.to_string())
}
