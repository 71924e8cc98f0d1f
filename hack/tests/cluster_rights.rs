//! The operator under exactly the rights that it is installed with, from its start to the last trace of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use hack::apiserver::{Cluster, Environment};
use hack::cleanup::{Folder, Process};
use hack::install::NAMESPACE;
use hack::install::rbac::{CERTIFICATES, CLASS, NAME};
use hack::programs::{Programs, workspace};
use hack::rig::{SEED, SEED_POLICY, poll, sample};

const SOON: Duration = Duration::from_secs(30);
/// What the operator makes carries this.
const MADE: &str = "app.kubernetes.io/managed-by=rebound-operator";
/// What installs it carries this.
const INSTALLED: &str = "app.kubernetes.io/part-of=rebound";
/// The base of the names of what the seed's Gateway gets.
const BASE: &str = "simple-fsm-gateway-fsm";

const AUTOSCALED: &str = "\
apiVersion: gateway.flomesh.io/v1alpha1
kind: GatewayConfig
metadata: {name: autoscaled}
spec: {autoscaling: {maxReplicas: 3}}
";
const WRONG: &str = "\
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: wrong}
spec:
  targetRef: {kind: Service, name: fortio}
  config: {retryOn: [5xxx]}
";

/// An operator that runs as its ServiceAccount, and the API server that it works on.
struct Rig {
    environment: Environment,
    operator: Process,
    folder: Folder,
}

impl Rig {
    fn start() -> Self {
        let (environment, folder) = (Environment::start().unwrap(), Folder::new().unwrap());
        let file = workspace().join("dist/install.yaml").display().to_string();
        environment.cluster().kubectl(&["apply", "--server-side", "-f", &file]).unwrap();
        let account = environment.cluster().as_service_account(NAMESPACE, NAME).unwrap();
        let webhook = free_address();
        let mut command = Command::new(Programs::for_tests().unwrap().operator);
        command.args([
            "controller",
            "--namespace",
            NAMESPACE,
            "--admin",
            "127.0.0.1:0",
            "--webhook",
            &webhook,
        ]);
        command.args(["--webhook-certs", "self-managed", "--webhook-url", &format!("https://{webhook}")]);
        command.env("KUBECONFIG", account.kubeconfig());
        command.stderr(File::create(folder.path().join("log")).unwrap());
        let operator = Process::start(&mut command).unwrap();
        Self { environment, operator, folder }
    }

