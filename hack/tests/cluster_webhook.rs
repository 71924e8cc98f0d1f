//! The webhook that looks after its own certificates, in front of an API server of its own: two replicas, with the
//! rights that the operator is installed with, by a clock that the test sets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod webhook;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hack::apiserver::{Cluster, Environment};
use hack::install::{NAMESPACE, rbac};
use hack::programs::workspace;
use k8s_openapi::ByteString;
use kube::{Client, Config};
use rebound_operator::webhook::configuration::{self, Place};
use rebound_operator::webhook::self_managed::{
    self, LIFETIME, RENEW_BEFORE, SECRET, SECRET_KEY, SETTLE, Settings,
};
use rebound_operator::webhook::{Certificates, Server};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use webhook::{client, create, policy, review, soon};

const OFTEN: Duration = Duration::from_millis(50);
/// Questions at a time, so that both replicas have some.
const PARALLEL: usize = 4;
/// Questions after which an API server has certainly noticed what it was told before them.
const MANY: usize = 200;

/// A wall clock that the test puts forward. It begins in the past: an API server looks at its own, and that has to be
/// within the life of every certificate.
#[derive(Debug, Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> SystemTime {
        let begin = SystemTime::now() - (LIFETIME - RENEW_BEFORE) - SETTLE;
        begin + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

/// One of several operators; ends when dropped.
struct Replica {
    address: SocketAddr,
    leads: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Replica {
    async fn start(client: Client, place: Place, clock: Clock) -> Self {
        let certificates = Certificates::default();
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), certificates.clone()).await.unwrap();
        let address = server.address();
        let (leads, leader) = watch::channel(true);
        let settings = Settings { namespace: NAMESPACE.into(), place, every: OFTEN };
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(std::future::pending()));
        tasks.spawn(self_managed::run(client, settings, certificates, leader, move || clock.now()));
        Self { address, leads, _tasks: tasks }
    }

    /// Whether it shows a certificate that one of these authorities vouches for.
    async fn shows(&self, authorities: &str) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), authorities).unwrap();
        let mut config = Config::new(format!("https://{}", self.address).parse().unwrap());
        config.root_cert_file = Some(file.path().to_owned());
        review(&Client::try_from(config).unwrap(), &policy("5xx")).await.is_ok()
    }
}

/// What a Service does: one connection goes to one replica, the next to the other.
async fn service(listener: TcpListener, replicas: Vec<SocketAddr>) {
    for &replica in replicas.iter().cycle() {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut behind = TcpStream::connect(replica).await?;
            copy_bidirectional(&mut stream, &mut behind).await
        });
    }
}

