//! What can go wrong between the operator and a real API server, and that everything is as it should be afterwards:
//! killed operators, lost requests, refusals, ended watches, an API server that is away, two leaders, meddling.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::contents::{contents, generation, without_generation};
use hack::fault_proxy::{Fate, FaultProxy, Request};
use hack::operator_rig::{self, Operator};
use hack::rig::poll;
use hack::statuses::{self, Subject};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const BASE: &str = "web-fsm";
/// More writes than there are: a test that gets so far would never end.
const WRITES_MAX: usize = 60;

/// An API server that is misused by one test after the other: its leader, and what is cluster-wide, are one test's.
struct Ground(Arc<Mutex<Environment>>);

impl Ground {
    fn new() -> Self {
        static SHARED: Mutex<Weak<Mutex<Environment>>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Self(running);
        }
        let started = Arc::new(Mutex::new(Environment::start().unwrap()));
        *shared = Arc::downgrade(&started);
        Self(started)
    }

    fn enter(&self) -> MutexGuard<'_, Environment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A namespace with a Gateway, and how the operator sees the API server.
struct Site {
    cluster: Cluster,
    rights: Cluster,
    namespace: TestNamespace,
}

impl Site {
    fn new(cluster: &Cluster) -> Self {
        let rights = operator_rig::install(cluster).unwrap();
        free_lease(cluster);
        Self { cluster: cluster.clone(), rights, namespace: cluster.namespace("faults").unwrap() }
    }

    fn apply(&self, objects: &[Value]) {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.namespace.apply(&list.to_string()).unwrap();
    }

    /// Everything of a Gateway whose route leads to `backend`.
    fn apply_all(&self, backend: &str) {
        self.apply(&[service("a"), service("b"), gateway(), route(backend), policy()]);
    }

    fn contents(&self) -> BTreeMap<String, Value> {
        contents(&self.namespace).unwrap()
    }

    /// An operator that nobody disturbs brings everything to an end.
    fn settle(&self) -> BTreeMap<String, Value> {
        free_lease(&self.cluster);
        let operator = Operator::start(&self.rights).unwrap();
        operator.await_leading().unwrap();
        let contents = self.await_done(&operator);
        operator.stop().unwrap();
        contents
    }

    /// Waits until the statuses are about what is there now, and everything is made.
    fn await_done(&self, operator: &Operator) -> BTreeMap<String, Value> {
        let done = || is_settled(self).then(|| self.contents());
        poll(SOON, done).unwrap_or_else(|| panic!("{:?}\n{}", self.contents().keys(), operator.log_end()))
    }

    fn await_said(&self, operator: &Operator, name: &str, expected: &[&str]) -> Value {
        let said = statuses::await_said(&self.namespace, Subject::of(name), expected);
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log_end()))
    }
}

/// Whether every condition is about the newest generation, and there is one.
fn is_about_now(object: &Value) -> bool {
    let status = object["status"].to_string();
    let now = format!("\"observedGeneration\":{}", object["metadata"]["generation"]);
    let conditions = status.matches("\"lastTransitionTime\"").count();
    conditions > 0
        && status.matches(&now).count() == conditions
        && !status.contains("\"Waiting for controller\"")
}

