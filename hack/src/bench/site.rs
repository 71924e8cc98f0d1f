//! A cluster without nodes for benchmarks: API server, operator, and one agent with its data plane, all on loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::apiserver::Environment;
use crate::cleanup::{Folder, Process};
use crate::http_client::{Connection, Response};
use crate::programs::Programs;
use crate::rig::poll;
use crate::say;
use crate::tools::Program;

/// How long anything may take.
const SOON: Duration = Duration::from_secs(120);
const NAMESPACE: &str = "bench";
const GATEWAY: &str = "web";
/// What the operator calls the objects of the Gateway.
const BASE: &str = "web-fsm";
const PORT: u16 = 8080;
/// Routes that lead to the same Service.
const ROUTES_PER_SERVICE: u32 = 60;
/// Names of objects that are made at once.
const MAKERS: u32 = 4;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) routes: u32,
    /// At least one.
    pub(super) namespaces: u32,
}

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
        make(address, size)?;
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
        let written = watch_manifest(address)?;
        written.recv_timeout(SOON).context("the operator writes no manifest")?;
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
            api: Connection::open(address)?,
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
        while self.generation()? == before {
            ensure!(start.elapsed() < SOON, "generation {before} stays active");
        }
        Ok(start.elapsed())
    }

    /// Seconds that the operator has spent in each stage of its walk, and how often, by its own count.
    pub(super) fn operator_stages(&self) -> anyhow::Result<Vec<String>> {
        let log = fs::read_to_string(self.folder.path().join("operator"))?;
        let started = log
            .lines()
            .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(|it| it["admin"].is_string()));
        let admin = started.context("the operator says no admin address")?["admin"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let page = Connection::open(admin.parse()?)?.get("/metrics")?;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let is_total =
            |line: &&str| line.contains("stage=") && (line.contains("_sum{") || line.contains("_count{"));
        Ok(page.lines().filter(is_total).map(str::to_owned).collect())
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
        let mut last = (self.generation()?, Instant::now());
        let still = poll(SOON, || {
            let generation = self.generation().ok()?;
            if generation != last.0 {
                last = (generation, Instant::now());
            }
            (generation > 0 && last.1.elapsed() > Duration::from_secs(3)).then_some(())
        });
        still.context("the configuration does not come to rest")
    }
}

/// `kubectl proxy`: the API server in clear text, which costs less than the TLS that it saves the measurement.
fn proxy(kubeconfig: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = Command::new(Program::Kubectl.build()?);
    command.args(["proxy", "--port=0", "--accept-hosts=.*"]).env("KUBECONFIG", kubeconfig);
    let (process, line) = first_line(&mut command, "Starting to serve on ")?;
    Ok((process, line.parse()?))
}

fn dataplane(programs: &Programs, snapshot: &Path, log: fs::File) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = Command::new(&programs.dataplane);
    command.arg("--snapshot").arg(snapshot).args(["--admin", "127.0.0.1:0"]);
    command.arg("--bind").arg(Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(1..), 1).to_string());
    let (process, line) = first_line(command.stderr(log), "admin=")?;
    Ok((process, line.parse()?))
}

/// Starts a program and waits for a line that it prints; what it prints later is read and forgotten.
fn first_line(command: &mut Command, prefix: &'static str) -> anyhow::Result<(Process, String)> {
    let (reader, writer) = std::io::pipe()?;
    let process = Process::start(command.stdin(Stdio::null()).stdout(writer))?;
    command.stdout(Stdio::null());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix(prefix) {
                // Nobody waits any more.
                let _ = tell.send(rest.to_owned());
            }
        }
    });
    let line = told.recv_timeout(SOON).with_context(|| format!("no line `{prefix}…`"))?;
    Ok((process, line))
}

