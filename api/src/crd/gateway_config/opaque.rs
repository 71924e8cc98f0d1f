//! Values that Kubernetes defines: opaque in the schema, and read here as Kubernetes' own types.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::crd::strict::VIOLATIONS_MAX;
use crate::violation::{Reason, Violation};

/// Reads the value at `path`. A field that the type does not know is refused: Kubernetes would drop it in silence.
/// So is one that must be there: it would be refused where no user looks, in the objects that are made.
pub(super) fn read<T>(path: &str, value: &Value, found: &mut Vec<Violation>) -> Option<T>
where
    T: DeserializeOwned + Serialize,
{
    let typed =
        T::deserialize(value).map_err(|error| Violation::new(path, Reason::Invalid, error.to_string()));
    let typed = typed.map_err(|violation| found.push(violation)).ok()?;
    let kept = serde_json::to_value(&typed).unwrap_or_default();
    compare(path, value, &kept, found);
    Some(typed)
}

/// Reads each item of a list.
pub(super) fn list<T>(path: &str, items: &[Value], found: &mut Vec<Violation>) -> Vec<T>
where
    T: DeserializeOwned + Serialize,
{
    let items = items.iter().enumerate();
    items.filter_map(|(index, item)| read(&format!("{path}[{index}]"), item, found)).collect()
}

/// What was written, and what the type keeps of it: it drops fields that it does not know, and always has those that
/// must be there.
fn compare(path: &str, written: &Value, kept: &Value, found: &mut Vec<Violation>) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => fields(path, written, kept, found),
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                compare(&format!("{path}[{index}]"), written, kept, found);
            }
        }
        _ => {}
    }
}

fn fields(path: &str, written: &Map<String, Value>, kept: &Map<String, Value>, found: &mut Vec<Violation>) {
    let is_written = |name: &str| written.get(name).is_some_and(|value| !value.is_null());
    for (name, value) in written.iter().filter(|(name, _)| is_written(name)) {
        if found.len() >= VIOLATIONS_MAX {
            return;
        }
        let path = format!("{path}.{name}");
        match kept.get(name) {
            Some(kept) => compare(&path, value, kept, found),
            None => {
                let message = format!("`{name}` is not a field that Kubernetes knows here");
                found.push(Violation::new(path, Reason::NotSupported, message));
            }
        }
    }
    for name in kept.keys().filter(|name| !is_written(name)) {
        let path = format!("{path}.{name}");
        found.push(Violation::new(path, Reason::Required, format!("`{name}` is missing")));
    }
}
