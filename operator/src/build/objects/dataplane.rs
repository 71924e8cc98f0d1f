//! The data plane's container: the proxy, which reads one file and knows nothing of Kubernetes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SeccompProfile,
    SecurityContext, SleepAction, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rebound_api::crd::gateway_config::fields::Driver;
use rebound_api::crd::gateway_config::{Seccomp, Settings};

use super::{Common, pod, telemetry};
use crate::validate::ADMIN_PORT;

/// The container.
pub(super) const NAME: &str = "dataplane";
/// Where both containers see the folder that they share.
pub(super) const RUN_PATH: &str = "/run/rebound";
/// What the agent writes and the data plane follows.
pub(super) const SNAPSHOT: &str = "/run/rebound/snapshot";
/// Variables of the data plane's allocator, which reads them before the program begins: take no more memory than is used,
/// and give back what a reload has freed only after 100 ms, when something else is freed: reloads that follow one another
/// take it again. Requests free nothing but what the next one takes.
pub const ALLOCATOR: [(&str, &str); 2] =
    [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("MIMALLOC_PURGE_DELAY", "100")];
/// Where the live page is, for those who may forward a port of the pod.
const LIVE_PORT: u16 = 9902;
/// The data plane stops to accept connections as soon as it is told to go. Nodes and load balancers take a moment to
/// hear that the pod is going: until then it serves as before.
pub(super) const PAUSE_SECONDS: i64 = 5;

pub(super) fn container(common: &Common<'_>) -> Container {
    Container {
        name: NAME.into(),
        image: Some(common.install.dataplane_image.clone()),
        args: Some(args(common)),
        env: Some(environment(common)),
        ports: Some(ports()),
        startup_probe: Some(probe("/livez", 1, 30)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        lifecycle: Some(pause()),
        resources: Some(common.gateway.settings.resources()),
        security_context: Some(security(&common.gateway.settings)),
        volume_mounts: Some(vec![VolumeMount {
            name: pod::RUN.into(),
            mount_path: RUN_PATH.into(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    }
}

fn environment(common: &Common<'_>) -> Vec<EnvVar> {
    let text = |(name, value): (&str, &str)| EnvVar {
        name: name.into(),
        value: Some(value.into()),
        value_from: None,
    };
    ALLOCATOR.map(text).into_iter().chain(telemetry::environment(common)).collect()
}

/// What clients may take, as far as somebody decided about it: the data plane has defaults.
fn limits(settings: &Settings) -> impl Iterator<Item = String> {
    let ms = |timeout: Duration| timeout.as_millis().to_string();
    let flags = [
        ("connections", settings.connections().map(|it| it.to_string())),
        ("request-head-bytes", settings.request_head_bytes().map(|it| it.to_string())),
        ("request-head-timeout-ms", settings.request_head_timeout().map(ms)),
        ("client-idle-timeout-ms", settings.client_idle_timeout().map(ms)),
        ("drain-timeout-ms", Some(ms(settings.drain_timeout()))),
    ];
    flags.into_iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", value?)))
}

fn args(common: &Common<'_>) -> Vec<String> {
    let (settings, any) = (&common.gateway.settings, common.install.family.any());
    let driver = match settings.driver() {
        Driver::Auto => "auto",
        Driver::Uring => "uring",
        Driver::Epoll => "epoll",
    };
    let mut args = vec![
        format!("--snapshot={SNAPSHOT}"),
        format!("--bind={any}"),
        format!("--admin={}", SocketAddr::new(any, ADMIN_PORT)),
        format!("--driver={driver}"),
    ];
    args.push(format!("--live={}", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), LIVE_PORT)));
    args.extend(telemetry::flags(settings));
    args.extend(settings.workers().map(|workers| format!("--workers={workers}")));
    args.extend(limits(settings));
    args
}

/// Only the port that never changes. A change of the pod would restart it, and a listener that comes or goes is a change
/// of the configuration; the Service leads to ports by their numbers.
fn ports() -> Vec<ContainerPort> {
    vec![ContainerPort {
        name: Some("admin".into()),
        container_port: ADMIN_PORT.into(),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }]
}

/// `/livez` says that the process answers, `/readyz` that a configuration is active and the drain has not begun. A
/// data plane that waits for its configuration is not ready, and starting it anew would not help: only `/livez`
/// decides about its life, from the start.
fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::Int(ADMIN_PORT.into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failure_threshold),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

fn pause() -> Lifecycle {
    let sleep = SleepAction { seconds: PAUSE_SECONDS };
    Lifecycle {
        pre_stop: Some(LifecycleHandler { sleep: Some(sleep), ..LifecycleHandler::default() }),
        ..Lifecycle::default()
    }
}

fn security(settings: &Settings) -> SecurityContext {
    let seccomp_profile = match settings.seccomp() {
        Seccomp::RuntimeDefault => None,
        Seccomp::Localhost(path) => {
            Some(SeccompProfile { type_: "Localhost".into(), localhost_profile: Some(path) })
        }
    };
    SecurityContext { seccomp_profile, ..pod::confined() }
}
