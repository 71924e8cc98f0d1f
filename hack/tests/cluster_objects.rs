//! The objects that are made for a Gateway, as a real API server sees them: valid, kept as they are written, and with
//! no more rights than they need. The objects are the goldens of the operator's tests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use hack::apiserver::{Cluster, TestNamespace};
use hack::programs::workspace;
use serde_json::{Value, json};

const FULL: &str = "everything_that_can_be_configured";

/// The goldens below `folder` whose names end in `suffix`.
fn goldens(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_meant = |path: &PathBuf| path.to_str().unwrap().ends_with(suffix);
    let mut found: Vec<_> = entries.filter(is_meant).collect();
    found.sort();
    assert!(!found.is_empty(), "{folder}");
    found
}

fn read(path: &PathBuf) -> Vec<Value> {
    serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap()
}

fn golden(name: &str) -> Vec<Value> {
    read(&workspace().join(format!("operator/tests/data/objects/{name}.out.yaml")))
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap()
}

/// A namespace that lets in nothing but what the restricted standard allows.
fn restricted() -> TestNamespace {
    let namespace = Cluster::shared().unwrap().namespace("objects").unwrap();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    Cluster::shared().unwrap().kubectl(&["label", "namespace", namespace.name(), label]).unwrap();
    namespace
}

/// The objects in `namespace` and without their owner, which does not exist there: the garbage collector would take
/// them away.
fn moved(objects: &[Value], namespace: &TestNamespace) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        object["metadata"]["namespace"] = namespace.name().into();
        object["metadata"].as_object_mut().unwrap().remove("ownerReferences");
        let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
        for subject in subjects.into_iter().flatten() {
            subject["namespace"] = namespace.name().into();
        }
    }
    objects
}

fn apply(namespace: &TestNamespace, objects: &[Value], arguments: &[&str]) -> anyhow::Result<String> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
    let fixed = ["--server-side", "--validate=strict", "-n", namespace.name()];
    Cluster::shared()?.apply(&list, &[&fixed[..], arguments].concat())
}

