//! `rebound-operator run`: what it watches, and how it keeps data planes. The data plane is a fake that only lives and
//! dies; that requests are served is tested with the real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rebound_api::config::Snapshot;
use support::{BACKEND, Folder, GATEWAY, eventually, operator, within};

const POLICY: &str = "\
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: retry}
spec:
  targetRef: {kind: Service, name: web}
  ports:
  - port: 80
    config: {retryOn: [5xx], numRetries: 5, backoffBaseInterval: 2}
";

/// Changes are noticed by events: the operator looks again without one only every 10 s.
const NOTICE_MAX: Duration = Duration::from_secs(8);

/// A running operator; killed when dropped.
struct Running<'a> {
    folder: &'a Folder,
    child: Child,
}

impl<'a> Running<'a> {
    fn start(folder: &'a Folder) -> Self {
        let out = folder.out();
        Self::with(folder, &["--out", out.to_str().unwrap()])
    }

    fn with(folder: &'a Folder, args: &[&str]) -> Self {
        let stdout = File::create(folder.path("stdout")).unwrap();
        let stderr = File::create(folder.path("stderr")).unwrap();
        let mut command = operator();
        command.arg("run").arg("-f").arg(folder.input()).args(["--backend", BACKEND]).args(args);
        command.args(["--bind", "127.9.9.9", "--dataplane", "tests/data/fake_dataplane.sh"]);
        // A group of its own, as a shell gives to each command.
        command.process_group(0);
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        Self { folder, child }
    }

    fn stdout(&self) -> String {
        std::fs::read_to_string(self.folder.path("stdout")).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// What a terminal does on Ctrl-C.
    fn interrupt_group(&self) {
        killpg(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        eventually("the operator ends", || self.child.try_wait().unwrap())
    }

    #[track_caller]
    fn await_snapshot(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
        within(NOTICE_MAX, what, || self.folder.snapshot().filter(|it| holds(it)))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // SIGTERM, so that it takes its data planes along.
            self.signal(Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// The lines that the fake data plane of a Gateway has written.
fn notes(folder: &Folder, gateway: &str) -> Vec<String> {
    let path = folder.out().join(format!("default_{gateway}.snapshot.log"));
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn retries(snapshot: &Snapshot) -> Option<u8> {
    snapshot.clusters[0].retry.as_ref().map(|retry| retry.retries_max)
}

#[test]
fn it_says_where_everything_is_and_drains_on_sigterm() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let mut running = Running::start(&folder);
    let expected = [
        format!("out={}", folder.out().display()),
        "gateway=default/gw admin=127.0.0.1:1234".into(),
        "gateway=default/gw listening=127.9.9.9:8080".into(),
    ];
    eventually("three lines", || (running.stdout().lines().count() == 3).then_some(()));
    assert_eq!(running.stdout().lines().collect::<Vec<_>>(), expected);
    let started = notes(&folder, "gw");
    assert!(started[0].ends_with("127.9.9.9 127.0.0.1:0"), "{started:?}");
    running.signal(Signal::SIGTERM);
    assert!(running.end().success());
    assert_eq!(notes(&folder, "gw").last().unwrap(), "drained");
}

#[test]
fn ctrl_c_drains_like_sigterm() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let mut running = Running::start(&folder);
    eventually("a start", || notes(&folder, "gw").first().cloned());
    running.interrupt_group();
    assert!(running.end().success());
    assert_eq!(notes(&folder, "gw").last().unwrap(), "drained");
}

#[test]
fn a_temporary_folder_goes_with_the_program() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let mut running = Running::with(&folder, &["--admin", "127.9.9.9:0"]);
    let out = eventually("the folder", || {
        let stdout = running.stdout();
        let line = stdout.lines().find(|line| line.contains("listening="));
        line.and(stdout.lines().next()?.strip_prefix("out=").map(str::to_owned))
    });
    assert!(std::path::Path::new(&out).join("status.yaml").exists());
    running.signal(Signal::SIGINT);
    assert!(running.end().success());
    assert!(!std::path::Path::new(&out).exists());
}

#[test]
fn a_data_plane_that_dies_is_started_again() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let _running = Running::start(&folder);
    let first = eventually("a start", || notes(&folder, "gw").first().cloned());
    let id: i32 = first.split(' ').nth(1).unwrap().parse().unwrap();
    kill(Pid::from_raw(id), Signal::SIGKILL).unwrap();
    let second = eventually("a second start", || notes(&folder, "gw").get(1).cloned());
    assert!(second.starts_with("started ") && second != first);
}

#[test]
fn the_data_plane_of_a_gateway_that_is_gone_drains_and_the_others_live() {
    let other = GATEWAY
        .replace("name: gw", "name: other")
        .replace("8080", "8081")
        .replace("name: web}\nspec", "name: o}\nspec");
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("other.yaml", &other)]);
    let running = Running::start(&folder);
    for gateway in ["gw", "other"] {
        eventually("a start", || notes(&folder, gateway).first().cloned());
    }
    folder.remove("other.yaml");
    eventually("drained", || (notes(&folder, "other").len() == 2).then_some(()));
    assert_eq!(notes(&folder, "gw").len(), 1);
    assert!(!folder.out().join("default_other.snapshot").exists());
    drop(running);
}

