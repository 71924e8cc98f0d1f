//! A private key appears in nothing that the programs say or write, also when it is not where or what it should be.
//! Without an API server: in files mode, and in what the controller says on its way to one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hack::canary::Canary;
use hack::cleanup::Process;
use hack::collector::{Collector, Receiver};
use hack::programs::Programs;
use hack::rig::{Rig, SEED_PORT, poll, sample};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

/// The seed's Gateway, and one that asks for a certificate.
fn gateways() -> String {
    let tls = json!({ "mode": "Terminate", "certificateRefs": [{ "name": "canary" }] });
    let listener = json!({ "name": "https", "protocol": "HTTPS", "port": 8443, "tls": tls });
    let spec = json!({ "gatewayClassName": "fsm", "listeners": [listener] });
    let gateway = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": { "name": "tls" }, "spec": spec });
    format!("{}\n---\n{gateway}\n", sample("gateway_route.yaml").unwrap())
}

/// Manifests that hold the key: right ones, and what becomes of them by mistakes.
fn manifests(canary: &Canary) -> Vec<(&'static str, String)> {
    let Canary { certificate, key, word } = canary;
    let metadata = json!({ "name": "canary", "annotations": { "note": word } });
    let secret = |field: &str, data: serde_json::Value| json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, field: data });
    let encoded = |text: &str| STANDARD.encode(text);
    let data = json!({ "tls.crt": encoded(certificate), "tls.key": encoded(key), "other": encoded(word) });
    let right = secret("data", data);
    let plain = secret("stringData", json!({ "tls.crt": certificate, "tls.key": key, "other": word }));
    let map = |kind: &str| json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata, "data": { "tls.key": key } });
    let policy =
        json!({ "apiVersion": "gateway.flomesh.io/v1alpha1", "kind": "RetryPolicy", "metadata": metadata });
    let indented = key.replace('\n', "\n    ");
    let one_line = canary.on_one_line();
    vec![
        ("right", right.to_string()),
        ("plain", plain.to_string()),
        ("list", json!({ "apiVersion": "v1", "kind": "List", "items": [right, plain] }).to_string()),
        ("another_kind", map("ConfigMap").to_string()),
        ("unknown_kind", map("Sekret").to_string()),
        (
            "no_name",
            json!({ "apiVersion": "v1", "kind": "Secret", "stringData": { "tls.key": key } }).to_string(),
        ),
        ("no_kind", json!({ "apiVersion": "v1", "stringData": { "tls.key": key } }).to_string()),
        ("no_object", json!(key).to_string()),
        ("a_policy_of_the_name", policy.to_string()),
        (
            "block",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: c}}\nstringData:\n  tls.key: |\n    {indented}"
            ),
        ),
        (
            "not_indented",
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: c}}\nstringData:\n  tls.key: |\n{key}"),
        ),
        (
            "no_block",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: c}}\nstringData:\n  tls.key: {key}  {word}: {word}: {word}\n"
            ),
        ),
        ("unquoted", format!("stringData: {{tls.key: {one_line}: [, other: {word}\n")),
        ("bad_tag", format!("stringData: !!int {one_line}\n")),
        ("alias", format!("stringData: *{word}\n")),
        ("quote", format!("stringData: \"{one_line}\n{word}\n")),
        ("escape", format!("stringData: \"{one_line}\\q\"\n")),
        ("twice", format!("stringData: {{ tls.key: {one_line}, tls.key: {word} }}\n")),
        ("pem", format!("{word}\n{key}")),
    ]
}

/// What a command says, at its most talkative.
fn said(arguments: &[&str]) -> String {
    let mut command = Command::new(Programs::for_tests().unwrap().operator);
    let output = command.args(arguments).env("RUST_LOG", "trace").output().unwrap();
    let texts = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    texts.concat()
}

/// Everything in a folder, names and contents.
fn contents(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| format!("{}\n{}\n", path.display(), String::from_utf8_lossy(&fs::read(&path).unwrap())))
        .collect()
}

#[track_caller]
fn assert_silent(canary: &Canary, what: &str, text: &str) {
    assert_eq!(canary.leaked(text), None, "{what}:\n{text}");
}

#[test]
fn no_key_among_the_manifests_is_told_by_a_command() {
    let canary = Canary::new("shop.example").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in manifests(&canary) {
        let (file, out) = (folder.path().join(format!("{name}.yaml")), folder.path().join(name));
        fs::write(&file, format!("{}\n---\n{text}\n", gateways())).unwrap();
        let (file, to) = (file.to_str().unwrap(), out.to_str().unwrap());
        let commands: [&[&str]; 3] =
            [&["validate", file], &["validate", "-o", "json", file], &["render", "-f", file, "--out", to]];
        for command in commands {
            let said = said(command);
            assert!(!said.is_empty(), "{name}: {command:?}");
            assert_silent(&canary, &format!("{name}: {command:?}"), &said);
        }
        assert_silent(&canary, name, &contents(&out));
    }
}

