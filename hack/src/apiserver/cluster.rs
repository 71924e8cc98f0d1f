//! A running API server as its clients see it: an address and an identity, in a kubeconfig, and kubectl.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::state::{CLUSTER_VARIABLE, state_folder};
use super::{KUBECONFIG, pki};
use crate::cleanup::Process;
use crate::rig::poll;
use crate::tools::Program;

/// The most time that one call of kubectl may take, whatever it waits for.
const KUBECTL_MAX: Duration = Duration::from_secs(60);

/// Somebody's view of an API server. Cheap to copy; the server is somebody else's.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubectl: PathBuf,
    /// The environment's folder.
    folder: PathBuf,
    kubeconfig: PathBuf,
}

impl Cluster {
    /// The environment that tests share, seen by its administrator: the one that `cargo xtask test` has started, or
    /// else the one of `cargo xtask apiserver up`. A test takes a namespace of its own in it.
    ///
    /// # Errors
    /// When there is none.
    pub fn shared() -> anyhow::Result<Self> {
        let folder = std::env::var_os(CLUSTER_VARIABLE).map_or_else(state_folder, PathBuf::from);
        if !folder.join(KUBECONFIG).is_file() {
            bail!(
                "no API server to test against: `cargo xtask test --tier api-server` starts one, \
                 and so does `cargo xtask apiserver up`"
            );
        }
        Self::inside(&folder)
    }

    /// The environment in `folder`, seen by its administrator.
    pub(super) fn inside(folder: &Path) -> anyhow::Result<Self> {
        let (folder, kubeconfig) = (folder.to_path_buf(), folder.join(KUBECONFIG));
        Ok(Self { kubectl: Program::Kubectl.build()?, folder, kubeconfig })
    }

    /// The kubeconfig: for `KUBECONFIG` of a program under test.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address, always on loopback.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        let text = fs::read_to_string(&self.kubeconfig).context("read the kubeconfig")?;
        let server = text.lines().find_map(|line| line.trim().strip_prefix("server: https://"));
        Ok(server.context("the kubeconfig names no server")?.parse()?)
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said; when it has not ended after 60 s.
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.kubectl_with(arguments, "")
    }

    /// `kubectl apply` of manifests, with more arguments: `["-n", "…", "--dry-run=server"]`.
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl).
    pub fn apply(&self, manifests: &str, arguments: &[&str]) -> anyhow::Result<String> {
        self.kubectl_with(&[&["apply", "-f", "-"], arguments].concat(), manifests)
    }

    fn kubectl_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = Command::new(&self.kubectl);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        // Beside the environment, so that what was learnt of one server is never believed of another.
        command.env("KUBECACHEDIR", self.folder.join("kubectl-cache"));
        run(&mut command, input, KUBECTL_MAX).with_context(|| format!("kubectl {}", arguments.join(" ")))
    }

    /// A namespace of its own for a test, deleted when dropped. Its name begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn namespace(&self, prefix: &str) -> anyhow::Result<TestNamespace> {
        let name = format!("{prefix}-{:08x}", fastrand::u32(..));
        self.kubectl(&["create", "namespace", &name])?;
        Ok(TestNamespace { cluster: self.clone(), name })
    }

    /// The namespace of that very name, for objects that name it themselves. One of an earlier test may be going still.
    ///
    /// # Errors
    /// When it cannot be created in time.
    pub fn namespace_called(&self, name: &str) -> anyhow::Result<TestNamespace> {
        let created = poll(KUBECTL_MAX, || self.kubectl(&["create", "namespace", name]).ok());
        created.with_context(|| format!("the namespace {name} cannot be created, or does not go"))?;
        Ok(TestNamespace { cluster: self.clone(), name: name.to_owned() })
    }

    /// Takes every rule out of a CRD's schemas, so that objects with any content are stored.
    ///
    /// # Errors
    /// When the CRD does not exist, or the API server refuses.
    pub fn permit_anything(&self, crd: &str) -> anyhow::Result<()> {
        let found = self.kubectl(&["get", "crd", crd, "-o", "json"])?;
        let found: Value = serde_json::from_str(&found)?;
        let versions = found["spec"]["versions"].as_array().cloned().unwrap_or_default();
        let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let patches: Vec<_> = (0..versions.len())
            .map(|index| {
                let path = format!("/spec/versions/{index}/schema/openAPIV3Schema");
                json!({ "op": "replace", "path": path, "value": anything })
            })
            .collect();
        let patch = Value::Array(patches).to_string();
        self.kubectl(&["patch", "crd", crd, "--type=json", "-p", &patch]).map(drop)
    }

    /// The same server as a ServiceAccount sees it: with a bound token that is good for an hour, and with the rights
    /// that RBAC gives. The kubeconfig is beside the administrator's.
    ///
    /// # Errors
    /// When the ServiceAccount does not exist.
    pub fn as_service_account(&self, namespace: &str, name: &str) -> anyhow::Result<Self> {
        let token = self.kubectl(&["create", "token", name, "-n", namespace, "--duration=1h"])?;
        let server = format!("https://{}", self.address()?);
        let user = format!("    token: {}\n", token.trim());
        let text = pki::kubeconfig(&server, &self.folder.join("pki/ca.crt"), &user);
        let kubeconfig = self.folder.join(format!("{KUBECONFIG}-{namespace}-{name}"));
        fs::write(&kubeconfig, text).context("write the kubeconfig")?;
        Ok(Self { kubeconfig, ..self.clone() })
    }
}

/// A namespace that is deleted when dropped.
#[derive(Debug)]
pub struct TestNamespace {
    cluster: Cluster,
    name: String,
}

impl TestNamespace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in it.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`].
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.cluster.kubectl(&[&["-n", self.name.as_str()], arguments].concat())
    }

    /// `kubectl apply` of manifests, in it.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`].
    pub fn apply(&self, manifests: &str) -> anyhow::Result<String> {
        self.cluster.apply(manifests, &["-n", &self.name])
    }

    /// `kubectl apply` of objects, in it.
    ///
    /// # Errors
    /// As [`Cluster::kubectl`].
    pub fn apply_all(&self, objects: &[Value]) -> anyhow::Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.apply(&list.to_string()).map(drop)
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        // A server that is gone has taken the namespace with it.
        drop(self.cluster.kubectl(&["delete", "namespace", &self.name, "--wait=false"]));
    }
}

/// Runs a command to its end and returns its stdout.
///
/// Through files: nobody has to read and write at the same time, and the time limit holds whatever is said.
pub(super) fn run(command: &mut Command, input: &str, limit: Duration) -> anyhow::Result<String> {
    let [mut stdin, stdout, stderr] = [tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?];
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    command.stdin(Stdio::from(stdin));
    command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    match Process::start(command)?.wait(limit)? {
        Some(status) if status.success() => read(stdout),
        Some(status) => bail!("{} ({status})", read(stderr)?.trim()),
        None => bail!("has not ended after {} s", limit.as_secs()),
    }
}

fn read(mut file: File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
