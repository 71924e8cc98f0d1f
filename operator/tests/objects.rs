//! The objects that are made for a Gateway, as goldens.
//!
//! Every test is a file `tests/data/objects/NAME.in.yaml` of manifests; `NAME.out.yaml` holds what is made of them, as
//! kubectl can apply it. `UPDATE_GOLDEN=1` rewrites the outputs: review their diff like code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rebound_operator::app;
use rebound_operator::build::{Family, Install, keeps_what_it_has, objects};
use rebound_operator::cli::Objects;
use rebound_operator::observe::files::Files;
use rebound_operator::observe::world::{Observed, World};
use rebound_operator::status::conditions::progress::{Needs, Outcome};
use rebound_operator::status::conditions::statuses;
use rebound_operator::status::document::ObjectStatus;
use rebound_operator::validate::verdict::Verdicts;
use rebound_operator::validate::{self, Accepted, object};
use serde_json::{Value, json};

const DATA: &str = "tests/data/objects";

macro_rules! goldens {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            golden(stringify!($name));
        })+

        /// A golden that no test reads is no test.
        #[test]
        fn every_golden_has_its_test() {
            let tests = [$(stringify!($name)),+];
            for entry in std::fs::read_dir(DATA).unwrap() {
                let file = entry.unwrap().file_name().into_string().unwrap();
                assert!(tests.contains(&file.split('.').next().unwrap()), "{DATA}/{file} has no test");
            }
        }
    };
}

goldens! {
    a_gateway_without_a_listener_to_serve
    a_minimal_gateway
    a_name_at_the_limit
    everything_that_can_be_configured
    ports_of_listeners
}

#[track_caller]
fn golden(name: &str) {
    let input = std::fs::read_to_string(Path::new(DATA).join(name).with_extension("in.yaml")).unwrap();
    let output = Path::new(DATA).join(name).with_extension("out.yaml");
    let found: String = built(&world(&input), Family::V4).iter().map(document).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&output, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&output).unwrap_or_default();
    assert!(found == expected, "{} differs; UPDATE_GOLDEN=1 rewrites it. Now:\n{found}", output.display());
}

fn document(object: &Value) -> String {
    format!("---\n{}\n", serde_saphyr::to_string(object).unwrap().trim_end())
}

/// What a cluster would show for these manifests.
fn world(manifests: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.yaml"), manifests).unwrap();
    let objects = Objects { namespace: "default".into(), backends: Vec::new() };
    let mut files = Files::new(app::settings(vec![folder.path().into()], objects));
    let mut world = files.observe(object::admit).world.clone();
    world.around().one_address = false;
    for gateway in &mut world.around().gateways {
        gateway.uid = Some(format!("uid-of-{}", gateway.key.namespace()));
    }
    world
}

fn decide(world: &World) -> (Accepted, Verdicts) {
    validate::decide(world, &mut <_>::default())
}

/// The objects of every Gateway.
fn built(world: &World, family: Family) -> Vec<Value> {
    let install = Install {
        operator_image: "rebound/operator:0.1.0".into(),
        dataplane_image: "rebound/dataplane:0.1.0".into(),
        family,
        ..Install::default()
    };
    let (accepted, _) = decide(world);
    accepted.gateways.iter().flat_map(|gateway| objects(gateway, &install)).collect()
}

fn gateway(spec: &Value) -> World {
    let mut spec = spec.clone();
    spec["gatewayClassName"] = "fsm".into();
    spec["listeners"] = json!([{ "name": "http", "protocol": "HTTP", "port": 80 }]);
    let metadata = json!({ "name": "web", "namespace": "shop" });
    let api_version = "gateway.networking.k8s.io/v1";
    let gateway = json!({ "apiVersion": api_version, "kind": "Gateway", "metadata": metadata, "spec": spec });
    world(&gateway.to_string())
}

/// Every status, before anything has been applied.
fn said(verdicts: &Verdicts) -> Vec<Arc<ObjectStatus>> {
    let (applied, fleets, needs) = (&[], &BTreeMap::new(), &Needs::default());
    statuses(&Outcome { verdicts, applied, fleets, needs }, &mut <_>::default())
}

/// `Accepted` of the only Gateway, as status, reason and message.
fn accepted(world: &World) -> [String; 3] {
    let (_, verdicts) = decide(world);
    let statuses = serde_json::to_value(said(&verdicts)).unwrap();
    let gateway = statuses.as_array().unwrap().iter().find(|it| it["kind"] == "Gateway").unwrap();
    let condition = &gateway["status"]["conditions"][0];
    assert_eq!(condition["type"], "Accepted");
    ["status", "reason", "message"].map(|field| condition[field].as_str().unwrap().to_owned())
}

#[test]
fn an_address_that_no_service_can_ask_for_is_refused_and_named() {
    let cases = [
        (
            json!([{ "type": "Hostname", "value": "example.com" }]),
            "[0]: type Hostname is not in this version",
        ),
        (
            json!([{ "value": "192.0.2.1" }, { "value": "192.0.2.2" }]),
            "[1]: a Service can ask for one address only",
        ),
        (json!([{ "value": "example.com" }]), "[0]: `example.com` is not an IP address"),
    ];
    for (addresses, expected) in cases {
        let world = gateway(&json!({ "addresses": addresses }));
        let [status, reason, message] = accepted(&world);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "UnsupportedAddress"), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(built(&world, Family::V4).is_empty());
        let (accepted, _) = decide(&world);
        assert_eq!(accepted.refused.len(), 1, "what it has stays");
    }
    let any = gateway(&json!({ "addresses": [{ "type": "IPAddress" }] }));
    assert_eq!(accepted(&any)[0], "True");
}

