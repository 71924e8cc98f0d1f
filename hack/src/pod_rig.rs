//! What a node does with a pod of a data plane, as far as it matters here: the programs run with the arguments and
//! variables that the Pod's specification has, under the Pod's ServiceAccount, in a network of the Pod's own, and the
//! Pod becomes ready when its readiness probe says so.
//!
//! Everything is read from the Pod that the API server's own controllers have made of the Deployment. Absent:
//! containers. Files that the specification mounts lie in a temporary folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::apiserver::{Cluster, TestNamespace};
use crate::cleanup::{Folder, Process};
use crate::http_client::{Connection, Response};
use crate::load::{self, Outcome};
use crate::netns::{ADDRESS, Namespace};
use crate::programs::Programs;
use crate::rig::poll;

/// How long the pod may take to exist, and to become ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// How many connections a load keeps busy.
const CONNECTIONS: usize = 4;
/// The address of every load balancer: nobody ever asks there (RFC 5737).
const BALANCER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Where the specification mounts the folder of the snapshot.
const RUN: &str = "/run/rebound";

/// A running pod.
#[derive(Debug)]
pub struct Pod {
    name: String,
    network: Namespace,
    admin: SocketAddr,
    /// By container.
    processes: BTreeMap<String, Process>,
    // After the processes.
    folder: Folder,
}

impl Pod {
    /// Waits for a pod of the Deployment that nothing runs yet, runs it in `network`, where [`ADDRESS`] is its address,
    /// reports it ready, and gives the Service of the same name an address.
    ///
    /// # Errors
    /// When there is no such pod, or it does not become ready; with the ends of its logs.
    pub fn start(
        cluster: &Cluster,
        namespace: &TestNamespace,
        deployment: &str,
        network: Namespace,
    ) -> anyhow::Result<Self> {
        let object = claim(cluster, namespace, &format!("app.kubernetes.io/instance={deployment}"))?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let account = object["spec"]["serviceAccountName"].as_str().context("no ServiceAccount")?;
        let identity = cluster.as_service_account(namespace.name(), account)?;
        network.reach(cluster.address()?)?;
        let probe = &object["spec"]["containers"][0]["readinessProbe"]["httpGet"];
        let port = probe["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no probe")?;
        let admin = SocketAddr::from((ADDRESS, port));
        let mut pod = Self { name, network, admin, processes: BTreeMap::new(), folder: Folder::new()? };
        let parts = ["initContainers", "containers"].map(|field| object["spec"][field].as_array());
        for container in parts.into_iter().flatten().flatten() {
            pod.run(&object, container, identity.kubeconfig())?;
        }
        pod.await_ready(probe["path"].as_str().unwrap_or_default())?;
        report(namespace, &pod.name, ADDRESS, true)?;
        expose(namespace, deployment)?;
        Ok(pod)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network, where its Gateway listens on [`ADDRESS`].
    #[must_use]
    pub fn network(&self) -> &Namespace {
        &self.network
    }

    /// Where a port of it is reached, from within its network.
    #[must_use]
    pub fn address(port: u16) -> SocketAddr {
        SocketAddr::from((ADDRESS, port))
    }

    /// Asks the data plane about itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn about(&self, target: &str) -> anyhow::Result<Response> {
        self.network.enter(|| Connection::open(self.admin)?.get(target))?
    }