/// Two replicas behind one address, and an API server that asks there.
struct Fleet {
    environment: Environment,
    server: Client,
    clock: Clock,
    replicas: [Replica; 2],
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Both replicas believe to lead, and neither finds anything.
    async fn start() -> Self {
        let environment = Environment::start().unwrap();
        let cluster = environment.cluster().clone();
        install(&cluster);
        let (server, clock) = (client(&cluster).await, Clock::default());
        let operator = client(&cluster.as_service_account(NAMESPACE, rbac::NAME).unwrap()).await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let place = Place::url(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
        let replica = || Replica::start(operator.clone(), place.clone(), clock.clone());
        let replicas: [Replica; 2] = tokio::join!(replica(), replica()).into();
        let mut tasks = JoinSet::new();
        tasks.spawn(service(listener, replicas.iter().map(|replica| replica.address).collect()));
        Self { environment, server, clock, replicas, tasks }
    }

    fn led_by(&self, leader: usize) {
        for (number, replica) in self.replicas.iter().enumerate() {
            replica.leads.send_replace(number == leader);
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.environment.cluster().kubectl(arguments).unwrap()
    }

    /// The certificates that API servers trust, as one text and as their number.
    fn trusted(&self) -> (String, usize) {
        let found = self.environment.cluster().kubectl(&[
            "get",
            "validatingwebhookconfiguration",
            configuration::NAME,
            "-o",
            "jsonpath={.webhooks[0].clientConfig.caBundle}",
        ]);
        let bundle = found.map(|found| decoded(&found)).unwrap_or_default();
        let count = bundle.matches("BEGIN CERTIFICATE").count();
        (bundle, count)
    }

    /// The authority of the certificate that replicas are to show.
    fn authority(&self) -> String {
        let path = format!("jsonpath={{.data.{}}}", SECRET_KEY.replace('.', "\\."));
        let keyring = self.kubectl(&["get", "secret", SECRET, "-n", NAMESPACE, "-o", &path]);
        let keyring: Value = serde_json::from_str(&decoded(&keyring)).unwrap();
        keyring["serving"]["authority"].as_str().unwrap().to_owned()
    }

    /// Waits until both replicas show what `authority` vouches for.
    async fn shows(&self, authority: &str) {
        for replica in &self.replicas {
            soon(async || replica.shows(authority).await).await;
        }
    }

    /// Whether the webhook is asked, and its answer comes through.
    async fn answers(&self) -> bool {
        let wrong = create(&self.server, "default", &policy("6xx")).await;
        wrong.is_err_and(|error| error.to_string().contains("`6xx` is no class"))
    }
}

/// As users do it; pods never run here.
fn install(cluster: &Cluster) {
    let manifests = workspace().join("dist/install.yaml");
    cluster.kubectl(&["apply", "-f", &manifests.display().to_string()]).unwrap();
}

fn decoded(base64: &str) -> String {
    let bytes: ByteString = serde_json::from_value(base64.into()).unwrap();
    String::from_utf8(bytes.0).unwrap()
}

/// Asks without a pause, and demands the right answer each time.
async fn demand(server: Client, asked: Arc<AtomicUsize>) {
    for trigger in ["5xx", "6xx"].iter().cycle() {
        let answer = create(&server, "default", &policy(trigger)).await;
        match (*trigger, answer) {
            ("5xx", Ok(_)) => {}
            ("6xx", Err(error)) if error.to_string().contains("`6xx` is no class") => {}
            (_, answer) => panic!("question {} about {trigger}: {answer:?}", asked.load(Ordering::SeqCst)),
        }
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_rotate_their_certificate_and_no_question_goes_unanswered() {
    let fleet = Fleet::start().await;
    soon(async || fleet.answers().await).await;
    let (first, count) = fleet.trusted();
    assert_eq!(count, 1, "two that lead at once agree on one certificate");
    fleet.shows(&first).await;

    let asked = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    (0..PARALLEL).for_each(|_| drop(clients.spawn(demand(fleet.server.clone(), asked.clone()))));
    let many_later = async || {
        let from = asked.load(Ordering::SeqCst);
        soon(async || asked.load(Ordering::SeqCst) >= from + MANY).await;
    };
    fleet.led_by(0);
    let old = fleet.authority();
    fleet.clock.advance(LIFETIME - RENEW_BEFORE);
    soon(async || fleet.trusted().1 == 2).await;
    let (both, _) = fleet.trusted();
    assert!(both.contains(&old), "the old one is trusted beside the new one");
    fleet.shows(&old).await;
    many_later().await;

    fleet.led_by(1);
    fleet.clock.advance(SETTLE);
    soon(async || fleet.authority() != old).await;
    fleet.shows(&fleet.authority()).await;
    many_later().await;
    assert_eq!(fleet.trusted().0, both, "nobody is distrusted while some may still show the old one");
    let ended = tokio::time::timeout(Duration::ZERO, clients.join_next()).await;
    assert!(ended.is_err(), "somebody had a wrong answer: {ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_away_or_changed_is_put_back_and_goes_with_the_operator() {
    let fleet = Fleet::start().await;
    soon(async || fleet.answers().await).await;
    let get = |path: &str| {
        let name = configuration::NAME;
        let found =
            fleet.environment.cluster().kubectl(&["get", "validatingwebhookconfiguration", name, "-o", path]);
        found.unwrap_or_default()
    };
    assert_eq!(get("jsonpath={.metadata.ownerReferences[0].kind}"), "ClusterRole");
    let written: Value = serde_json::from_str(&get("jsonpath={.webhooks[0]}")).unwrap();
    for (field, value) in hack::install::webhook::call().as_object().unwrap() {
        assert_eq!(written[field], *value, "asked in the same way as with anybody else's certificates");
    }

    let changed =
        json!({ "webhooks": [{ "name": configuration::WEBHOOK, "failurePolicy": "Ignore" }] }).to_string();
    fleet.kubectl(&["patch", "validatingwebhookconfiguration", configuration::NAME, "-p", &changed]);
    soon(async || get("jsonpath={.webhooks[0].failurePolicy}") == "Fail").await;
    fleet.kubectl(&["delete", "validatingwebhookconfiguration", configuration::NAME]);
    soon(async || fleet.answers().await).await;

    let old = fleet.authority();
    fleet.kubectl(&["delete", "secret", SECRET, "-n", NAMESPACE]);
    soon(async || fleet.trusted().0 != old).await;
    soon(async || fleet.answers().await).await;
    fleet.shows(&fleet.authority()).await;

    let settled = get("jsonpath={.metadata.resourceVersion}");
    fleet.shows(&fleet.authority()).await;
    assert_eq!(get("jsonpath={.metadata.resourceVersion}"), settled, "what is in order is not written");

    drop(fleet.replicas);
    drop(fleet.tasks);
    fleet.environment.cluster().kubectl(&["delete", "clusterrole", rbac::NAME]).unwrap();
    soon(async || get("name").is_empty()).await;
}