#[test]
fn of_two_gateways_whose_objects_would_be_one_the_older_is_served() {
    let manifests: String = [("a-b", "c", 1), ("a", "b-c", 2)]
        .map(|(name, class, year)| {
            format!(
                "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: {class}}}
spec: {{controllerName: gateway.flomesh.io/rebound}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop, creationTimestamp: \"200{year}-01-01T00:00:00Z\"}}
spec: {{gatewayClassName: {class}, listeners: [{{name: http, protocol: HTTP, port: 80}}]}}
---
"
            )
        })
        .concat();
    let world = world(&manifests);
    let (accepted, _) = decide(&world);
    let names = |keys: Vec<&str>| keys.join(" ");
    assert_eq!(names(accepted.gateways.iter().map(|it| it.key.name()).collect()), "a-b");
    assert_eq!(names(accepted.refused.iter().map(|it| it.key.name()).collect()), "a");
    assert!(accepted.refused[0].message.contains("Gateway shop/a-b"), "{}", accepted.refused[0].message);
}

/// Where the webhook did not see it: it was off, or the object is older than its rules.
#[test]
fn a_config_that_is_not_valid_refuses_the_gateway_with_every_mistake() {
    let parameters = json!({ "group": "gateway.flomesh.io", "kind": "GatewayConfig", "name": "own" });
    let mut world = gateway(&json!({ "infrastructure": { "parametersRef": parameters } }));
    let metadata = json!({ "name": "own", "namespace": "shop" });
    let spec = json!({ "replicas": 0, "dataplane": { "driver": "Iouring" } });
    let config = json!({ "apiVersion": "gateway.flomesh.io/v1alpha1", "kind": "GatewayConfig", "metadata": metadata, "spec": spec });
    let meta = serde_json::from_value(metadata).unwrap();
    let observed = Observed::new(&meta, config).unwrap();
    world.around().configs.insert(observed.key.clone(), observed);
    let [status, reason, message] = accepted(&world);
    assert_eq!((status.as_str(), reason.as_str()), ("False", "InvalidParameters"), "{message}");
    assert!(message.contains("spec.replicas: must be 1 to 1000"), "{message}");
    assert!(
        message.contains("spec.dataplane.driver: `Iouring` is not one of Auto, Uring, Epoll"),
        "{message}"
    );
    assert!(built(&world, Family::V4).is_empty());
}

#[test]
fn the_port_of_the_probes_belongs_to_no_listener() {
    let text = std::fs::read_to_string(Path::new(DATA).join("ports_of_listeners.in.yaml")).unwrap();
    let (_, verdicts) = decide(&world(&text));
    let statuses = serde_json::to_value(said(&verdicts)).unwrap();
    let gateway = statuses.as_array().unwrap().iter().find(|it| it["kind"] == "Gateway").unwrap();
    let admin = &gateway["status"]["listeners"][4]["conditions"][0];
    assert_eq!((&admin["status"], &admin["reason"]), (&json!("False"), &json!("PortUnavailable")), "{admin}");
}

#[test]
fn an_edit_of_listeners_and_routes_never_changes_a_pod() {
    let deployment = |world: &World| {
        let objects = built(world, Family::V4);
        objects.into_iter().find(|it| it["kind"] == "Deployment").unwrap()
    };
    let mut world = gateway(&json!({}));
    let before = deployment(&world);
    world.around().gateways[0].generation = Some(7);
    world.around().gateways[0].object.spec.listeners[0].port = 8080;
    assert_eq!(deployment(&world), before);
}

#[test]
fn what_a_gateway_has_outlives_its_last_listener() {
    let mut world = gateway(&json!({}));
    let keeps = |world: &World| keeps_what_it_has(&decide(world).0.gateways[0]);
    assert!(!keeps(&world));
    world.around().gateways[0].object.spec.listeners[0].port = 0;
    assert!(keeps(&world));
}

#[test]
fn in_a_cluster_of_ipv6_everything_listens_there() {
    let objects = built(&gateway(&json!({})), Family::V6);
    let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let args = |container: &Value| container["args"].as_array().unwrap().clone();
    let proxy = args(&pod["containers"][0]);
    assert!(proxy.contains(&json!("--bind=::")) && proxy.contains(&json!("--admin=[::]:9901")), "{proxy:?}");
    assert!(args(&pod["initContainers"][0]).contains(&json!("--dataplane=[::1]:9901")));
}

#[test]
fn only_the_agent_can_speak_to_the_api_server() {
    let objects = built(&gateway(&json!({})), Family::V4);
    let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], json!(false));
    let has_token = |container: &Value| {
        container["volumeMounts"].as_array().unwrap().iter().any(|it| it["name"] == "token")
    };
    assert!(has_token(&pod["initContainers"][0]) && !has_token(&pod["containers"][0]));
}

#[test]
fn the_agent_understands_what_its_container_is_started_with() {
    use clap::Parser;
    let objects = built(&gateway(&json!({})), Family::V4);
    let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let args = deployment["spec"]["template"]["spec"]["initContainers"][0]["args"].as_array().unwrap();
    let args = args.iter().map(|it| it.as_str().unwrap().to_owned());
    // The environment of the container, by which the pod knows itself.
    let own = ["--namespace=shop", "--pod=web-1"].map(str::to_owned);
    let cli = rebound_operator::cli::Cli::try_parse_from(["x".to_owned()].into_iter().chain(args).chain(own));
    let rebound_operator::cli::Command::Agent(agent) = cli.unwrap().command else { panic!("not the agent") };
    assert_eq!((agent.manifest.as_str(), agent.report.as_str()), ("web-fsm-config", "web-fsm-report"));
    assert_eq!(agent.out, Path::new("/run/rebound/snapshot"));
}