    /// The generation that the data plane serves.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn generation(&self) -> anyhow::Result<u64> {
        let answer: Value = serde_json::from_slice(&self.about("/generation")?.body)?;
        answer["generation"].as_u64().with_context(|| format!("no generation in {answer}"))
    }

    /// Keeps some connections busy with GETs of `target` at a port of it, while `work` is done outside of its network.
    ///
    /// # Errors
    /// When nobody can enter its network.
    ///
    /// # Panics
    /// When `work` does.
    pub fn under_load<T>(
        &self,
        port: u16,
        target: &str,
        work: impl FnOnce() -> T,
    ) -> anyhow::Result<(T, Outcome)> {
        let (over, until) = mpsc::channel::<()>();
        // It never says anything: its other end goes.
        let until_over = move || until.recv().unwrap_or_default();
        let load = || load::during(Self::address(port), target, CONNECTIONS, until_over).1;
        thread::scope(move |scope| {
            let load = scope.spawn(|| self.network.enter(load));
            let done = work();
            // A panic drops it as well.
            drop(over);
            let outcome = load.join().unwrap_or_else(|_| bail!("the load client panicked"))?;
            Ok((done, outcome))
        })
    }

    /// What its containers have logged.
    #[must_use]
    pub fn logs(&self) -> String {
        let log = |name: &String| {
            let text = fs::read_to_string(self.log(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        self.processes.keys().map(log).collect()
    }

    /// Kills a container's program, and leaves it dead.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn kill(&mut self, container: &str) -> anyhow::Result<()> {
        let process = self.processes.get_mut(container).context("no such container")?;
        process.end(Duration::ZERO).map(drop)
    }

    fn log(&self, container: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{container}.log"))
    }

    fn run(&mut self, pod: &Value, container: &Value, kubeconfig: &Path) -> anyhow::Result<()> {
        let name = container["name"].as_str().context("a container without a name")?;
        let programs = Programs::for_tests()?;
        // The entry points of the images.
        let program = match name {
            "agent" => programs.operator,
            "dataplane" => programs.dataplane,
            other => bail!("nobody knows what runs in the container {other}"),
        };
        let log = File::create(self.log(name))?;
        let mut command = self.network.command(program);
        command.envs(variables(pod, container)?).env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG");
        let run = self.folder.path().display().to_string();
        for argument in container["args"].as_array().into_iter().flatten() {
            command.arg(argument.as_str().unwrap_or_default().replace(RUN, &run));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.processes.insert(name.to_owned(), Process::start(&mut command)?);
        Ok(())
    }

    fn await_ready(&mut self, probe: &str) -> anyhow::Result<()> {
        let ready = || self.about(probe).ok().filter(|answer| answer.status == 200);
        let became = poll(READY_MAX, ready).is_some();
        ensure!(became, "the data plane is not ready after {} s:\n{}", READY_MAX.as_secs(), self.logs());
        Ok(())
    }
}

/// Waits for a pod with these labels that no node has taken, and takes it.
///
/// # Errors
/// When there is none in time.
pub fn claim(cluster: &Cluster, namespace: &TestNamespace, selector: &str) -> anyhow::Result<Value> {
    let pod = poll(READY_MAX, || waiting(namespace, selector)).context("no pod waits to be run")?;
    schedule(cluster, namespace, pod["metadata"]["name"].as_str().unwrap_or_default())?;
    Ok(pod)
}

/// Tells the API server where a pod is and whether it is ready, as a node would.
///
/// # Errors
/// When the API server refuses.
pub fn report(namespace: &TestNamespace, pod: &str, address: Ipv4Addr, ready: bool) -> anyhow::Result<()> {
    let condition = json!({ "type": "Ready", "status": if ready { "True" } else { "False" } });
    let address = address.to_string();
    let status = json!({ "status": {
        "phase": "Running", "conditions": [condition], "podIP": address, "podIPs": [{ "ip": address }],
    }});
    let patch = status.to_string();
    let arguments = ["patch", "pod", pod, "--subresource=status", "--type=merge", "-p", &patch];
    namespace.kubectl(&arguments).map(drop)
}

/// Gives a Service an address, as a load balancer would.
///
/// # Errors
/// When there is no such Service, or the API server refuses.
pub fn expose(namespace: &TestNamespace, service: &str) -> anyhow::Result<()> {
    let ingress = json!({ "ip": BALANCER.to_string() });
    let patch = json!({ "status": { "loadBalancer": { "ingress": [ingress] } } }).to_string();
    let arguments = ["patch", "service", service, "--subresource=status", "--type=merge", "-p", &patch];
    namespace.kubectl(&arguments).map(drop)
}

fn waiting(namespace: &TestNamespace, selector: &str) -> Option<Value> {
    let pods = namespace.kubectl(&["get", "pods", "-l", selector, "-o", "json"]).ok()?;
    let mut pods: Value = serde_json::from_str(&pods).ok()?;
    let pods = pods["items"].as_array_mut()?;
    let free = pods.iter().position(|pod| pod["spec"].get("nodeName").is_none())?;
    Some(pods.swap_remove(free))
}

/// Gives the pod to a node, without which it takes no traffic. The node is there in name only.
fn schedule(cluster: &Cluster, namespace: &TestNamespace, pod: &str) -> anyhow::Result<()> {
    const NODE: &str = "rig";
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": NODE } });
    cluster.apply(&node.to_string(), &["--server-side"])?;
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod },
        "target": { "apiVersion": "v1", "kind": "Node", "name": NODE },
    });
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/binding", namespace.name());
    let mut file = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut file, binding.to_string().as_bytes())?;
    let file = file.path().display().to_string();
    cluster.kubectl(&["create", "--raw", &path, "-f", &file]).map(drop)
}

/// The container's variables, those that name fields of the Pod resolved.
fn variables(pod: &Value, container: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().context("a variable without a name")?.to_owned();
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            None => variable["value"].as_str().unwrap_or_default().to_owned(),
            Some("status.podIP") => Ipv4Addr::to_string(&ADDRESS),
            Some(path) => {
                let pointer = format!("/{}", path.replace('.', "/"));
                let field = pod.pointer(&pointer).and_then(Value::as_str);
                field.with_context(|| format!("the Pod has no {path}"))?.to_owned()
            }
        };
        variables.push((name, value));
    }
    Ok(variables)
}

/// Lets a Gateway look served without any data plane: a pod of the Deployment is ready, and has reported a generation
/// that no configuration will ever reach. For tests of what is said then.
///
/// # Errors
/// When there is no pod in time, or the API server refuses.
pub fn pretend(cluster: &Cluster, namespace: &TestNamespace, deployment: &str) -> anyhow::Result<()> {
    let pod = claim(cluster, namespace, &format!("app.kubernetes.io/instance={deployment}"))?;
    let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
    let served = json!({ "generation": i64::MAX, "driver": "none", "error": null }).to_string();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": format!("{deployment}-report") }, "data": { pod: served },
    });
    let manager = ["--server-side", "--field-manager=pretence", "-n", namespace.name()];
    cluster.apply(&map.to_string(), &manager)?;
    report(namespace, pod, ADDRESS, true)
}