#[test]
fn the_admin_address_stays_with_its_gateway() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let out = folder.out();
    let args = ["--out", out.to_str().unwrap(), "--admin", "127.9.9.9:9"];
    let _running = Running::with(&folder, &args);
    eventually("a start", || notes(&folder, "gw").first().cloned());
    folder.remove("gw.yaml");
    eventually("drained", || (notes(&folder, "gw").len() == 2).then_some(()));
    folder.write("gw.yaml", GATEWAY);
    let again = eventually("a second start", || notes(&folder, "gw").get(2).cloned());
    assert!(again.ends_with(" 127.9.9.9:9"), "{again}");
}

#[test]
fn a_snapshot_that_was_deleted_is_written_again() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let running = Running::start(&folder);
    let good = running.await_snapshot("the first", |_| true);
    eventually("the status", || (!folder.status().is_empty()).then_some(()));
    std::fs::remove_file(folder.out().join("default_gw.snapshot")).unwrap();
    folder.write("gw.yaml", GATEWAY);
    assert_eq!(running.await_snapshot("the same", |_| true), good);
}

#[test]
fn every_way_to_change_a_file_is_noticed() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let running = Running::start(&folder);
    running.await_snapshot("no policy", |it| retries(it).is_none());
    folder.write("policy.yaml", POLICY);
    running.await_snapshot("a new file", |it| retries(it) == Some(5));
    folder.write("policy.yaml", &POLICY.replace("numRetries: 5", "numRetries: 4"));
    running.await_snapshot("a file written in place", |it| retries(it) == Some(4));
    folder.replace("policy.yaml", &POLICY.replace("numRetries: 5", "numRetries: 3"));
    running.await_snapshot("a file replaced by rename", |it| retries(it) == Some(3));
    folder.remove("policy.yaml");
    running.await_snapshot("a file removed", |it| retries(it).is_none());
}

#[test]
fn links_are_followed_to_where_they_end_and_when_they_are_swapped() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    for (name, count) in [("one", "1"), ("two", "2")] {
        std::fs::create_dir(folder.path(name)).unwrap();
        let text = POLICY.replace("numRetries: 5", &format!("numRetries: {count}"));
        std::fs::write(folder.path(name).join("policy.yaml"), text).unwrap();
    }
    // As the kubelet mounts a ConfigMap: the files are links into a folder that is itself a link.
    let link =
        |to: &str, at: &str| std::os::unix::fs::symlink(folder.path(to), folder.input().join(at)).unwrap();
    link("one", "..data");
    std::os::unix::fs::symlink("..data/policy.yaml", folder.input().join("policy.yaml")).unwrap();
    let running = Running::start(&folder);
    running.await_snapshot("the first target", |it| retries(it) == Some(1));
    link("two", "..data_new");
    std::fs::rename(folder.input().join("..data_new"), folder.input().join("..data")).unwrap();
    running.await_snapshot("the second target", |it| retries(it) == Some(2));
    std::fs::write(folder.path("two").join("policy.yaml"), POLICY).unwrap();
    running.await_snapshot("the target written in place", |it| retries(it) == Some(5));
}