/// A killed leader keeps its lease for a while, for which a test has no time.
fn free_lease(cluster: &Cluster) {
    let delete = ["delete", "lease", "rebound-operator", "-n", "rebound-system", "--ignore-not-found"];
    cluster.kubectl(&delete).unwrap();
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn gateway() -> Value {
    let listener = json!({ "name": "http", "protocol": "HTTP", "port": 8000 });
    let spec = json!({ "gatewayClassName": "fsm", "listeners": [listener] });
    object("gateway.networking.k8s.io/v1", "Gateway", "web", &spec)
}

fn service(name: &str) -> Value {
    object("v1", "Service", name, &json!({ "ports": [{ "port": 8080 }] }))
}

fn route(backend: &str) -> Value {
    let rule = json!({ "backendRefs": [{ "name": backend, "port": 8080 }] });
    let spec = json!({ "parentRefs": [{ "name": "web" }], "rules": [rule] });
    object("gateway.networking.k8s.io/v1", "HTTPRoute", "r", &spec)
}

fn policy() -> Value {
    let spec = json!({ "targetRef": { "kind": "Service", "name": "a" }, "config": { "retryOn": ["5xx"] } });
    object("gateway.flomesh.io/v1alpha1", "RetryPolicy", "p", &spec)
}

/// Starts an operator that is killed in place of its write number `fatal`. Returns whether it came to that.
fn killed_at(site: &Site, fatal: usize) -> bool {
    free_lease(&site.cluster);
    let proxy = FaultProxy::start(&site.rights).unwrap();
    let victim = Arc::new(Mutex::new(None::<u32>));
    let (writes, of_judge) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&victim));
    let counted = Arc::clone(&writes);
    proxy.judge(move |request: &Request| {
        if !request.is_write() || request.is_beside() {
            return Fate::Passed;
        }
        if counted.fetch_add(1, Ordering::SeqCst) < fatal {
            return Fate::Passed;
        }
        // It may be so fast that nobody knows its id yet.
        let id = poll(SOON, || *of_judge.lock().unwrap()).unwrap();
        kill(Pid::from_raw(id as i32), Signal::SIGKILL).unwrap_or_default();
        Fate::Lost
    });
    let mut operator = Operator::spawn(proxy.kubeconfig()).unwrap();
    *victim.lock().unwrap() = Some(operator.id());
    let outcome = poll(SOON, || match operator.has_ended() {
        true => Some(true),
        false => (writes.load(Ordering::SeqCst) > 0 && is_settled(site)).then_some(false),
    });
    outcome.unwrap_or_else(|| panic!("{}", operator.log_end()))
}

fn is_settled(site: &Site) -> bool {
    let names = ["gateway/web", "httproute/r", "retrypolicy/p"];
    names.iter().all(|name| statuses::object(&site.namespace, name).is_some_and(|it| is_about_now(&it)))
        && site.contents().contains_key(&format!("PodDisruptionBudget/{BASE}"))
}

#[test]
fn killed_at_any_write_of_an_edit_it_ends_with_the_same_bytes_and_a_later_generation() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("b");
    let b = without_generation(site.settle(), BASE);
    site.apply(&[route("a")]);
    let settled = site.settle();
    let a = without_generation(settled.clone(), BASE);
    let mut last = generation(&settled, BASE).unwrap();
    for fatal in 0..WRITES_MAX {
        let (backend, expected) = if fatal % 2 == 0 { ("b", &b) } else { ("a", &a) };
        site.apply(&[route(backend)]);
        let was_killed = killed_at(&site, fatal);
        let settled = site.settle();
        let now = generation(&settled, BASE).unwrap();
        assert!(now > last, "killed at write {fatal}: generation {now} after {last}");
        assert_eq!(&without_generation(settled, BASE), expected, "killed at write {fatal}");
        last = now;
        if !was_killed {
            assert!(fatal > 2, "{fatal}");
            return;
        }
    }
    panic!("it never came to an end");
}

/// The answers that an API server gives when it is busy, has moved on, or was asked by two at once.
fn status(code: u16, reason: &str) -> String {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "injected",
    })
    .to_string()
}

#[test]
fn refusals_losses_and_ended_watches_are_overcome() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let expected = without_generation(site.settle(), BASE);
    site.apply(&[route("b")]);
    site.settle();
    free_lease(&site.cluster);
    let proxy = FaultProxy::start(&site.rights).unwrap();
    let mut count = 0_usize;
    let mut watches = 0_usize;
    proxy.judge(move |request: &Request| {
        if request.is_watch() {
            watches += 1;
            // A watch begins at a version that is forgotten: the whole kind is listed anew.
            return if watches.is_multiple_of(3) {
                Fate::Answered(410, "", status(410, "Expired"))
            } else {
                Fate::Delayed(Duration::from_millis(20))
            };
        }
        if !request.is_write() || request.is_beside() {
            return Fate::Passed;
        }
        count += 1;
        match count % 6 {
            1 => Fate::Answered(409, "", status(409, "Conflict")),
            2 => Fate::Answered(429, "retry-after: 1\r\n", status(429, "TooManyRequests")),
            3 => Fate::Lost,
            4 => Fate::AnswerLost,
            5 => Fate::Answered(500, "", status(500, "InternalError")),
            _ => Fate::Passed,
        }
    });
    let operator = Operator::spawn(proxy.kubeconfig()).unwrap();
    site.apply(&[route("a")]);
    let back = || {
        let same = without_generation(site.contents(), BASE) == expected;
        (same && is_settled(&site)).then_some(())
    };
    assert!(poll(SOON, back).is_some(), "{}", operator.log_end());
    // Watches that end in the middle of everything miss nothing.
    for backend in ["b", "a"] {
        proxy.cut_watches();
        site.apply(&[route(backend)]);
        proxy.cut_watches();
    }
    assert!(poll(SOON, back).is_some(), "{}", operator.log_end());
    operator.stop().unwrap();
}

