//! What the statuses of objects on an API server say, as tests write it: `Accepted=False/Invalid`.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::apiserver::TestNamespace;
use crate::rig::poll;

/// How long the operator may take to say something, on a machine that does other things too.
pub const SAID_MAX: Duration = Duration::from_secs(30);

/// What is spoken about: `gateway/web`, and perhaps one listener of it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// As kubectl takes it.
    pub object: &'a str,
    /// The listener; none: the object itself.
    pub listener: Option<&'a str>,
}

/// An object as it is now; none: it does not exist.
#[must_use]
pub fn object(namespace: &TestNamespace, name: &str) -> Option<Value> {
    serde_json::from_str(&namespace.kubectl(&["get", name, "-o", "json"]).ok()?).ok()
}

/// Waits until the object exists.
///
/// # Errors
/// When it does not in time.
pub fn await_object(namespace: &TestNamespace, name: &str) -> anyhow::Result<Value> {
    poll(SAID_MAX, || object(namespace, name)).with_context(|| format!("there is no {name}"))
}

/// Waits until everything is said of the subject, and returns the object.
///
/// # Errors
/// When it is not in time; with what is said instead.
pub fn await_said(
    namespace: &TestNamespace,
    subject: Subject<'_>,
    expected: &[&str],
) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    let found = poll(SAID_MAX, || {
        last = object(namespace, subject.object)?;
        let said = said(&last, subject.listener);
        expected.iter().all(|expected| said.iter().any(|it| it == expected)).then_some(())
    });
    match found {
        Some(()) => Ok(last),
        None => bail!("{subject:?} does not say {expected:?}: {:#}", last["status"]),
    }
}

/// Every condition of an object or of its listener, as `Type=Status/Reason`.
#[must_use]
pub fn said(object: &Value, listener: Option<&str>) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let status = &object["status"];
    let parts = match listener {
        Some(name) => list(&status["listeners"]).into_iter().filter(|it| it["name"] == name).collect(),
        None => [vec![status.clone()], list(&status["parents"]), list(&status["ancestors"])].concat(),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = parts.iter().flat_map(|part| list(&part["conditions"]));
    let said = |it: Value| format!("{}={}/{}", text(&it["type"]), text(&it["status"]), text(&it["reason"]));
    conditions.map(said).collect()
}

/// The status of an object without the times of its conditions.
#[must_use]
pub fn timeless(object: &Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("lastTransitionTime");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut status = object["status"].clone();
    strip(&mut status);
    status
}

impl<'a> Subject<'a> {
    /// The object itself.
    #[must_use]
    pub fn of(object: &'a str) -> Self {
        Self { object, listener: None }
    }
}
