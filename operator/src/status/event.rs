//! Events: what is told about an object beside its status.
//!
//! An event is a courtesy: one that cannot be written is not tried again.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use serde_json::Value;

use super::merge;
use crate::live::Id;

/// The most characters of an event's note (Kubernetes API).
const NOTE_MAX: usize = 1024;

/// That a condition has turned.
pub(super) fn turned(condition: &Value) -> Event {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let kind = if merge::is_good(condition) { EventType::Normal } else { EventType::Warning };
    event(kind, text("type"), text("reason"), text("message"))
}

/// That an object of our name is another controller's.
pub(super) fn foreign(note: &str) -> Event {
    event(EventType::Warning, "LeaveAlone", "OtherController", note)
}

/// Publishes an event about one object.
pub(super) async fn tell(recorder: &Recorder, event: &Event, id: &Id, uid: Option<&str>) {
    let resource = &id.kind.resources()[0];
    let regarding = ObjectReference {
        api_version: Some(resource.api_version.clone()),
        kind: Some(resource.kind.clone()),
        name: Some(id.name.clone()),
        namespace: Some(id.namespace.clone()).filter(|it| !it.is_empty()),
        uid: uid.map(str::to_owned),
        ..ObjectReference::default()
    };
    if let Err(error) = recorder.publish(event, &regarding).await {
        tracing::debug!(object = %id, %error, "an event is lost");
    }
}

fn event(type_: EventType, action: &str, reason: &str, note: &str) -> Event {
    let note = note.chars().take(NOTE_MAX).collect();
    Event { type_, reason: reason.into(), note: Some(note), action: action.into(), secondary: None }
}