#[test]
fn a_leader_that_wakes_after_its_lease_writes_nothing() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let proxy = FaultProxy::start(&site.rights).unwrap();
    let writes = Arc::new(Mutex::new(Vec::new()));
    let first = Operator::spawn(proxy.kubeconfig()).unwrap();
    first.await_leading().unwrap();
    site.await_done(&first);
    first.pause();
    let second = Operator::start(&site.rights).unwrap();
    second.await_leading().unwrap();
    site.apply(&[route("b")]);
    let b = site.await_done(&second);
    let seen = Arc::clone(&writes);
    proxy.judge(move |request: &Request| {
        if request.is_write() && !request.is_beside() {
            seen.lock().unwrap().push(format!("{} {}", request.method, request.target));
        }
        Fate::Passed
    });
    first.resume();
    // It sees what has happened meanwhile, and knows that it does not lead.
    let gave_way = || first.log().contains("not leading any more").then_some(());
    assert!(poll(SOON, gave_way).is_some(), "{}", first.log_end());
    site.apply(&[route("a")]);
    site.await_done(&second);
    site.apply(&[route("b")]);
    let again = site.await_done(&second);
    assert_eq!(without_generation(again, BASE), without_generation(b, BASE));
    assert_eq!(*writes.lock().unwrap(), Vec::<String>::new());
    first.stop().unwrap();
    second.stop().unwrap();
}

#[test]
fn what_others_change_or_delete_is_put_right() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let operator = Operator::start(&site.rights).unwrap();
    operator.await_leading().unwrap();
    let expected = site.await_done(&operator);
    let patches: [(&str, Value); 7] = [
        ("configmap/web-fsm-config", json!({ "data": { "manifest": "{}" } })),
        ("configmap/web-fsm-config-v1-0", json!({ "binaryData": { "part": "AAAA" } })),
        (
            "deployment/web-fsm",
            json!({ "spec": { "template": { "spec": { "serviceAccountName": "default" } } } }),
        ),
        ("service/web-fsm", json!({ "metadata": { "labels": { "app": null } } })),
        ("role/web-fsm", json!({ "rules": [] })),
        ("rolebinding/web-fsm", json!({ "subjects": [] })),
        ("poddisruptionbudget/web-fsm", json!({ "spec": { "maxUnavailable": 2 } })),
    ];
    let back = || (site.contents() == expected).then_some(());
    for (name, patch) in &patches {
        site.namespace.kubectl(&["patch", name, "--type=merge", "-p", &patch.to_string()]).unwrap();
        assert!(
            poll(SOON, back).is_some(),
            "{name} was changed: {:#?}\n{}",
            site.contents(),
            operator.log_end()
        );
    }
    for (name, _) in &patches {
        site.namespace.kubectl(&["delete", name]).unwrap();
        assert!(poll(SOON, back).is_some(), "{name} was deleted\n{}", operator.log_end());
    }
    site.await_said(&operator, "gateway/web", &["Accepted=True/Accepted"]);
    operator.stop().unwrap();
}

/// While nobody leads, nobody sees it happen.
#[test]
fn what_was_changed_while_no_operator_ran_is_put_right_and_generations_grow() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    site.settle();
    site.apply(&[route("b")]);
    let before = site.settle();
    let last = generation(&before, BASE).unwrap();
    let shard = json!({ "binaryData": { "part": "AAAA" } }).to_string();
    let patch = ["patch", "configmap/web-fsm-config-v1-0", "--type=merge", "-p", &shard];
    site.namespace.kubectl(&patch).unwrap();
    let after = site.settle();
    let now = generation(&after, BASE).unwrap();
    assert!(now >= last, "generation {now} after {last}: data planes have seen {last}");
    assert_eq!(without_generation(after, BASE), without_generation(before, BASE));
}
