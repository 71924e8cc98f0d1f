//! The pod: the data plane, the agent beside it, and what they share. Fits the restricted Pod Security Standard.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, EmptyDirVolumeSource,
    KeyToPath, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, ProjectedVolumeSource,
    SeccompProfile, SecurityContext, ServiceAccountTokenProjection, Sysctl, TopologySpreadConstraint, Volume,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rebound_api::crd::gateway_config::Settings;

use super::{Common, agent, dataplane};
use crate::build::labels;

/// The volume that the agent writes the snapshot into.
pub(super) const RUN: &str = "run";
/// The volume with the agent's token.
pub(super) const TOKEN: &str = "token";

/// Room for the largest snapshot, 64 MiB, and the one that takes its place.
const RUN_SIZE: &str = "144Mi";
/// Nobody: no file of the images belongs to it.
const USER: i64 = 65532;
/// An hour, and the seven seconds by which Kubernetes tells such a token from one that was asked for.
const TOKEN_SECONDS: i64 = 3607;
/// The first port that is not the superuser's. A safe sysctl: it is the pod's own.
const UNPRIVILEGED_PORT_START: &str = "net.ipv4.ip_unprivileged_port_start";
/// What ends beside the drain itself: the pause before it, the cores (2 s), the last spans and log lines (2 s), the agent.
const END_SECONDS: i64 = dataplane::PAUSE_SECONDS + 2 + 2 + 3;

pub(super) fn template(common: &Common<'_>) -> PodTemplateSpec {
    let settings = &common.gateway.settings;
    let spread: Vec<_> = settings.topology_spread().into_iter().map(|it| select(common, it)).collect();
    let spec = PodSpec {
        service_account_name: Some(common.names.base().into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(grace_seconds(settings)),
        security_context: Some(security()),
        init_containers: Some(vec![agent::container(common)]),
        containers: vec![dataplane::container(common)],
        volumes: Some(vec![run(), token()]),
        // Kubernetes does not keep what is empty: written, it would differ for ever.
        node_selector: settings.node_selector().cloned().filter(|it| !it.is_empty()),
        tolerations: settings.tolerations().cloned().filter(|it| !it.is_empty()),
        affinity: settings.affinity().cloned(),
        topology_spread_constraints: Some(spread).filter(|it| !it.is_empty()),
        ..PodSpec::default()
    };
    let metadata = ObjectMeta {
        labels: Some(labels::all(common.gateway, &common.names)),
        annotations: common.annotations(),
        ..ObjectMeta::default()
    };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn grace_seconds(settings: &Settings) -> i64 {
    let drain = settings.drain_timeout().as_millis().div_ceil(1000);
    END_SECONDS.saturating_add(i64::try_from(drain).unwrap_or(i64::MAX))
}

/// What the restricted standard asks of a container.
pub(super) fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

fn security() -> PodSecurityContext {
    // Whether or not a listener needs it now: pods need not be replaced for one on port 80 that comes later.
    let any_port = Sysctl { name: UNPRIVILEGED_PORT_START.into(), value: "0".into() };
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        sysctls: Some(vec![any_port]),
        ..PodSecurityContext::default()
    }
}

/// A constraint without a selector is about the pods of the Gateway.
fn select(common: &Common<'_>, mut constraint: TopologySpreadConstraint) -> TopologySpreadConstraint {
    constraint.label_selector.get_or_insert_with(|| common.selector());
    constraint
}

fn run() -> Volume {
    let memory =
        EmptyDirVolumeSource { medium: Some("Memory".into()), size_limit: Some(Quantity(RUN_SIZE.into())) };
    Volume { name: RUN.into(), empty_dir: Some(memory), ..Volume::default() }
}

/// What a pod gets by default, for one container instead of all.
fn token() -> Volume {
    let token = ServiceAccountTokenProjection {
        path: "token".into(),
        expiration_seconds: Some(TOKEN_SECONDS),
        ..ServiceAccountTokenProjection::default()
    };
    let certificate = KeyToPath { key: "ca.crt".into(), path: "ca.crt".into(), mode: None };
    let authority = ConfigMapProjection {
        name: "kube-root-ca.crt".into(),
        items: Some(vec![certificate]),
        ..ConfigMapProjection::default()
    };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".into(),
        field_ref: Some(field("metadata.namespace")),
        ..DownwardAPIVolumeFile::default()
    };
    let sources = vec![
        VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() },
        VolumeProjection { config_map: Some(authority), ..VolumeProjection::default() },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection { items: Some(vec![namespace]) }),
            ..VolumeProjection::default()
        },
    ];
    let projected = ProjectedVolumeSource { sources: Some(sources), ..ProjectedVolumeSource::default() };
    Volume { name: TOKEN.into(), projected: Some(projected), ..Volume::default() }
}

/// A field of the pod itself.
pub(super) fn field(path: &str) -> ObjectFieldSelector {
    ObjectFieldSelector { field_path: path.into(), api_version: Some("v1".into()) }
}
