//! Does the object have the shape of the schema? Wrong types, unknown fields, missing fields, unknown enum values.
//!
//! What does not fit is replaced by an empty value of the right type, so that the rest can still be checked as typed
//! values; whatever later checks say about such a stand-in is dropped. A mistyped field name is read as the name that
//! was probably meant. Bounds are not checked here.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Value};

use super::schema;
use super::wrong_type;
use crate::violation::{Reason, Violation, hint, nearest};

/// The most violations that one check reports; an object with more is none of ours.
pub(in crate::crd) const VIOLATIONS_MAX: usize = 100;

/// An object in the shape of the schema, and what had to be done to it. Paths are those of the mended object until
/// [`Mended::as_written`] turns them back.
#[derive(Debug, Default)]
pub(super) struct Mended {
    pub(super) object: Value,
    pub(super) violations: Vec<Violation>,
    stand_ins: BTreeSet<String>,
    renamed: BTreeMap<String, String>,
}

impl Mended {
    /// Brings `object` into the shape of `schema`.
    pub(super) fn new(object: &Value, schema: &JSONSchemaProps) -> Self {
        let mut mended = Self::default();
        mended.object = mended.value("", schema, object);
        mended
    }

    /// Whether the value at `path` is a stand-in or part of one.
    pub(super) fn is_stand_in(&self, path: &str) -> bool {
        prefixes(path).any(|prefix| self.stand_ins.contains(prefix))
    }

    /// The path as the user spelt it.
    pub(super) fn as_written(&self, path: &str) -> String {
        let known = prefixes(path).filter_map(|prefix| Some((prefix, self.renamed.get(prefix)?))).last();
        known.map_or_else(|| path.into(), |(prefix, written)| format!("{written}{}", &path[prefix.len()..]))
    }

    fn value(&mut self, path: &str, schema: &JSONSchemaProps, value: &Value) -> Value {
        if let Some((reason, message)) = wrong_type::complaint(schema, value) {
            return self.stand_in(path, schema, reason, message);
        }
        match value {
            Value::Object(fields) if schema.properties.is_some() => self.object(path, schema, fields),
            Value::Object(entries) => self.map(path, schema, entries),
            Value::Array(items) => self.array(path, schema, items),
            Value::Number(number) if schema.type_.as_deref() != Some("number") => {
                wrong_type::integer(number).map_or_else(|| value.clone(), Value::from)
            }
            other => other.clone(),
        }
    }

    fn object(&mut self, path: &str, schema: &JSONSchemaProps, fields: &Map<String, Value>) -> Value {
        let mut mended = Map::new();
        for (name, value) in fields {
            match property(schema, name) {
                // As the API server has it: a null is no field.
                Some(_) if value.is_null() => {}
                Some(node) => drop(mended.insert(name.clone(), self.value(&join(path, name), node, value))),
                None => mended.extend(self.unknown_field(path, schema, fields, name)),
            }
        }
        for name in schema.required.iter().flatten() {
            if let (false, Some(node)) = (mended.contains_key(name), property(schema, name)) {
                let missing = format!("`{name}` is missing");
                mended
                    .insert(name.clone(), self.stand_in(&join(path, name), node, Reason::Required, missing));
            }
        }
        Value::Object(mended)
    }

    /// Reports a field that the schema does not know; gives its value under the name that was probably meant, if that
    /// is still free.
    fn unknown_field(
        &mut self,
        path: &str,
        schema: &JSONSchemaProps,
        fields: &Map<String, Value>,
        name: &str,
    ) -> Option<(String, Value)> {
        if self.is_full() {
            return None;
        }
        let at = join(path, name);
        let known = || schema.properties.iter().flatten().map(|(name, _)| name.as_str());
        let hint = match hint(name, known()) {
            none if none.is_empty() => format!("; known here are {}", known().collect::<Vec<_>>().join(", ")),
            hint => hint,
        };
        self.complain(&at, Reason::NotSupported, format!("`{name}` is not a field{hint}"));
        let free =
            |known: &&str| !fields.contains_key(*known) && !self.renamed.contains_key(&join(path, known));
        let meant = nearest(name, known().filter(free))?;
        let meant_at = join(path, meant);
        self.renamed.insert(meant_at.clone(), self.as_written(&at));
        Some((meant.to_owned(), self.value(&meant_at, property(schema, meant)?, &fields[name])))
    }

    /// What the schema leaves open is left alone. A map that is too large is refused for that.
    fn map(&mut self, path: &str, schema: &JSONSchemaProps, entries: &Map<String, Value>) -> Value {
        let Some(entry) = schema::entry(schema) else { return Value::Object(entries.clone()) };
        let max = schema.max_properties.and_then(|max| usize::try_from(max).ok());
        if let Some(max) = max.filter(|max| entries.len() > *max) {
            let message = format!("holds {} entries, more than {max}", entries.len());
            return self.stand_in(path, schema, Reason::OutOfRange, message);
        }
        let mended = |(name, value): (&String, _)| {
            (name.clone(), self.value(&format!("{path}[{name}]"), entry, value))
        };
        Value::Object(entries.iter().map(mended).collect())
    }

    /// A list that is too long is refused for that: more of it is not looked at.
    fn array(&mut self, path: &str, schema: &JSONSchemaProps, items: &[Value]) -> Value {
        let Some(item) = schema::item(schema) else { return Value::Array(items.to_vec()) };
        let looked_at = schema.max_items.map_or(items.len(), |max| usize::try_from(max).unwrap_or(0) + 1);
        let mended = |(index, value)| self.value(&format!("{path}[{index}]"), item, value);
        Value::Array(items.iter().take(looked_at).enumerate().map(mended).collect())
    }

    fn stand_in(&mut self, path: &str, schema: &JSONSchemaProps, reason: Reason, message: String) -> Value {
        self.complain(path, reason, message);
        self.stand_ins.insert(path.into());
        empty(schema)
    }

    fn complain(&mut self, path: &str, reason: Reason, message: String) {
        if !self.is_full() {
            self.violations.push(Violation::new(path, reason, message));
        }
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX
    }
}

/// An empty value of the type that `schema` wants.
fn empty(schema: &JSONSchemaProps) -> Value {
    if let Some(first) = schema.enum_.iter().flatten().next() {
        return first.0.clone();
    }
    match schema.type_.as_deref() {
        Some("object") => {
            let node = |name: &String| Some((name.clone(), empty(schema.properties.as_ref()?.get(name)?)));
            Value::Object(schema.required.iter().flatten().filter_map(node).collect())
        }
        Some("array") => Value::Array(Vec::new()),
        Some("string") => Value::String(String::new()),
        Some("boolean") => Value::Bool(false),
        _ => Value::from(0),
    }
}

fn property<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    schema.properties.as_ref()?.get(name)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// For `a.b[0]`: the empty path of the object itself, `a`, `a.b` and `a.b[0]`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.match_indices(['.', '[']).map(|(end, _)| end);
    [0].into_iter().chain(inner).chain([path.len()]).map(|end| &path[..end])
}
