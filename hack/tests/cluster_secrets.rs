//! A private key appears in nothing that the operator says or writes, wherever in a cluster it meets one: at a listener,
//! at its webhook, in what it shares with other replicas, and in its own credentials.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::canary::Canary;
use hack::collector::{Collector, Receiver};
use hack::install::NAMESPACE;
use hack::netns::Namespace;
use hack::objects::{BASE, backend, gateway, policy, route, service, target};
use hack::operator_rig::{self, Operator};
use hack::pod_rig::Pod;
use hack::rig::poll;
use hack::statuses::{self, SAID_MAX, Subject};
use rebound_operator::webhook::self_managed::{SECRET, SECRET_KEY};
use serde_json::{Value, json};

/// A listener with the key of `canary`, and something beside it that is broken.
fn objects(canary: &Canary) -> Vec<Value> {
    let data = json!({ "tls.crt": canary.certificate, "tls.key": canary.key, "other": canary.word });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "canary", "annotations": { "note": canary.word } }, "stringData": data });
    let mut gateway = gateway("web");
    let tls = json!({ "mode": "Terminate", "certificateRefs": [{ "name": "canary" }] });
    let https = json!({ "name": "https", "protocol": "HTTPS", "port": 8443, "tls": tls });
    gateway["spec"]["listeners"].as_array_mut().unwrap().push(https);
    let missing = policy("missing", &target("nobody"));
    vec![secret, gateway, service("s"), route("r", &backend("s")), policy("p", &target("s")), missing]
}

/// What the operator is given: its token, and a certificate with a key that the API server asks for and has no use for.
fn kubeconfig(rights: &Cluster, canary: &Canary, path: &Path) {
    let text = fs::read_to_string(rights.kubeconfig()).unwrap();
    let [certificate, key] = [&canary.certificate, &canary.key].map(|pem| STANDARD.encode(pem));
    let user = format!("    client-certificate-data: {certificate}\n    client-key-data: {key}\n");
    fs::write(path, format!("{text}{user}")).unwrap();
}

fn token(kubeconfig: &Path) -> String {
    let text = fs::read_to_string(kubeconfig).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap().to_owned()
}

/// Every object of every kind but one, as its readers see it, with the configurations that ConfigMaps hold.
fn everything_but_secrets(cluster: &Cluster) -> String {
    let kinds = cluster.kubectl(&["api-resources", "--verbs=list", "-o", "name"]).unwrap();
    let kinds: Vec<_> = kinds.lines().filter(|kind| *kind != "secrets").collect();
    let get = ["get", &kinds.join(","), "-A", "-o", "json", "--show-managed-fields"];
    let text = cluster.kubectl(&get).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    // Shards, also those that manifests carry.
    let data = list["items"].as_array().unwrap().iter().filter_map(|it| it["binaryData"].as_object());
    let parts = data.flat_map(|data| data.values()).filter_map(Value::as_str);
    parts.fold(text.clone(), |mut text, part| {
        let part = STANDARD.decode(part).unwrap();
        ZlibDecoder::new(&part[..]).read_to_string(&mut text).unwrap();
        text
    })
}

/// The key that replicas share.
fn shared_key(cluster: &Cluster) -> Option<String> {
    let path = format!("jsonpath={{.data.{}}}", SECRET_KEY.replace('.', "\\."));
    let keyring = cluster.kubectl(&["get", "secret", SECRET, "-n", NAMESPACE, "-o", &path]).ok()?;
    let keyring: Value = serde_json::from_slice(&STANDARD.decode(keyring).ok()?).ok()?;
    keyring["serving"]["key"].as_str().map(str::to_owned)
}

/// Waits until the operator has done all that it does with `objects`, and shows its certificate.
fn await_done(namespace: &TestNamespace, operator: &Operator) {
    operator.await_leading().unwrap();
    let said = [
        ("gateway/web", ["Accepted=True/ListenersNotValid", "Programmed=True/Programmed"]),
        ("retrypolicy/p", ["Accepted=True/Accepted", "Programmed=True/Programmed"]),
    ];
    for (name, expected) in said {
        statuses::await_said(namespace, Subject::of(name), &expected)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log_end()));
    }
    let ready = || operator.about("/readyz").ok().filter(|it| !it.contains("webhook"));
    assert!(poll(SAID_MAX, ready).is_some(), "{}", operator.log_end());
}

#[test]
fn no_key_and_no_token_is_told() {
    let [listener, webhook, own] = [(); 3].map(|()| Canary::new("127.0.0.1").unwrap());
    let environment = Environment::start().unwrap();
    let cluster = environment.cluster();
    let rights = operator_rig::install(cluster).unwrap();
    let namespace = cluster.namespace("secrets").unwrap();
    namespace.apply_all(&objects(&listener)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    kubeconfig(&rights, &own, &at("kubeconfig"));
    fs::write(at("tls.crt"), &webhook.certificate).unwrap();
    fs::write(at("tls.key"), format!("{}\n{}", webhook.word, webhook.key)).unwrap();
    let collector = Collector::start(Receiver::Otelcol).unwrap();
    let endpoint = collector.endpoint();
    let variables = [("RUST_LOG", "trace"), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];

    let directory = ["--webhook", "127.0.0.1:0", "--webhook-cert-dir", folder.path().to_str().unwrap()];
    let operator = Operator::spawn_with(&at("kubeconfig"), &directory, &variables).unwrap();
    statuses::await_object(&namespace, &format!("deployment/{BASE}")).unwrap();
    let pod = Pod::start(cluster, &namespace, BASE, Namespace::new().unwrap()).unwrap();
    await_done(&namespace, &operator);
    let mut said = vec![("log", operator.log()), ("metrics", operator.about("/metrics").unwrap())];
    operator.stop().unwrap();

    // Nobody asks it: policies are there already.
    let own_keys = ["--webhook", "127.0.0.1:0", "--webhook-certs", "self-managed"];
    let own_keys = [&own_keys[..], &["--webhook-url", "https://127.0.0.1:9"]].concat();
    let operator = Operator::spawn_with(&at("kubeconfig"), &own_keys, &variables).unwrap();
    await_done(&namespace, &operator);
    let mut shared = Canary::new("127.0.0.1").unwrap();
    shared.key = poll(SAID_MAX, || shared_key(cluster)).unwrap();
    said.extend([("log", operator.log()), ("metrics", operator.about("/metrics").unwrap())]);
    operator.stop().unwrap();

    said.push(("agent and data plane", pod.logs()));
    said.push(("objects", everything_but_secrets(cluster)));
    let spans = || Some(collector.lines().concat()).filter(|lines| lines.contains("reconcile"));
    said.push(("spans", poll(SAID_MAX, spans).unwrap()));
    let seen = ["\"reason\":\"ListenersNotValid\"", "TargetNotFound", "\\\"driver\\\"", "\"routes\""];
    let objects = &said.iter().find(|(what, _)| *what == "objects").unwrap().1;
    for sign in seen {
        let objects = objects.replace("\": ", "\":");
        assert!(objects.contains(sign), "statuses, events, reports and configurations are looked at: {sign}");
    }
    let token = token(&at("kubeconfig"));
    for (what, text) in said {
        for (whose, canary) in
            [("listener", &listener), ("webhook", &webhook), ("own", &own), ("shared", &shared)]
        {
            assert_eq!(canary.leaked(&text), None, "the {whose} key in: {what}");
        }
        assert!(!text.contains(&token), "the token in: {what}");
    }
}
