//! Leader election on a real API server: never two leaders, whatever is late, lost or stolen.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hack::apiserver::{Cluster, TestNamespace};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rebound_operator::client;
use rebound_operator::lease::{Leadership, Lease, NAME, Timing, identity};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// The longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(60);
/// "At once", on a machine that has other things to do; far less than a lease.
const AT_ONCE: Duration = Duration::from_secs(6);
/// A timing for tests that see many terms. The proportions are those of production.
const FAST: Timing = Timing {
    lease: Duration::from_millis(750),
    term: Duration::from_millis(500),
    renew_every: Duration::from_millis(150),
    look_every: Duration::from_millis(40),
    request: Duration::from_millis(200),
};
/// How many times the leader changes.
const ROUNDS: usize = 200;
/// Every so many rounds, the leader is cut off instead of stopped.
const CUT_OFF_EVERY: usize = 8;

/// What lies between one candidate and the API server.
#[derive(Debug, Default)]
struct Network {
    /// Nothing gets through, and nobody is told.
    is_cut: AtomicBool,
    /// Requests are late, answers are late, and some of either are lost.
    is_bad: bool,
}

/// A candidate that runs in this process.
struct Candidate {
    identity: String,
    leadership: Leadership,
    network: Arc<Network>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Candidate {
    async fn start(namespace: &TestNamespace, timing: Timing, network: Network) -> Self {
        let network = Arc::new(network);
        let client = through(&network, connect().await);
        let identity = identity("candidate");
        let lease = Lease::timed(client, namespace.name(), identity.clone(), timing);
        let leadership = lease.leadership();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(lease.run(async { drop(stopped.await) }));
        Self { identity, leadership, network, stop, ended }
    }

    async fn steady(namespace: &TestNamespace) -> Self {
        Self::start(namespace, Timing::PRODUCTION, Network::default()).await
    }

    async fn stop(self) {
        drop(self.stop);
        timeout(DEADLINE, self.ended).await.unwrap().unwrap();
    }

    /// Waits until it leads, or no longer leads.
    async fn comes_to(&mut self, leads: bool, within: Duration) {
        let changed = async { while self.leadership.changed().await != leads {} };
        assert!(timeout(within, changed).await.is_ok(), "{} within {within:?}: {leads}", self.identity);
    }
}

async fn connect() -> Client {
    let path = Cluster::shared().unwrap().kubeconfig().to_path_buf();
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    client::with(config, client::SILENCE_MAX).unwrap()
}

/// The client behind a network.
fn through(network: &Arc<Network>, client: Client) -> Client {
    let network = network.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (network, client) = (network.clone(), client.clone());
        async move {
            network.pass().await;
            let answer = client.send(request).await;
            network.pass().await;
            answer
        }
    });
    Client::new(service, "default")
}

impl Network {
    fn bad() -> Self {
        Self { is_bad: true, ..Self::default() }
    }

