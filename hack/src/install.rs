//! What installs the operator, as Kubernetes objects: the folders of `config/`, in the layout that kubebuilder made
//! known, and the rights from the operator's own table.
//!
//! Pure: plain values, which `generate` writes as files. Absent: the OLM bundle, which `generate::bundle` makes from the
//! same deployment, rights and webhook.

pub mod cert_manager;
pub mod manager;
pub mod network;
/// The operator's table of rights: the same file, and not a dependency on the operator, which would bring a client,
/// a runtime and TLS into every `cargo xtask`.
#[path = "../../operator/src/rbac.rs"]
pub mod rbac;
pub mod roles;
pub mod users;
pub mod webhook;

use serde_json::{Map, Value, json};

use self::rbac::NAME;

/// Where the operator runs, unless the user says otherwise.
pub const NAMESPACE: &str = "rebound-system";
/// The version of everything that is installed together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A folder of `config/`.
#[derive(Debug)]
pub struct Folder {
    /// Its name.
    pub name: &'static str,
    /// Its files, in the order in which they are to be applied.
    pub files: Vec<File>,
}

/// A file with one object.
#[derive(Debug, Clone)]
pub struct File {
    /// Its name.
    pub name: String,
    /// The object.
    pub object: Value,
}

/// The folders that `config/default` puts together after its namespace and `crd`, in the order in which they are to be
/// applied.
#[must_use]
pub fn folders() -> Vec<Folder> {
    vec![
        Folder { name: "rbac", files: [roles::files(), users::files()].concat() },
        Folder { name: "webhook", files: webhook::files() },
        Folder { name: "manager", files: manager::files() },
        Folder { name: "network-policy", files: network::files() },
    ]
}

/// What every object of the installation is labelled with.
#[must_use]
pub fn labels() -> Value {
    json!({ "app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "rebound", "app.kubernetes.io/version": VERSION })
}

/// What tells the operator's pods from all others.
#[must_use]
pub fn selector() -> Value {
    json!({ "app.kubernetes.io/name": NAME })
}

fn file(name: &str, object: Value) -> File {
    File { name: format!("{name}.yaml"), object }
}

/// An object without a namespace; `body` is everything beside its metadata.
fn cluster_wide(api_version: &str, kind: &str, name: &str, body: Value) -> Value {
    object(api_version, kind, json!({ "name": name, "labels": labels() }), body)
}

/// An object in the operator's namespace.
fn namespaced(api_version: &str, kind: &str, name: &str, body: Value) -> Value {
    object(api_version, kind, json!({ "name": name, "namespace": NAMESPACE, "labels": labels() }), body)
}

fn object(api_version: &str, kind: &str, metadata: Value, body: Value) -> Value {
    let mut object = Map::from_iter([
        ("apiVersion".to_owned(), json!(api_version)),
        ("kind".to_owned(), json!(kind)),
        ("metadata".to_owned(), metadata),
    ]);
    if let Value::Object(body) = body {
        object.extend(body);
    }
    Value::Object(object)
}
