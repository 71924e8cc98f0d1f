//! The agent: a container that starts before the data plane, runs beside it and ends after it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ResourceRequirements, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::dataplane::{RUN_PATH, SNAPSHOT};
use super::{Common, pod};
use crate::validate::ADMIN_PORT;

/// Where clients of the API server look for a token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

pub(super) fn container(common: &Common<'_>) -> Container {
    let dataplane = SocketAddr::new(common.install.family.loopback(), ADMIN_PORT);
    let args = [
        "agent".to_owned(),
        format!("--manifest={}", common.names.manifest()),
        format!("--report={}", common.names.report()),
        format!("--out={SNAPSHOT}"),
        format!("--dataplane={dataplane}"),
    ];
    Container {
        name: "agent".into(),
        image: Some(common.install.operator_image.clone()),
        // With this an init container is not waited for, and goes last.
        restart_policy: Some("Always".into()),
        args: Some(args.into()),
        env: Some(vec![env("POD_NAME", "metadata.name"), env("POD_NAMESPACE", "metadata.namespace")]),
        resources: Some(resources()),
        security_context: Some(pod::confined()),
        volume_mounts: Some(vec![
            mount(pod::RUN, RUN_PATH),
            VolumeMount { read_only: Some(true), ..mount(pod::TOKEN, TOKEN_PATH) },
        ]),
        ..Container::default()
    }
}

fn env(name: &str, path: &str) -> EnvVar {
    let source = EnvVarSource { field_ref: Some(pod::field(path)), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}

/// The limit has room for two of the largest snapshots, whose memory counts as the agent's, and for making one.
fn resources() -> ResourceRequirements {
    let amounts = |list: &[(&str, &str)]| -> BTreeMap<String, Quantity> {
        list.iter().map(|(name, amount)| ((*name).into(), Quantity((*amount).into()))).collect()
    };
    ResourceRequirements {
        requests: Some(amounts(&[("cpu", "10m"), ("memory", "32Mi")])),
        limits: Some(amounts(&[("memory", "512Mi")])),
        ..ResourceRequirements::default()
    }
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.into(), mount_path: path.into(), ..VolumeMount::default() }
}
