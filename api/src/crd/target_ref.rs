//! What a policy attaches to: a Service, or a ServiceImport that stands for Services of other clusters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{BadName, ObjectKey};
use crate::violation::{Reason, Violation};

/// The groups that define a ServiceImport, the standard one last.
pub const SERVICE_IMPORT_GROUPS: [&str; 3] =
    ["flomesh.io", "multicluster.flomesh.io", "multicluster.x-k8s.io"];

/// A Service or ServiceImport. The target may lie in another namespace if a ReferenceGrant there allows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// The API group: empty for a Service; `flomesh.io`, `multicluster.flomesh.io` or `multicluster.x-k8s.io` for a
    /// ServiceImport.
    #[serde(default)]
    #[garde(length(chars, max = 253))]
    pub group: String,
    /// `Service` or `ServiceImport`.
    #[garde(length(chars, min = 1, max = 63))]
    pub kind: String,
    /// The target's name.
    #[garde(length(chars, min = 1, max = 253))]
    pub name: String,
    /// The target's namespace; that of the policy if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// A target that a policy may attach to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Its namespace, filled in from the policy if need be, and its name.
    pub key: ObjectKey,
}

/// The kinds that a policy may attach to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// A Service of the core group.
    Service,
    /// A ServiceImport, with the one of [`SERVICE_IMPORT_GROUPS`] that the user wrote.
    ServiceImport(&'static str),
}

impl TargetRef {
    /// The target, with `namespace` standing in for a missing one. None if [`Self::check`] finds a mistake.
    pub fn resolve(&self, namespace: &str) -> Option<Target> {
        Some(Target { kind: self.target_kind()?, key: self.key(namespace).ok()? })
    }

    /// Every mistake, with paths below `path`.
    pub fn check(&self, path: &str, found: &mut Vec<Violation>) {
        if self.target_kind().is_none() {
            found.push(self.unsupported(path));
        }
        if let Some(namespace) = &self.namespace
            && let Err(bad) = ObjectKey::new(namespace.as_str(), "x")
        {
            found.push(Violation::new(format!("{path}.namespace"), Reason::Invalid, bad.to_string()));
        }
        if let Err(bad) = ObjectKey::new("x", self.name.as_str()) {
            found.push(Violation::new(format!("{path}.name"), Reason::Invalid, bad.to_string()));
        }
    }

    fn key(&self, namespace: &str) -> Result<ObjectKey, BadName> {
        ObjectKey::new(self.namespace.as_deref().unwrap_or(namespace), self.name.as_str())
    }

    fn target_kind(&self) -> Option<TargetKind> {
        match (self.group.as_str(), self.kind.as_str()) {
            ("", "Service") => Some(TargetKind::Service),
            (group, "ServiceImport") => {
                let group = SERVICE_IMPORT_GROUPS.into_iter().find(|it| *it == group);
                group.map(TargetKind::ServiceImport)
            }
            _ => None,
        }
    }

    fn unsupported(&self, path: &str) -> Violation {
        let allowed = "a Service (group \"\") or a ServiceImport (group `flomesh.io`, `multicluster.flomesh.io` or \
                       `multicluster.x-k8s.io`)";
        let (field, value) = match self.kind.as_str() {
            "Service" | "ServiceImport" => ("group", &self.group),
            _ => ("kind", &self.kind),
        };
        let message = format!("`{value}` does not name {allowed}");
        Violation::new(format!("{path}.{field}"), Reason::NotSupported, message)
    }
}