    fn cluster(&self) -> &Cluster {
        self.environment.cluster()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until an object is as a JSON path says.
    #[track_caller]
    fn awaits(&self, object: &[&str], path: &str, expected: &str) {
        let path = format!("jsonpath={path}");
        let get = || self.cluster().kubectl(&[&["get"], object, &["-n", "server", "-o", &path]].concat());
        let found = poll(SOON, || get().ok().filter(|found| found == expected));
        assert!(found.is_some(), "{object:?}: {:?}\n{}", get(), self.log());
    }

    /// Everything with a label, of every kind that can be listed.
    fn labelled(&self, label: &str) -> Vec<String> {
        let kinds = self.cluster().kubectl(&["api-resources", "--verbs=list", "-o", "name"]).unwrap();
        let kinds = kinds.lines().filter(|kind| !kind.starts_with("events")).collect::<Vec<_>>().join(",");
        let list = ["get", &kinds, "-A", "-l", label, "-o", "name", "--ignore-not-found"];
        self.cluster().kubectl(&list).unwrap().lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn is_rid_of(&self, label: &str) {
        let gone = poll(SOON, || self.labelled(label).is_empty().then_some(()));
        assert!(gone.is_some(), "{:?}\n{}", self.labelled(label), self.log());
    }
}

/// An address that was free a moment ago: the API server has to be told before the webhook listens.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn the_operator_works_with_its_own_rights_and_leaves_nothing_behind() {
    let mut rig = Rig::start();
    serves_the_seed(&rig);
    scales_as_it_is_told(&rig);
    refuses_what_is_wrong(&rig);
    let log = rig.log();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    leaves_nothing_behind(&mut rig);
}

fn serves_the_seed(rig: &Rig) {
    rig.cluster().kubectl(&["create", "namespace", "server"]).unwrap();
    for name in SEED.into_iter().chain([SEED_POLICY]) {
        rig.cluster().apply(&sample(name).unwrap(), &["-n", "server"]).unwrap();
    }
    let accepted = "{.conditions[?(@.type==\"Accepted\")].status}";
    let of = |list: &str| format!("{{.status.{list}[0]{}", accepted.trim_start_matches('{'));
    rig.awaits(&["gatewayclass", CLASS], &format!("{{.status{}", accepted.trim_start_matches('{')), "True");
    rig.awaits(&["httproute", "fortio-route"], &of("parents"), "True");
    rig.awaits(&["retrypolicy", "retry-policy-sample"], &of("ancestors"), "True");
    for kind in ["deployment", "service", "serviceaccount", "role", "rolebinding", "poddisruptionbudget"] {
        rig.awaits(&[kind, BASE], "{.metadata.name}", BASE);
    }
    for name in [format!("{BASE}-config"), format!("{BASE}-config-v1-0"), format!("{BASE}-report")] {
        rig.awaits(&["configmap", &name], "{.metadata.name}", &name);
    }
    let events = || rig.cluster().kubectl(&["get", "events", "-n", "server"]).unwrap();
    poll(SOON, || events().contains("gateway/simple-fsm-gateway").then_some(())).unwrap();
}

/// What is not wanted any more is taken away.
fn scales_as_it_is_told(rig: &Rig) {
    rig.cluster().apply(AUTOSCALED, &["-n", "server"]).unwrap();
    let reference = r#"{"group": "gateway.flomesh.io", "kind": "GatewayConfig", "name": "autoscaled"}"#;
    for (reference, found) in [(reference, BASE), ("null", "")] {
        let patch = format!(r#"{{"spec": {{"infrastructure": {{"parametersRef": {reference}}}}}}}"#);
        let gateway =
            ["patch", "gateway", "simple-fsm-gateway", "-n", "server", "--type=merge", "-p", &patch];
        rig.cluster().kubectl(&gateway).unwrap();
        rig.awaits(
            &[
                "horizontalpodautoscaler",
                "--ignore-not-found",
                "--field-selector",
                &format!("metadata.name={BASE}"),
            ],
            "{.items[*].metadata.name}",
            found,
        );
    }
}

fn refuses_what_is_wrong(rig: &Rig) {
    let secret = ["get", "secret", CERTIFICATES, "-n", NAMESPACE, "-o", "name"];
    assert!(rig.cluster().kubectl(&secret).is_ok(), "the replicas share a certificate");
    // API servers learn of a webhook after a moment.
    let dry = ["-n", "server", "--dry-run=server"];
    let refused = || rig.cluster().apply(WRONG, &dry).err().map(|error| format!("{error:#}"));
    let said = poll(SOON, refused).unwrap();
    assert!(said.contains("spec.config.retryOn[0]"), "{said}");
}

/// In the order of `docs/tasks/install.md`.
fn leaves_nothing_behind(rig: &mut Rig) {
    rig.cluster().kubectl(&["delete", "gateways", "--all-namespaces", "--all"]).unwrap();
    rig.is_rid_of("gateway.networking.k8s.io/gateway-name");
    rig.operator.end(SOON).unwrap();
    let file = workspace().join("dist/install.yaml").display().to_string();
    rig.cluster().kubectl(&["delete", "-f", &file, "--timeout=50s"]).unwrap();
    rig.is_rid_of(MADE);
    rig.is_rid_of(INSTALLED);
    let owned = ["get", "gatewayclasses,validatingwebhookconfigurations", "-o", "name"];
    assert_eq!(rig.cluster().kubectl(&owned).unwrap(), "");
}