#[test]
fn a_broken_file_keeps_the_last_good_configuration_and_is_reported() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("policy.yaml", POLICY)]);
    let running = Running::start(&folder);
    let good = running.await_snapshot("the policy", |it| retries(it) == Some(5));
    folder.replace("policy.yaml", "spec:\n  ports: [\n");
    let report = "policy.yaml:2: does not parse: ";
    eventually("the report", || folder.status().contains(report).then_some(()));
    assert_eq!(folder.snapshot().unwrap(), good);
    eventually("the line", || running.stdout().contains(report).then_some(()));
    // The others go on.
    folder.replace("gw.yaml", &GATEWAY.replace("port: 8080", "port: 8081"));
    let moved = running.await_snapshot("the other file", |it| it.listeners[0].port == 8081);
    assert_eq!(retries(&moved), Some(5));
    folder.replace("policy.yaml", &POLICY.replace("numRetries: 5", "numRetries: 2"));
    running.await_snapshot("the repair", |it| retries(it) == Some(2));
    eventually("no report", || (!folder.status().contains(report)).then_some(()));
}

#[test]
fn a_file_that_is_empty_for_a_while_takes_nothing_away() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("policy.yaml", POLICY)]);
    let running = Running::start(&folder);
    running.await_snapshot("the policy", |it| retries(it) == Some(5));
    folder.write("policy.yaml", "");
    folder.replace("gw.yaml", &GATEWAY.replace("port: 8080", "port: 8081"));
    let moved = running.await_snapshot("the other file", |it| it.listeners[0].port == 8081);
    assert_eq!(retries(&moved), Some(5));
    folder.write("policy.yaml", &POLICY.replace("numRetries: 5", "numRetries: 4"));
    running.await_snapshot("the rest of the write", |it| retries(it) == Some(4));
}

#[test]
fn an_edit_that_admission_would_refuse_keeps_the_last_good_policy() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("policy.yaml", POLICY)]);
    let running = Running::start(&folder);
    let good = running.await_snapshot("the policy", |it| retries(it) == Some(5));
    folder.replace("policy.yaml", &POLICY.replace("5xx", "6xx"));
    let report = "policy.yaml:8: spec.ports[0].config.retryOn[0]: ";
    eventually("the report", || folder.status().contains(report).then_some(()));
    assert_eq!(folder.snapshot().unwrap(), good);
    drop(running);
}

#[test]
fn an_edit_that_a_schema_would_refuse_keeps_the_last_good_gateway_and_route() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let running = Running::start(&folder);
    let good = running.await_snapshot("the first version", |_| true);
    let rule = "  - backendRefs: [{name: web, port: 80}]\n";
    let edits = [
        ("port: 8080", "port: 80800", "spec.listeners[0].port: "),
        ("\n  - {name: http, protocol: HTTP, port: 8080}", " []", "spec.listeners: "),
        ("port: 80}", "port: 80, weight: -1}", "spec.rules[0].backendRefs[0].weight: "),
        (rule, "  - matches: [{path: {value: api}}]\n", "spec.rules[0].matches[0].path.value: "),
        (
            rule,
            "  - timeouts: {request: 1s, backendRequest: 2s}\n",
            "spec.rules[0].timeouts.backendRequest: ",
        ),
        (rule, "  - timeouts: {request: soon}\n", "spec.rules[0].timeouts.request: "),
    ];
    for (from, to, report) in edits {
        folder.replace("gw.yaml", &GATEWAY.replace(from, to));
        eventually(report, || folder.status().contains(report).then_some(()));
        assert_eq!(folder.snapshot().unwrap(), good, "{report}");
    }
    drop(running);
}

