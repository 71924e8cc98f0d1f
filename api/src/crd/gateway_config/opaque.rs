//! Values that Kubernetes defines: opaque in the schema, and read here as Kubernetes' own types.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::violation::{Reason, Violation};

/// Reads the value at `path`. A field that the type does not know is refused: Kubernetes would drop it in silence.
pub(super) fn read<T>(path: &str, value: &Value, found: &mut Vec<Violation>) -> Option<T>
where
    T: DeserializeOwned + Serialize,
{
    let typed =
        T::deserialize(value).map_err(|error| Violation::new(path, Reason::Invalid, error.to_string()));
    let typed = typed.map_err(|violation| found.push(violation)).ok()?;
    let kept = serde_json::to_value(&typed).unwrap_or_default();
    lost(path, value, &kept, found);
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

/// Every field of `written` that is not in `kept`.
fn lost(path: &str, written: &Value, kept: &Value, found: &mut Vec<Violation>) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (name, value) in written.iter().filter(|(_, value)| !value.is_null()) {
                let path = format!("{path}.{name}");
                match kept.get(name) {
                    Some(kept) => lost(&path, value, kept, found),
                    None => {
                        let message = format!("`{name}` is not a field that Kubernetes knows here");
                        found.push(Violation::new(path, Reason::NotSupported, message));
                    }
                }
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                lost(&format!("{path}[{index}]"), written, kept, found);
            }
        }
        _ => {}
    }
}
