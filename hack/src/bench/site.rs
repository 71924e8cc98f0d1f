//! A cluster without nodes for benchmarks: API server, operator, and one agent with its data plane, all on loopback.

mod objects;
mod programs;

pub(super) use objects::Size;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use serde_json::{Value, json};

use crate::apiserver::Environment;
use crate::cleanup::{Folder, Process};
use crate::http_client::Connection;
use crate::programs::Programs;
use crate::rig::poll;
use crate::say;
use objects::{BASE, GATEWAY, NAMESPACE, endpoints, namespace, ok, route_name, service_name};
use programs::{dataplane, processor_time, proxy, resident};

/// How long anything may take.
const SOON: Duration = Duration::from_secs(120);
/// Who has written nothing for so long is done: also with the statuses, which come after the configuration.
const REST: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running site. Dropping it ends everything.
pub(super) struct Site {
    size: Size,
    api: Connection,
    admin: Connection,
    admin_address: SocketAddr,
    snapshot: PathBuf,
    written: mpsc::Receiver<Instant>,
    seen: SystemTime,
    operator: Process,
    dataplane: Process,
    agent: Process,
    _proxy: Process,
    // Last: the others write into the folder and talk to the API server.
    folder: Folder,
    _environment: Environment,
}

impl Site {
    /// With so many routes of one Gateway, spread over so many namespaces.
    pub(super) fn start(programs: &Programs, size: Size) -> anyhow::Result<Self> {
        say::step("starting an API server, and making the routes");
        let environment = Environment::start()?;
        let folder = Folder::new()?;
        let kubeconfig = environment.cluster().kubeconfig().to_owned();
        let (proxy, address) = proxy(&kubeconfig)?;
        objects::make(address, size)?;
        say::step("starting operator, agent and data plane");
        let log = |name: &str| fs::File::create(folder.path().join(name)).context("make a log");
        let mut command = Command::new(&programs.operator);
        command.args([
            "controller",
            "--webhook-certs",
            "off",
            "--admin",
            "127.0.0.1:0",
            "--namespace",
            NAMESPACE,
        ]);
        command.env("KUBECONFIG", &kubeconfig).stdout(Stdio::null()).stderr(log("operator")?);
        let operator = Process::start(&mut command)?;
        let written = objects::watch_manifest(address)?;
        written.recv_timeout(SOON).context("the operator writes no manifest")?;
        let mut api = Connection::open(address)?;
        // The last that is written: no agent would run before.
        let deployment = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{BASE}");
        let is_there = || ok(&api.get(&deployment).ok()?).ok();
        poll(SOON, is_there).context("the operator makes no Deployment")?;
        let snapshot = folder.path().join("snapshot");
        let (dataplane, admin) = dataplane(programs, &snapshot, log("dataplane")?)?;
        let mut command = Command::new(&programs.operator);
        command.args(["agent", "--namespace", NAMESPACE, "--manifest", &format!("{BASE}-config")]);
        command.args([
            "--report",
            &format!("{BASE}-report"),
            "--pod",
            "bench",
            "--dataplane",
            &admin.to_string(),
        ]);
        command.arg("--out").arg(&snapshot).env("KUBECONFIG", &kubeconfig);
        let agent = Process::start(command.stdout(Stdio::null()).stderr(log("agent")?))?;
        let mut site = Self {
            size,
            api,
            admin: Connection::open(admin)?,
            admin_address: admin,
            snapshot,
            written,
            seen: SystemTime::UNIX_EPOCH,
            operator,
            dataplane,
            agent,
            _proxy: proxy,
            folder,
            _environment: environment,
        };
        site.await_all_routes().with_context(|| site.log_ends())?;
        Ok(site)
    }

    /// Changes a header that a route sets, and returns when the API server has answered.
    pub(super) fn edit(&mut self, route: u32, edit: u32) -> anyhow::Result<()> {
        self.seen = modified(&self.snapshot).unwrap_or(SystemTime::UNIX_EPOCH);
        while self.written.try_recv().is_ok() {}
        let target = format!("{}/{}", self.size.routes_of(route), route_name(route));
        let body = json!({ "spec": self.size.route_spec(route, &format!("edit-{edit}")) }).to_string();
        let fields = [("content-type", "application/merge-patch+json")];
        ok(&self.api.send("PATCH", &target, &fields, body.as_bytes())?)
    }

