//! Programs of other projects that tests run against: built from their Go modules, which `hack/tools` pins.
//!
//! Built once, below `target/`, in a folder that is named after what the module's lock files say: another version is
//! another folder. Absent: what the programs are for.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::cleanup::Process;
use crate::programs::workspace;
use crate::say;

/// The oldest Go that the modules accept: major and minor.
const GO_MIN: (u32, u32) = (1, 26);
/// The most time that one program may take to build.
const BUILD_MAX: Duration = Duration::from_secs(45 * 60);

/// A program of another project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The store behind the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// The controllers that come with Kubernetes: garbage collection, namespaces, Deployments, EndpointSlices.
    KubeControllerManager,
    /// The client: always this one, never the one that a machine happens to have.
    Kubectl,
    /// OLM's tool for bundles and catalogs.
    Opm,
    /// The OpenTelemetry collector, which prints the spans that it receives.
    Otelcol,
}

/// Where a program's source is and how it is built.
struct Source {
    /// Folder below `hack/tools`.
    module: &'static str,
    package: &'static str,
    tags: &'static str,
    linker: &'static str,
}

/// Kubernetes takes its version from the linker, and answers v0.0.0 without it.
const KUBERNETES_LINKER: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

impl Program {
    /// Every one of them, the slowest to build first.
    pub const ALL: [Self; 6] = [
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::Etcd,
        Self::Opm,
        Self::Otelcol,
    ];

    /// The name of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Opm => "opm",
            Self::Otelcol => "otelcol",
        }
    }

    fn source(self) -> Source {
        let kubernetes =
            |package| Source { module: "kubernetes", package, tags: "", linker: KUBERNETES_LINKER };
        match self {
            Self::Etcd => {
                Source { module: "etcd", package: "go.etcd.io/etcd/server/v3", tags: "", linker: "-s -w" }
            }
            Self::KubeApiserver => kubernetes("k8s.io/kubernetes/cmd/kube-apiserver"),
            Self::KubeControllerManager => kubernetes("k8s.io/kubernetes/cmd/kube-controller-manager"),
            Self::Kubectl => kubernetes("k8s.io/kubernetes/cmd/kubectl"),
            Self::Opm => Source {
                module: "olm",
                package: "github.com/operator-framework/operator-registry/cmd/opm",
                // Without them it wants C libraries for signatures and for a file system.
                tags: "containers_image_openpgp,exclude_graphdriver_btrfs,json1",
                linker: "-s -w",
            },
            // The module is the program: a collector is put together, not configured.
            Self::Otelcol => Source { module: "otelcol", package: ".", tags: "", linker: "-s -w" },
        }
    }

    /// Where it is; built now if it is not there yet, which takes up to three minutes on two cores.
    ///
    /// # Errors
    /// When Go is missing or too old, or the build fails.
    pub fn build(self) -> anyhow::Result<PathBuf> {
        /// The threads of one process wait for one another; other processes do their own.
        static BUILDING: Mutex<()> = Mutex::new(());
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let source = self.source();
        let folder = source.cache()?;
        let program = folder.join(self.name());
        if program.is_file() {
            return Ok(program);
        }
        if let Some(reason) = missing() {
            bail!("{} cannot be built: {reason}", self.name());
        }
        fs::create_dir_all(&folder)?;
        // Renamed when it is whole: somebody else may be building it too, or be looking for it.
        let staged = folder.join(format!(".{}-{}", self.name(), std::process::id()));
        let log = workspace().join(format!("target/rebound/logs/build-{}.log", self.name()));
        say::step(&format!(
            "building {} from {}, once (log: {})",
            self.name(),
            source.package,
            log.display()
        ));
        source.build(&staged, &log)?;
        fs::rename(&staged, &program)?;
        Ok(program)
    }
}

impl Source {
    fn folder(&self) -> PathBuf {
        workspace().join("hack/tools").join(self.module)
    }

    /// Named after everything that the result depends on.
    fn cache(&self) -> anyhow::Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        let main = Some("main.go").filter(|name| self.folder().join(name).is_file());
        for name in ["go.mod", "go.sum"].into_iter().chain(main) {
            let path = self.folder().join(name);
            fs::read(&path).with_context(|| format!("read {}", path.display()))?.hash(&mut hasher);
        }
        (self.tags, self.linker).hash(&mut hasher);
        let name = format!("{}-{:016x}", self.module, hasher.finish());
        Ok(workspace().join("target/rebound/tools").join(name))
    }

    /// Niced: a test run builds these beside its own work.
    fn build(&self, program: &Path, log: &Path) -> anyhow::Result<()> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let out = fs::File::create(log)?;
        let mut command = Command::new("nice");
        command.args(["-n", "19", "go", "build", "-trimpath", "-tags", self.tags, "-ldflags", self.linker]);
        command.arg("-o").arg(program).arg(self.package).env("CGO_ENABLED", "0").current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let ended = Process::start(&mut command)?.wait(BUILD_MAX)?;
        let built = ended.is_some_and(|status| status.success());
        ensure!(built, "go could not build {}:\n{}", self.package, fs::read_to_string(log)?);
        Ok(())
    }
}

