//! Who the agents are. The data plane itself has no token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::Common;

pub(super) fn account(common: &Common<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: common.base(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
