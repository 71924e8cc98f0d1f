//! What is checked about every kind of ours in the same way: shape, version, names, bounds, CEL rules; and the order
//! of reports.
//!
//! Works on the text of the user and on the schema that the API server gets, so that both say the same. Absent: what a
//! kind means; that stands with the kind.

mod bounds;
mod order;
pub(super) mod schema;
mod structure;
mod unions;
mod wrong_type;

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::name::ObjectKey;
use crate::violation::{Reason, Report, Violation};
use schema::Schema;
use structure::Mended;

pub(super) use structure::VIOLATIONS_MAX;

/// An object whose shape is right, or has been made right, and what was wrong with it.
#[derive(Debug)]
pub(super) struct Examined<'a, S> {
    /// None if it cannot be read, so that nobody could name the object.
    pub(super) metadata: Option<ObjectMeta>,
    /// Values that do not fit the schema are empty.
    pub(super) spec: S,
    written: &'a Value,
    mended: Mended,
    found: Vec<Violation>,
}

/// Examines an object that says it is of kind `K`. Never fails, whatever it holds.
pub(super) fn examine<'a, K, S>(object: &'a Value, schema: &'static Schema) -> Examined<'a, S>
where
    K: Resource<DynamicType = ()>,
    S: DeserializeOwned + Default + garde::Validate<Context = ()>,
{
    let mut mended = Mended::new(object, schema.root());
    let mut found = std::mem::take(&mut mended.violations);
    let metadata = read::<ObjectMeta>(&mended.object, "metadata", &mut found);
    let spec = read::<S>(&mended.object, "spec", &mut found).unwrap_or_default();
    let mut examined = Examined { metadata, spec, written: object, mended, found };
    examined.add(|examined, found| {
        kind::<K>(&examined.mended.object, found);
        examined.metadata.iter().for_each(|metadata| names(metadata, found));
        bounds::check(&examined.spec, schema, found);
        unions::check(&examined.mended.object, schema, found);
    });
    examined
}

impl<S> Examined<'_, S> {
    /// Adds what another check finds, but for what it says about stand-ins.
    pub(super) fn add<T>(&mut self, check: impl FnOnce(&Self, &mut Vec<Violation>) -> T) -> T {
        let mut found = Vec::new();
        let result = check(self, &mut found);
        found.retain(|violation| !self.is_stand_in(&violation.path));
        self.found.extend(found);
        result
    }

    /// Whether the value at `path`, or what it is a part of, was of no use and stands there empty.
    pub(super) fn is_stand_in(&self, path: &str) -> bool {
        self.mended.is_stand_in(path)
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// Every mistake and every remark, one for each place, in the order of the document; at most 100 of each. Then
    /// what could be read.
    pub(super) fn finish(self, warnings: Vec<Violation>) -> (Report, Option<ObjectMeta>, S) {
        let mut report = Report { violations: self.found, warnings };
        let mut seen = HashSet::new();
        for found in [&mut report.violations, &mut report.warnings] {
            put_in_order(found, self.written, &self.mended, &mut seen);
        }
        (report, self.metadata, self.spec)
    }
}

fn kind<K: Resource<DynamicType = ()>>(object: &Value, found: &mut Vec<Violation>) {
    for (field, wanted) in [("apiVersion", K::api_version(&())), ("kind", K::kind(&()))] {
        if object[field] != *wanted {
            found.push(Violation::new(field, Reason::NotSupported, format!("must be `{wanted}`")));
        }
    }
}

/// What the API server asks of every object; in files mode nobody else does.
fn names(metadata: &ObjectMeta, found: &mut Vec<Violation>) {
    let name = metadata.name.as_deref().map(|name| ObjectKey::new("x", name));
    let namespace = metadata.namespace.as_deref().map(|namespace| ObjectKey::new(namespace, "x"));
    for (path, key) in [("metadata.name", name), ("metadata.namespace", namespace)] {
        if let Some(Err(bad)) = key {
            found.push(Violation::new(path, Reason::Invalid, bad.to_string()));
        }
    }
}

/// A part of the object as its type. After the shape has been mended, that fails only where the schema says nothing: in
/// `metadata`.
fn read<T: DeserializeOwned>(object: &Value, field: &str, found: &mut Vec<Violation>) -> Option<T> {
    let complain = |error: serde_json::Error| {
        found.push(Violation::new(field, Reason::Invalid, error.to_string()));
    };
    T::deserialize(&object[field]).map_err(complain).ok()
}

/// One for each place, that of the earliest check: later ones see the same fault from further away. Paths are turned
/// back to what the user wrote.
fn put_in_order(found: &mut Vec<Violation>, object: &Value, mended: &Mended, seen: &mut HashSet<String>) {
    for violation in found.iter_mut() {
        violation.path = mended.as_written(&violation.path);
    }
    found.retain(|violation| seen.insert(violation.path.clone()));
    found.sort_by_cached_key(|violation| order::position(object, &violation.path));
    found.truncate(VIOLATIONS_MAX);
}