    /// Moves an endpoint of a Service, each time that of another one.
    pub(super) fn move_endpoint(&mut self, turn: u32) -> anyhow::Result<()> {
        let (space, service) =
            (turn % self.size.namespaces, turn / self.size.namespaces % self.size.services());
        let (namespace, name) = (namespace(space), service_name(service));
        let target = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}");
        let body = json!({ "endpoints": endpoints(space, service, turn + 2) }).to_string();
        ok(&self.api.send(
            "PATCH",
            &target,
            &[("content-type", "application/merge-patch+json")],
            body.as_bytes(),
        )?)
    }

    /// Processor time that operator, agent and data plane have taken so far.
    pub(super) fn processor_times(&self) -> anyhow::Result<[Duration; 3]> {
        let times = [self.operator.id(), self.agent.id(), self.dataplane.id()].map(processor_time);
        let [operator, agent, dataplane] = times;
        Ok([operator?, agent?, dataplane?])
    }

    /// When the file was replaced, from `start`.
    pub(super) fn await_file(&self, start: Instant) -> Option<Duration> {
        let is_new = || modified(&self.snapshot).filter(|it| *it != self.seen).map(|_| start.elapsed());
        poll_closely(is_new)
    }

    /// When the last manifest was seen, from `start`.
    pub(super) fn written(&self, start: Instant) -> anyhow::Result<Duration> {
        let first = self.written.recv_timeout(SOON).context("no manifest was seen")?;
        Ok(self.written.try_iter().fold(first, |_, later| later).saturating_duration_since(start))
    }

    pub(super) fn generation(&mut self) -> anyhow::Result<u64> {
        let answer: Value = serde_json::from_slice(&self.admin.get("/generation")?.body)?;
        answer["generation"].as_u64().context("no generation")
    }

    /// How long it takes until another generation than `before` is active; counted by the caller's edit.
    pub(super) fn await_generation_after(&mut self, before: u64, start: Instant) -> anyhow::Result<Duration> {
        let is_new = || self.generation().ok().filter(|it| *it != before).map(|_| start.elapsed());
        poll_closely(is_new).with_context(|| format!("generation {before} stays active"))
    }

    /// Seconds that the operator has spent in each stage of its walk, and how often, by its own count.
    pub(super) fn operator_stages(&self) -> anyhow::Result<Vec<String>> {
        let is_total =
            |line: &&str| line.contains("stage=") && (line.contains("_sum{") || line.contains("_count{"));
        Ok(self.operator_metrics()?.lines().filter(is_total).map(str::to_owned).collect())
    }

    fn operator_metrics(&self) -> anyhow::Result<String> {
        let log = fs::read_to_string(self.folder.path().join("operator"))?;
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let admin = lines.find_map(|line| line["admin"].as_str().map(str::to_owned));
        let admin = admin.context("the operator says no admin address")?.parse()?;
        let page = Connection::open(admin)?.get("/metrics")?;
        Ok(String::from_utf8_lossy(&page.body).into_owned())
    }

    /// What the operator has written so far, by its own count.
    fn operator_writes(&self) -> anyhow::Result<Vec<String>> {
        let is_write = |line: &&str| line.starts_with("rebound_operator_api_writes_total{");
        Ok(self.operator_metrics()?.lines().filter(is_write).map(str::to_owned).collect())
    }

    pub(super) fn operator_memory(&self) -> anyhow::Result<u64> {
        resident(self.operator.id())
    }

    pub(super) fn dataplane_memory(&self) -> anyhow::Result<u64> {
        resident(self.dataplane.id())
    }

    /// What the programs said last.
    fn log_ends(&self) -> String {
        let end = |name: &str| {
            let log = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            format!("{name}:\n{}\n", lines[lines.len().saturating_sub(5)..].join("\n"))
        };
        ["operator", "agent", "dataplane"].map(end).concat()
    }

    /// Waits until the data plane serves every route, and nothing moves any more.
    fn await_all_routes(&mut self) -> anyhow::Result<()> {
        let target = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways/{GATEWAY}");
        let attached = poll(SOON, || {
            let answer: Value = serde_json::from_slice(&self.api.get(&target).ok()?.body).ok()?;
            let count = answer["status"]["listeners"][0]["attachedRoutes"].as_u64()?;
            (count == u64::from(self.size.routes)).then_some(())
        });
        attached.context("not every route is attached")?;
        // The admin port hangs up on whoever is silent for long.
        self.admin = Connection::open(self.admin_address)?;
        let mut last = (0, Vec::new(), Instant::now());
        let still = poll(SOON, || {
            thread::sleep(LOOK_EVERY);
            let (generation, writes) = (self.generation().ok()?, self.operator_writes().ok()?);
            if (generation, &writes) != (last.0, &last.1) {
                last = (generation, writes, Instant::now());
            }
            (generation > 0 && last.2.elapsed() > REST).then_some(())
        });
        still.context("the cluster does not come to rest")
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Looks again at once: the measured times are near those that a pause would take.
fn poll_closely<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + SOON;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        thread::sleep(Duration::from_micros(200));
    }
}