    /// One way, for one message. A lost one never comes.
    async fn pass(&self) {
        if self.is_bad {
            let is_lost = fastrand::u8(..20) == 0;
            if is_lost {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_millis(fastrand::u64(..40))).await;
        }
        if self.is_cut.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// Looks all the time whether two candidates lead at once.
struct Watchman {
    watched: Arc<Mutex<Vec<Leadership>>>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Watchman {
    fn start() -> Self {
        let (watched, is_over) = (Arc::<Mutex<Vec<Leadership>>>::default(), Arc::<AtomicBool>::default());
        let seen = (watched.clone(), is_over.clone());
        let thread = thread::spawn(move || {
            let (watched, is_over) = seen;
            let mut offences = 0;
            while !is_over.load(Ordering::Relaxed) {
                offences += usize::from(two_lead(&watched.lock().unwrap()));
                thread::sleep(Duration::from_micros(200));
            }
            offences
        });
        Self { watched, is_over, thread }
    }

    /// Those that have gone are watched as well: they must not come back.
    fn watch(&self, candidate: &Candidate) {
        self.watched.lock().unwrap().push(candidate.leadership.clone());
    }

    fn offences(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn two_lead(watched: &[Leadership]) -> bool {
    let mut leaders = watched.iter().filter(|it| it.is_leader());
    // The first is asked again, so that both led at the moment between.
    matches!((leaders.next(), leaders.next()), (Some(first), Some(_)) if first.is_leader())
}

fn namespace() -> TestNamespace {
    Cluster::shared().unwrap().namespace("lease").unwrap()
}

fn field(namespace: &TestNamespace, path: &str) -> String {
    namespace.kubectl(&["get", "lease", NAME, "-o", &format!("jsonpath={{{path}}}")]).unwrap()
}

/// Which candidate leads, as soon as one does.
async fn leader(candidates: &[Candidate], within: Duration) -> usize {
    let look = async {
        loop {
            if let Some(slot) = candidates.iter().position(|candidate| candidate.leadership.is_leader()) {
                return slot;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(within, look).await.unwrap_or_else(|_| panic!("nobody leads within {within:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_candidates_on_a_bad_network_never_lead_at_once() {
    let namespace = namespace();
    let watchman = Watchman::start();
    let start = async || {
        let candidate = Candidate::start(&namespace, FAST, Network::bad()).await;
        watchman.watch(&candidate);
        candidate
    };
    let mut pair = [start().await, start().await];
    for round in 0..ROUNDS {
        let slot = leader(&pair, DEADLINE).await;
        if round % CUT_OFF_EVERY == 0 {
            // It is not told; its term just ends.
            pair[slot].network.is_cut.store(true, Ordering::Relaxed);
            pair[1 - slot].comes_to(true, DEADLINE).await;
            pair[slot].network.is_cut.store(false, Ordering::Relaxed);
        }
        let last = std::mem::replace(&mut pair[slot], start().await);
        last.stop().await;
    }
    assert_eq!(watchman.offences(), 0);
    let transitions: usize = field(&namespace, ".spec.leaseTransitions").parse().unwrap();
    // Nobody needs to have followed the last one yet.
    assert!(transitions + 1 >= ROUNDS, "the leader changed {transitions} times only");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_candidates_at_once_one_leads_and_the_next_one_takes_over_at_once() {
    let namespace = namespace();
    let mut candidates = Vec::new();
    for _ in 0..8 {
        candidates.push(Candidate::steady(&namespace).await);
    }
    while candidates.len() > 1 {
        let first = leader(&candidates, AT_ONCE).await;
        assert_eq!(candidates.iter().filter(|it| it.leadership.is_leader()).count(), 1);
        assert_eq!(field(&namespace, ".spec.holderIdentity"), candidates[first].identity);
        candidates.swap_remove(first).stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_was_stolen_stops_and_leaves_it_alone() {
    let namespace = namespace();
    let mut robbed = Candidate::steady(&namespace).await;
    robbed.comes_to(true, DEADLINE).await;
    let steal = r#"{"spec":{"holderIdentity":"thief"}}"#;
    namespace.kubectl(&["patch", "lease", NAME, "--type=merge", "-p", steal]).unwrap();
    robbed.comes_to(false, AT_ONCE).await;
    let stolen = field(&namespace, ".metadata.resourceVersion");
    // Longer than between two looks, and than between two renewals.
    sleep(Timing::PRODUCTION.renew_every + Timing::PRODUCTION.look_every).await;
    assert!(!robbed.leadership.is_leader());
    robbed.stop().await;
    assert_eq!(field(&namespace, ".metadata.resourceVersion"), stolen);
    assert_eq!(field(&namespace, ".spec.holderIdentity"), "thief");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_deleted_is_made_anew_by_its_holder() {
    let namespace = namespace();
    let mut holder = Candidate::steady(&namespace).await;
    holder.comes_to(true, DEADLINE).await;
    namespace.kubectl(&["delete", "lease", NAME]).unwrap();
    let again = async {
        while namespace.kubectl(&["get", "lease", NAME]).is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(DEADLINE, again).await.unwrap();
    assert_eq!(field(&namespace, ".spec.holderIdentity"), holder.identity);
    assert!(holder.leadership.is_leader());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_an_api_server_is_none_when_its_term_ends_and_leads_again_when_it_is_back() {
    let namespace = namespace();
    let mut lonely = Candidate::start(&namespace, FAST, Network::default()).await;
    lonely.comes_to(true, DEADLINE).await;
    lonely.network.is_cut.store(true, Ordering::Relaxed);
    lonely.comes_to(false, DEADLINE).await;
    lonely.network.is_cut.store(false, Ordering::Relaxed);
    lonely.comes_to(true, DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_put_beside_the_record_stays() {
    let namespace = namespace();
    let mut holder = Candidate::start(&namespace, FAST, Network::default()).await;
    holder.comes_to(true, DEADLINE).await;
    let annotate = async {
        // Races with renewals, which may win.
        while namespace.kubectl(&["annotate", "lease", NAME, "note=kept"]).is_err() {}
    };
    timeout(DEADLINE, annotate).await.unwrap();
    let noted = field(&namespace, ".spec.renewTime");
    let renewed = async {
        while field(&namespace, ".spec.renewTime") == noted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, renewed).await.unwrap();
    assert_eq!(field(&namespace, ".metadata.annotations.note"), "kept");
    holder.stop().await;
    assert_eq!(field(&namespace, ".spec.holderIdentity"), "");
}