/// A bare Pod of the Deployment's template. Nobody else tells whether Pod Security lets it in.
fn pod(objects: &[Value]) -> Value {
    let template = &of_kind(objects, "Deployment")["spec"]["template"];
    let metadata = json!({ "name": "one", "labels": template["metadata"]["labels"] });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

#[test]
fn every_object_is_valid() {
    let namespace = restricted();
    for path in goldens("operator/tests/data/objects", ".out.yaml") {
        let objects = moved(&read(&path), &namespace);
        let applied = apply(&namespace, &objects, &["--dry-run=server"]);
        let applied = applied.unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        assert_eq!(applied.lines().count(), objects.len(), "{applied}");
    }
}

#[test]
fn every_pod_is_let_in_where_only_restricted_ones_are() {
    let namespace = restricted();
    for path in goldens("operator/tests/data/objects", ".out.yaml") {
        let objects = moved(&read(&path), &namespace);
        if objects.iter().all(|object| object["kind"] != "Deployment") {
            continue;
        }
        apply(&namespace, &[of_kind(&objects, "ServiceAccount").clone()], &[]).unwrap();
        let mut pod = pod(&objects);
        apply(&namespace, &[pod.clone()], &["--dry-run=server"])
            .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        // The namespace does refuse what is not restricted.
        pod["spec"]["initContainers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
        let refusal = apply(&namespace, &[pod], &["--dry-run=server"]).unwrap_err();
        assert!(format!("{refusal:#}").contains("violates PodSecurity"), "{refusal:#}");
    }
}

/// Else the operator would see a difference, and write, for ever.
#[test]
fn what_is_written_is_what_is_kept() {
    let namespace = restricted();
    for name in ["a_minimal_gateway", FULL] {
        let objects = moved(&golden(name), &namespace);
        apply(&namespace, &objects, &[]).unwrap();
        for object in &objects {
            let (kind, name) =
                (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            let kept = namespace.kubectl(&["get", kind, name, "-o", "json"]).unwrap();
            is_kept(kind, object, &serde_json::from_str(&kept).unwrap());
        }
    }
}

/// Every field of `written` stands in `kept`; the API server adds fields of its own.
fn is_kept(path: &str, written: &Value, kept: &Value) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (name, value) in written {
                is_kept(&format!("{path}.{name}"), value, kept.get(name).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            assert_eq!(written.len(), kept.len(), "{path}");
            for (index, (written, kept)) in written.iter().zip(kept).enumerate() {
                is_kept(&format!("{path}[{index}]"), written, kept);
            }
        }
        _ => assert_eq!(written, kept, "{path}"),
    }
}

#[test]
fn an_agent_reads_its_own_configuration_writes_its_report_and_may_do_nothing_else() {
    let namespace = restricted();
    let objects = moved(&golden("a_minimal_gateway"), &namespace);
    apply(&namespace, &objects[..4], &[]).unwrap();
    namespace.kubectl(&["create", "configmap", "web-fsm-config"]).unwrap();
    namespace.kubectl(&["create", "configmap", "web-fsm-config-v1-0"]).unwrap();
    let agent = Cluster::shared().unwrap().as_service_account(namespace.name(), "web-fsm").unwrap();
    let may = |arguments: &[&str]| {
        let arguments = [arguments, &["-n", namespace.name()]].concat();
        match agent.kubectl(&arguments) {
            Ok(_) => true,
            Err(error) => {
                assert!(format!("{error:#}").contains("forbidden"), "{arguments:?}: {error:#}");
                false
            }
        }
    };
    let watch = ["get", "configmap", "--field-selector=metadata.name=web-fsm-config"];
    assert!(may(&watch));
    assert!(may(&[&watch[..], &["--watch", "--request-timeout=1s"]].concat()));
    assert!(may(&["get", "configmap", "web-fsm-config-v1-0"]));
    let report = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web-fsm-report" }, "data": { "web-1": "{}" } });
    let manager = ["--server-side", "--field-manager=rebound-agent-web-1", "-n", namespace.name()];
    agent.apply(&report.to_string(), &manager).unwrap();

    assert!(!may(&["get", "configmap"]));
    assert!(!may(&["get", "configmap", "kube-root-ca.crt"]));
    assert!(!may(&["get", "secret"]));
    assert!(!may(&["get", "gateway"]));
    assert!(!may(&["delete", "configmap", "web-fsm-report"]));
    assert!(!may(&["patch", "configmap", "web-fsm-config", "--type=merge", "-p", "{}"]));
}

/// `check` is at least as strict as the schema: nothing that it lets pass is refused later.
#[test]
fn a_gateway_config_without_a_violation_is_accepted_and_kept() {
    let namespace = Cluster::shared().unwrap().namespace("configs").unwrap();
    let sample = workspace().join("config/samples/gateway_config.yaml");
    let mut accepted = 0;
    for path in goldens("api/tests/data/configs", ".yaml").into_iter().chain([sample]) {
        let [config] = &read(&path)[..] else { panic!("{}", path.display()) };
        let checked = rebound_api::crd::gateway_config::check(config);
        if checked.settings.is_none() {
            continue;
        }
        let mut config = config.clone();
        let name = path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
        config["metadata"] = json!({ "name": name, "namespace": namespace.name() });
        config.as_object_mut().unwrap().remove("status");
        apply(&namespace, &[config.clone()], &[])
            .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        let kept = namespace.kubectl(&["get", "gatewayconfig", &name, "-o", "json"]).unwrap();
        is_kept("spec", &config["spec"], &serde_json::from_str::<Value>(&kept).unwrap()["spec"]);
        accepted += 1;
    }
    assert!(accepted >= 5, "{accepted}");
}

#[test]
fn the_schema_refuses_what_it_can_say() {
    let namespace = Cluster::shared().unwrap().namespace("configs").unwrap();
    let refusal = |spec: &Value| {
        let metadata = json!({ "name": "x", "namespace": namespace.name() });
        let config = json!({ "apiVersion": "gateway.flomesh.io/v1alpha1", "kind": "GatewayConfig", "metadata": metadata, "spec": spec });
        format!("{:#}", apply(&namespace, &[config], &["--dry-run=server"]).unwrap_err())
    };
    let both = refusal(&json!({ "replicas": 2, "autoscaling": { "maxReplicas": 3 } }));
    assert!(both.contains("exclude each other"), "{both}");
    let bound = refusal(&json!({ "replicas": 0 }));
    assert!(bound.contains("spec.replicas"), "{bound}");
    let profile = refusal(&json!({ "dataplane": { "seccompProfile": { "type": "Localhost" } } }));
    assert!(profile.contains("localhostProfile"), "{profile}");
}
