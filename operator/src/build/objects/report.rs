//! Where the agents report. Without data: each agent owns the key of its pod.

use k8s_openapi::api::core::v1::ConfigMap;

use super::Common;

pub(super) fn report(common: &Common<'_>) -> ConfigMap {
    ConfigMap { metadata: common.named(&common.names.report()), ..ConfigMap::default() }
}