/// The moments at which the manifest was seen to change.
fn watch_manifest(address: SocketAddr) -> anyhow::Result<mpsc::Receiver<Instant>> {
    let stream = std::net::TcpStream::connect(address)?;
    let target = format!(
        "/api/v1/namespaces/{NAMESPACE}/configmaps?watch=true&fieldSelector=metadata.name%3D{BASE}-config"
    );
    use std::io::Write as _;
    (&stream).write_all(format!("GET {target} HTTP/1.1\r\nhost: api\r\n\r\n").as_bytes())?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        for _ in
            lines.filter(|line| line.contains("\"type\":\"ADDED\"") || line.contains("\"type\":\"MODIFIED\""))
        {
            if tell.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    Ok(told)
}

/// The Gateway, its Services with endpoints, and the routes.
fn make(address: SocketAddr, size: Size) -> anyhow::Result<()> {
    let mut api = Connection::open(address)?;
    create(&mut api, "/api/v1/namespaces", &json!({ "metadata": { "name": NAMESPACE } }))?;
    let listener = json!({ "name": "http", "protocol": "HTTP", "port": PORT,
        "allowedRoutes": { "namespaces": { "from": "All" } } });
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": { "name": GATEWAY },
        "spec": { "gatewayClassName": "fsm", "listeners": [listener] },
    });
    create(
        &mut api,
        &format!("/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways"),
        &gateway,
    )?;
    for space in 0..size.namespaces {
        create(&mut api, "/api/v1/namespaces", &json!({ "metadata": { "name": namespace(space) } }))?;
        for service in 0..size.services() {
            make_service(&mut api, space, service)?;
        }
    }
    thread::scope(|scope| {
        let maker = |part: u32| {
            scope.spawn(move || {
                let mut api = Connection::open(address)?;
                (0..size.routes).filter(|it| it % MAKERS == part).try_for_each(|it| {
                    let route = json!({
                        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                        "metadata": { "name": route_name(it) }, "spec": size.route_spec(it, "first"),
                    });
                    create(&mut api, &size.routes_of(it), &route)
                })
            })
        };
        let makers: Vec<_> = (0..MAKERS).map(maker).collect();
        makers
            .into_iter()
            .try_for_each(|it| it.join().unwrap_or_else(|_| bail!("a maker of routes panicked")))
    })
}

fn make_service(api: &mut Connection, space: u32, service: u32) -> anyhow::Result<()> {
    let (namespace, name) = (namespace(space), service_name(service));
    let body =
        json!({ "metadata": { "name": name }, "spec": { "ports": [{ "port": 80, "targetPort": 9000 }] } });
    create(api, &format!("/api/v1/namespaces/{namespace}/services"), &body)?;
    let slice = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": name } }, "addressType": "IPv4",
        "ports": [{ "port": 9000 }], "endpoints": endpoints(space, service, 1),
    });
    create(api, &format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"), &slice)
}

/// Two; the second moves from one `turn` to the next.
fn endpoints(space: u32, service: u32, turn: u32) -> Value {
    let (high, low) = (service / 250 + space, service % 250 + 1);
    json!([
        { "addresses": [format!("10.1.{high}.{low}")] },
        { "addresses": [format!("10.{}.{high}.{low}", 2 + turn % 250)] },
    ])
}

impl Size {
    /// The Services of each namespace.
    fn services(self) -> u32 {
        self.routes.div_ceil(self.namespaces).div_ceil(ROUTES_PER_SERVICE)
    }

    /// Where the API server has the routes of the namespace of this one.
    fn routes_of(self, route: u32) -> String {
        let namespace = namespace(route % self.namespaces);
        format!("/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes")
    }

    fn route_spec(self, route: u32, value: &str) -> Value {
        let filter = json!({ "type": "RequestHeaderModifier",
            "requestHeaderModifier": { "set": [{ "name": "x-edit", "value": value }] } });
        json!({
            "parentRefs": [{ "name": GATEWAY, "namespace": NAMESPACE }],
            "hostnames": [format!("host-{route}.example.com")],
            "rules": [{
                "matches": [{ "path": { "type": "PathPrefix", "value": format!("/app-{route}") } }],
                "filters": [filter],
                "backendRefs": [{ "name": service_name(route / self.namespaces / ROUTES_PER_SERVICE), "port": 80 }],
            }],
        })
    }
}

fn namespace(number: u32) -> String {
    format!("{NAMESPACE}-{number}")
}

fn service_name(service: u32) -> String {
    format!("service-{service}")
}

fn route_name(route: u32) -> String {
    format!("route-{route:05}")
}

fn create(api: &mut Connection, target: &str, body: &Value) -> anyhow::Result<()> {
    let fields = [("content-type", "application/json")];
    ok(&api.send("POST", target, &fields, body.to_string().as_bytes())?)
}

fn ok(answer: &Response) -> anyhow::Result<()> {
    ensure!(
        answer.status < 300,
        "the API server answers {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Ok(())
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

/// Bytes of memory that the process has in use.
fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Of all threads, to the tick of 10 ms.
fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
