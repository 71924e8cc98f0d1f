//! How many pods may be taken away on purpose at a time. One, also of one: else no node could be drained.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Common;

pub(super) fn budget(common: &Common<'_>) -> PodDisruptionBudget {
    let spec = PodDisruptionBudgetSpec {
        max_unavailable: Some(IntOrString::Int(1)),
        selector: Some(common.selector()),
        // A pod that serves nobody is in nobody's way.
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
        ..PodDisruptionBudgetSpec::default()
    };
    PodDisruptionBudget { metadata: common.base(), spec: Some(spec), status: None }
}