/// Builds everything in a thread, so that other work can go on. The first error ends it.
#[must_use]
pub fn build_in_background() -> JoinHandle<anyhow::Result<()>> {
    thread::spawn(|| Program::ALL.into_iter().try_for_each(|program| program.build().map(drop)))
}

/// Why nothing can be built on this machine; `None` when it can.
#[must_use]
pub fn missing() -> Option<String> {
    let (major, minor) = GO_MIN;
    // Of the Go that is installed, not of one that it would fetch to suit a module.
    let asked = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
    let Some(answer) = asked.ok().filter(|answer| answer.status.success()) else {
        return Some(format!("Go is not installed (at least {major}.{minor} is needed)"));
    };
    let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    (go_version(&version)? < GO_MIN)
        .then(|| format!("Go is too old ({version}; at least {major}.{minor} is needed)"))
}

/// Major and minor of `go1.26.8`; `None` for a development version, which is taken as it is.
fn go_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The release channels of Gateway API's CRDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Channel {
    /// Only what is stable.
    Standard,
    /// With the fields that are still tried, `HTTPRoute.spec.rules[].retry` among them: what our CRDs say about
    /// routes is about all of it, so tests run with this one.
    #[default]
    Experimental,
}

impl Channel {
    /// The manifests of the channel's CRDs, from the module cache.
    ///
    /// # Errors
    /// When Go is missing, or the module can neither be found nor fetched.
    pub fn crds(self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = match self {
            Self::Standard => "config/crd/standard",
            Self::Experimental => "config/crd/experimental",
        };
        manifests(&module("gateway-api", "sigs.k8s.io/gateway-api")?.join(folder))
    }
}

/// The CRD of OLM's ClusterServiceVersion, from the module cache.
///
/// # Errors
/// When Go is missing, or the module can neither be found nor fetched.
pub fn service_version_crd() -> anyhow::Result<PathBuf> {
    let api = module("olm", "github.com/operator-framework/api")?;
    Ok(api.join("crds/operators.coreos.com_clusterserviceversions.yaml"))
}

/// The folder of a module that one of ours pins.
fn module(ours: &str, path: &str) -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Downloaded {
        dir: PathBuf,
    }
    let folder = workspace().join("hack/tools").join(ours);
    let answer = Command::new("go")
        .args(["mod", "download", "-json", path])
        .current_dir(&folder)
        .output()
        .context("run go")?;
    let said = String::from_utf8_lossy(&answer.stderr);
    ensure!(answer.status.success(), "go cannot find {path}: {}", said.trim());
    Ok(serde_json::from_slice::<Downloaded>(&answer.stdout).context("read what go says")?.dir)
}

/// The manifests of a folder, sorted, without the list that kustomize keeps beside them.
pub(crate) fn manifests(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.retain(|path| {
        path.extension().is_some_and(|ext| ext == "yaml") && !path.ends_with("kustomization.yaml")
    });
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_that_is_too_old_is_recognised() {
        assert!(go_version("go1.25.3").unwrap() < GO_MIN);
        assert!(go_version("go1.26.8").unwrap() >= GO_MIN);
        assert!(go_version("go1.26rc1").unwrap() >= GO_MIN);
        assert!(go_version("go2.0").unwrap() >= GO_MIN);
        assert_eq!(go_version("devel +5fa1eb4"), None);
    }

    #[test]
    fn kubernetes_says_the_version_that_is_pinned() {
        let pinned = fs::read_to_string(workspace().join("hack/tools/kubernetes/go.mod")).unwrap();
        let version = KUBERNETES_LINKER.split("gitVersion=").nth(1).unwrap().split(' ').next().unwrap();
        assert!(pinned.contains(&format!("k8s.io/kubernetes {version} ")), "{version}");
    }

    #[test]
    fn every_program_has_pinned_lock_files() {
        for program in Program::ALL {
            program.source().cache().unwrap();
        }
    }
}