#[test]
fn no_key_among_the_manifests_is_told_by_a_running_product() {
    let canary = Canary::new("shop.example").unwrap();
    let collector = Collector::start(Receiver::Python).unwrap();
    let endpoint = collector.endpoint();
    let variables = [("RUST_LOG", "trace"), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let (gateways, manifests) = (gateways(), manifests(&canary));
    let files = [("gateways.yaml", gateways.as_str()), ("right.yaml", manifests[0].1.as_str())];
    let rig = Rig::start(&Programs::for_tests().unwrap(), 0, SEED_PORT, &files, &variables).unwrap();
    for (name, text) in &manifests {
        rig.put(&format!("{name}.yaml"), text).unwrap();
    }
    // The last of them has been read when something after it is.
    rig.apply("z.yaml", &sample("retry_policy.yaml").unwrap()).unwrap();
    let spans = || {
        let spans = collector.spans().unwrap();
        spans.iter().any(|span| span.name == "reconcile").then(|| format!("{spans:?}"))
    };
    let metrics = String::from_utf8(rig.about("/metrics").unwrap().body).unwrap();
    let said = [
        ("spans", poll(SOON, spans).unwrap()),
        ("logs", rig.log()),
        ("metrics", metrics),
        ("output", contents(&rig.manifests().with_file_name("out"))),
    ];
    for (what, text) in said {
        assert_silent(&canary, what, &text);
    }
}

/// The controller, before an API server that is not there.
struct Controller {
    process: Process,
    // After the process: its log goes with it.
    folder: TempDir,
}

impl Controller {
    /// `user` is what the kubeconfig says of the user.
    fn start(user: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters:\n- name: c\n  cluster:\n    server: https://{nobody}\n\
             contexts:\n- name: c\n  context:\n    cluster: c\n    user: c\n\
             users:\n- name: c\n  user:\n{user}"
        );
        fs::write(&kubeconfig, text).unwrap();
        let mut command = Command::new(Programs::for_tests().unwrap().operator);
        command.args(["controller", "--admin", "127.0.0.1:0"]).args(flags);
        command.env("KUBECONFIG", &kubeconfig).env("RUST_LOG", "trace");
        let log = File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self { process: Process::start(&mut command).unwrap(), folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

#[test]
fn no_key_of_a_kubeconfig_that_cannot_be_used_is_told() {
    let canary = Canary::new("admin").unwrap();
    let Canary { certificate, key, word } = &canary;
    let (good, line) = (STANDARD.encode(key), canary.on_one_line());
    let certificate = format!("    client-certificate-data: {}\n", STANDARD.encode(certificate));
    let users = [
        // Not PEM, not base64, not YAML, and YAML of another shape.
        format!("{certificate}    client-key-data: {}\n", STANDARD.encode(&line)),
        format!("{certificate}    client-key-data: {}\n", STANDARD.encode(key.replace("-----END", "-----"))),
        format!("{certificate}    client-key-data: \"{line}\"\n"),
        format!("{certificate}    client-key-data: {good}\n   token: {word}\n"),
        format!("{certificate}    client-key-data: [{good}]\n    token: {word}\n"),
        format!("{certificate}    client-key-data: {good}\n    token: [{word}]\n"),
        format!("{certificate}    client-key-data: {good}\n    client-key-data: {good}\n"),
        format!("{certificate}    client-key-data: {good}\n    exec: {word}\n"),
        format!("{certificate}    client-key: {good}\n    exec: [\n"),
    ];
    for user in users {
        let mut controller = Controller::start(&user, &["--webhook-certs", "off"]);
        let ended = controller.process.wait(SOON).unwrap();
        assert_eq!(ended.and_then(|it| it.code()), Some(2), "{}", controller.log());
        assert_silent(&canary, "log", &controller.log());
    }
}

#[test]
fn no_key_of_the_webhook_that_cannot_be_used_is_told() {
    let (canary, other) = (Canary::new("webhook.test").unwrap(), Canary::new("webhook.test").unwrap());
    let Canary { certificate, key, word } = &canary;
    let end = key.replace("-----END", "-----");
    let keys = [&canary.on_one_line(), &end, &key[..key.len() / 2], &key.replace("BEGIN", word), &other.key];
    for key in keys {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tls.crt"), certificate).unwrap();
        fs::write(folder.path().join("tls.key"), key).unwrap();
        let flags = ["--webhook", "127.0.0.1:0", "--webhook-cert-dir", folder.path().to_str().unwrap()];
        let controller = Controller::start(&format!("    token: {word}\n"), &flags);
        let complained = || controller.log().contains("keeps the certificate").then_some(());
        assert!(poll(SOON, complained).is_some(), "{}", controller.log());
        assert_silent(&canary, "log", &controller.log());
        assert_silent(&other, "log", &controller.log());
    }
}
