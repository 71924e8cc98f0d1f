//! Who chooses the number of pods where the configuration does not.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
};
use rebound_api::crd::gateway_config::Scale;

use super::{Common, dataplane};

pub(super) fn autoscaler(common: &Common<'_>) -> Option<HorizontalPodAutoscaler> {
    let Scale::Auto { min, max, cpu_percent } = common.gateway.settings.scale() else { return None };
    let target = CrossVersionObjectReference {
        api_version: Some("apps/v1".into()),
        kind: "Deployment".into(),
        name: common.names.base().into(),
    };
    let spec = HorizontalPodAutoscalerSpec {
        scale_target_ref: target,
        min_replicas: Some(min),
        max_replicas: max,
        metrics: Some(vec![cpu(cpu_percent)]),
        ..HorizontalPodAutoscalerSpec::default()
    };
    Some(HorizontalPodAutoscaler { metadata: common.base(), spec: Some(spec), status: None })
}

/// Of the data plane's container alone: what the agent uses says nothing about traffic.
fn cpu(percent: i32) -> MetricSpec {
    let source = ContainerResourceMetricSource {
        container: dataplane::NAME.into(),
        name: "cpu".into(),
        target: MetricTarget {
            type_: "Utilization".into(),
            average_utilization: Some(percent),
            ..MetricTarget::default()
        },
    };
    MetricSpec {
        type_: "ContainerResource".into(),
        container_resource: Some(source),
        ..MetricSpec::default()
    }
}
