//! What installs the operator, on a real API server: it applies as it is, gives the rights of the table and no others.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use hack::apiserver::Cluster;
use hack::install::rbac::{NAME, Scope, TABLE};
use hack::install::{NAMESPACE, webhook};
use hack::programs::workspace;
use hack::rig::poll;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn path(file: &str) -> String {
    workspace().join(file).display().to_string()
}

/// The API server that tests share, with the operator installed. Nobody removes it: the test that does has a server of
/// its own.
fn installed() -> Cluster {
    let cluster = Cluster::shared().unwrap();
    install(&cluster);
    cluster
}

fn install(cluster: &Cluster) -> String {
    let file = path("dist/install.yaml");
    let arguments = ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", &file];
    cluster.kubectl(&arguments).unwrap()
}

/// A right to ask about: verb, group, resource, subresource, name, namespace.
type Right<'a> = [&'a str; 6];

/// Whether each of these rights is held, as the API server sees it.
fn may(who: &Cluster, rights: &[Right<'_>]) -> Vec<bool> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for [verb, group, resource, subresource, name, namespace] in rights {
        let attributes = json!({
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name, "namespace": namespace,
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        writeln!(file, "---\n{review}").unwrap();
    }
    let file = file.path().to_str().unwrap();
    let answers = who
        .kubectl(&["create", "--validate=false", "-f", file, "-o", "jsonpath={.status.allowed}{\"\\n\"}"])
        .unwrap();
    answers.lines().map(|answer| answer == "true").collect()
}

fn by_name(yaml: &str) -> BTreeMap<String, Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    objects.into_iter().map(|object| (name(&object), whole(object))).collect()
}

/// The same with whole numbers where they are whole: 1.0 in one file is 1 in another.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 => json!(float as i64),
            Some(_) | None => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, whole(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

#[test]
fn the_all_in_one_file_is_what_kustomize_makes_of_the_folders() {
    let kustomized = Cluster::shared().unwrap().kubectl(&["kustomize", &path("config/default")]).unwrap();
    let file = std::fs::read_to_string(path("dist/install.yaml")).unwrap();
    let (kustomized, file) = (by_name(&kustomized), by_name(&file));
    assert_eq!(kustomized.keys().collect::<Vec<_>>(), file.keys().collect::<Vec<_>>());
    for (name, object) in &file {
        assert_eq!(&kustomized[name], object, "{name}");
    }
}

#[test]
fn with_cert_manager_the_certificate_is_mounted_where_the_operator_looks() {
    let made = Cluster::shared().unwrap().kubectl(&["kustomize", &path("config/certmanager")]).unwrap();
    let made = by_name(&made);
    let pod = &made[&format!("\"Deployment\" \"{NAME}\"")]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["args"], json!(["controller", "--webhook-certs", "directory"]));
    assert_eq!(container["volumeMounts"][0]["mountPath"], hack::install::cert_manager::DIRECTORY);
    assert_eq!(container["image"], hack::install::manager::OPERATOR_IMAGE, "the rest of it stays");
    let secret = &made[&format!("\"Certificate\" \"{}\"", webhook::SERVICE)]["spec"]["secretName"];
    assert_eq!(&pod["volumes"][0]["secret"]["secretName"], secret);
}

#[test]
fn it_applies_again_without_a_change_and_its_pods_pass_restricted_pod_security() {
    let cluster = installed();
    let deployment = ["get", "deployment", NAME, "-n", NAMESPACE, "-o"];
    let generation =
        || cluster.kubectl(&[&deployment[..], &["jsonpath={.metadata.generation}"]].concat()).unwrap();
    let before = generation();
    install(&cluster);
    assert_eq!(generation(), before);
    // They are created, and refused by nobody; nothing runs them here.
    let pods = || {
        let pods = cluster.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "name"]).unwrap();
        (pods.lines().count() == 2).then_some(())
    };
    poll(SOON, pods).unwrap();
}

#[test]
fn the_operator_may_do_what_the_table_says() {
    let operator = installed().as_service_account(NAMESPACE, NAME).unwrap();
    let mut rights = Vec::new();
    for grant in TABLE {
        let namespace = if grant.scope == Scope::OwnNamespace { NAMESPACE } else { "default" };
        let (resource, subresource) = grant.resource.split_once('/').unwrap_or((grant.resource, ""));
        let name = grant.names.first().copied().unwrap_or_default();
        rights.extend(
            grant.verbs.iter().map(|verb| [verb.name(), grant.group, resource, subresource, name, namespace]),
        );
    }
    let held = may(&operator, &rights);
    assert_eq!(held.len(), rights.len());
    for (right, held) in rights.iter().zip(held) {
        assert!(held, "{right:?}");
    }
}

#[test]
fn the_operator_may_do_nothing_that_would_give_it_the_cluster() {
    let operator = installed().as_service_account(NAMESPACE, NAME).unwrap();
    let (rbac, crd, admission) =
        ("rbac.authorization.k8s.io", "apiextensions.k8s.io", "admissionregistration.k8s.io");
    let rights = [
        ["get", "", "secrets", "", "", "default"],
        ["list", "", "secrets", "", "", "default"],
        ["list", "", "secrets", "", "", NAMESPACE],
        ["watch", "", "secrets", "", "", "default"],
        ["create", "", "secrets", "", "", "default"],
        ["delete", "", "secrets", "", "", "default"],
        ["create", rbac, "clusterroles", "", "", ""],
        ["create", rbac, "clusterrolebindings", "", "", ""],
        ["get", rbac, "clusterroles", "", "cluster-admin", ""],
        ["escalate", rbac, "roles", "", "", "default"],
        ["bind", rbac, "roles", "", "", "default"],
        ["impersonate", "", "users", "", "", ""],
        ["create", "", "pods", "", "", "default"],
        ["create", "", "pods", "exec", "", "default"],
        ["create", "", "serviceaccounts", "token", "", "default"],
        ["patch", "", "nodes", "", "", ""],
        ["patch", crd, "customresourcedefinitions", "", "", ""],
        ["patch", admission, "mutatingwebhookconfigurations", "", "", ""],
        ["patch", admission, "validatingwebhookconfigurations", "", "of-somebody-else", ""],
        ["patch", "gateway.networking.k8s.io", "gateways", "", "", "default"],
        ["patch", "gateway.flomesh.io", "retrypolicies", "", "", "default"],
        ["*", "*", "*", "", "", ""],
    ];
    for (right, held) in rights.iter().zip(may(&operator, &rights)) {
        assert!(!held, "{right:?}");
    }
    let at_home = [["create", "", "secrets", "", "", NAMESPACE]];
    assert_eq!(may(&operator, &at_home), [true], "its own certificate is at home");
}

#[test]
fn users_write_policies_by_the_roles_that_they_have() {
    let cluster = installed();
    let namespace = cluster.namespace("users").unwrap();
    let name = namespace.name();
    namespace.kubectl(&["create", "serviceaccount", "developer"]).unwrap();
    let account = format!("--serviceaccount={name}:developer");
    namespace.kubectl(&["create", "rolebinding", "developer", "--clusterrole=edit", &account]).unwrap();
    let developer = cluster.as_service_account(name, "developer").unwrap();
    let right = |verb, resource| [verb, "gateway.flomesh.io", resource, "", "", name];
    // A controller adds the rules to the role `edit`.
    poll(SOON, || (may(&developer, &[right("create", "retrypolicies")]) == [true]).then_some(())).unwrap();
    let others = [right("get", "gatewayconfigs"), right("create", "gatewayconfigs")];
    assert_eq!(may(&developer, &others), [true, false]);
}
