//! The Deployment of a data plane: how many pods, and how they are replaced.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rebound_api::crd::gateway_config::Scale;

use super::{Common, pod};

pub(super) fn deployment(common: &Common<'_>) -> Deployment {
    // Without a number here it is the autoscaler's to choose.
    let replicas = match common.gateway.settings.scale() {
        Scale::Fixed(replicas) => Some(replicas),
        Scale::Auto { .. } => None,
    };
    let spec = DeploymentSpec {
        replicas,
        selector: common.selector(),
        strategy: Some(one_by_one()),
        template: pod::template(common),
        ..DeploymentSpec::default()
    };
    Deployment { metadata: common.base(), spec: Some(spec), status: None }
}

/// No pod goes before another has taken its place.
fn one_by_one() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".into()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::String("25%".into())),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}