#[test]
fn what_only_this_build_cannot_do_becomes_a_condition() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let running = Running::start(&folder);
    let good = running.await_snapshot("the first version", |_| true);
    let mirror = "  - filters: [{type: RequestMirror}, {type: RequestMirror}]\n    backendRefs: [{name: web, port: 80}]\n";
    folder.replace("gw.yaml", &GATEWAY.replace("  - backendRefs: [{name: web, port: 80}]\n", mirror));
    running.await_snapshot("a rule that answers 500", |it| it.listeners != good.listeners);
    eventually("the condition", || folder.status().contains("RequestMirror").then_some(()));
}

#[test]
fn s85_removing_a_grant_withdraws_the_policy() {
    let grant = "\
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: policies}
spec:
  from: [{group: gateway.flomesh.io, kind: RetryPolicy, namespace: sre}]
  to: [{group: \"\", kind: Service, name: web}]
";
    let policy = POLICY.replace("{name: retry}", "{name: retry, namespace: sre}");
    let policy = policy.replace("name: web}", "name: web, namespace: default}");
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("policy.yaml", &policy), ("grant.yaml", grant)]);
    let running = Running::start(&folder);
    running.await_snapshot("granted", |it| retries(it) == Some(5));
    folder.remove("grant.yaml");
    running.await_snapshot("withdrawn", |it| retries(it).is_none());
    eventually("the status", || folder.status().contains("RefNotPermitted").then_some(()));
}

#[test]
fn it_does_not_start_on_what_it_cannot_read() {
    let folder = Folder::new(&[]);
    let out = folder.out();
    let fails = |input: &str, extra: &[&str]| {
        let args = ["run", "-f", input, "--out", out.to_str().unwrap()];
        let output = operator().args(args).args(extra).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fails("/nowhere/at/all", &["--dataplane", "tests/data/fake_dataplane.sh"]);
    fails(folder.input().to_str().unwrap(), &["--dataplane", "/no/such/program"]);
    // Reading what it writes would never end.
    fails(out.to_str().unwrap(), &["--dataplane", "tests/data/fake_dataplane.sh"]);
    std::fs::write(out.join("gw.yaml"), GATEWAY).unwrap();
    fails(out.join("gw.yaml").to_str().unwrap(), &["--dataplane", "tests/data/fake_dataplane.sh"]);
}

#[test]
fn an_object_that_loses_its_name_in_an_edit_stays_as_it_was() {
    let both = format!("{GATEWAY}---\n{POLICY}");
    let folder = Folder::new(&[("all.yaml", &both)]);
    let running = Running::start(&folder);
    running.await_snapshot("the policy", |it| retries(it) == Some(5));
    for (port, name) in [("8081", "{name: retry, namespace: 5}"), ("8082", "{name: true}")] {
        folder.replace(
            "all.yaml",
            &both.replace("{name: retry}", name).replace("port: 8080", &format!("port: {port}")),
        );
        let moved =
            running.await_snapshot("the rest of the edit", |it| it.listeners[0].port.to_string() == port);
        assert_eq!(retries(&moved), Some(5), "{name}");
    }
    folder.replace("all.yaml", GATEWAY);
    running.await_snapshot("removed on purpose", |it| retries(it).is_none());
}

#[test]
fn an_object_that_loses_its_kind_in_an_edit_stays_as_it_was() {
    let both = format!("{GATEWAY}---\n{POLICY}");
    let folder = Folder::new(&[("all.yaml", &both)]);
    let running = Running::start(&folder);
    running.await_snapshot("the policy", |it| retries(it) == Some(5));
    let edit = both.replace("kind: RetryPolicy", "kin: RetryPolicy").replace("port: 8080", "port: 8081");
    folder.replace("all.yaml", &edit);
    let moved = running.await_snapshot("the rest of the edit", |it| it.listeners[0].port == 8081);
    assert_eq!(retries(&moved), Some(5));
    eventually("the report", || folder.status().contains("kind: is missing").then_some(()));
    folder.replace("all.yaml", GATEWAY);
    running.await_snapshot("removed on purpose", |it| retries(it).is_none());
}
