//! The kinds of object that are watched. Data only.

use std::fmt;

use kube::api::ApiResource;
use kube::core::GroupVersionKind;

/// A kind of object in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    GatewayClass,
    Gateway,
    HttpRoute,
    ReferenceGrant,
    RetryPolicy,
    GatewayConfig,
    Service,
    EndpointSlice,
    Namespace,
    ConfigMap,
    ServiceAccount,
    Role,
    RoleBinding,
    Deployment,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
}

/// Where the API server serves a kind.
struct Place {
    group: &'static str,
    /// The first that is served.
    versions: &'static [&'static str],
    kind: &'static str,
    plural: &'static str,
}

impl Kind {
    pub const ALL: [Self; 16] = [
        Self::GatewayClass,
        Self::Gateway,
        Self::HttpRoute,
        Self::ReferenceGrant,
        Self::RetryPolicy,
        Self::GatewayConfig,
        Self::Service,
        Self::EndpointSlice,
        Self::Namespace,
        Self::ConfigMap,
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::Deployment,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
    ];

    /// The kind that an object of `apiVersion` and `kind` is of, whatever its version.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self::ALL.into_iter().find(|it| it.place().group == group && it.place().kind == kind)
    }

    /// Whether only the objects that this operator made are watched; of the others, those of everybody.
    pub fn is_only_ours(self) -> bool {
        use Kind::{ConfigMap, Deployment, HorizontalPodAutoscaler, PodDisruptionBudget};
        use Kind::{Role, RoleBinding, ServiceAccount};
        matches!(
            self,
            ConfigMap
                | ServiceAccount
                | Role
                | RoleBinding
                | Deployment
                | PodDisruptionBudget
                | HorizontalPodAutoscaler
        )
    }

    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::GatewayClass | Self::Namespace)
    }

    /// Where it may be served, best version first.
    pub fn resources(self) -> Vec<ApiResource> {
        let place = self.place();
        let resource = |version: &&str| {
            let kind = GroupVersionKind::gvk(place.group, version, place.kind);
            ApiResource::from_gvk_with_plural(&kind, place.plural)
        };
        place.versions.iter().map(resource).collect()
    }

    pub fn group(self) -> &'static str {
        self.place().group
    }

    pub fn as_str(self) -> &'static str {
        self.place().kind
    }

    fn place(self) -> Place {
        const GATEWAY: &str = "gateway.networking.k8s.io";
        const OURS: &str = "gateway.flomesh.io";
        const RBAC: &str = "rbac.authorization.k8s.io";
        match self {
            Self::GatewayClass => place(GATEWAY, &["v1"], "GatewayClass", "gatewayclasses"),
            Self::Gateway => place(GATEWAY, &["v1"], "Gateway", "gateways"),
            Self::HttpRoute => place(GATEWAY, &["v1"], "HTTPRoute", "httproutes"),
            Self::ReferenceGrant => place(GATEWAY, &["v1", "v1beta1"], "ReferenceGrant", "referencegrants"),
            Self::RetryPolicy => place(OURS, &["v1alpha1"], "RetryPolicy", "retrypolicies"),
            Self::GatewayConfig => place(OURS, &["v1alpha1"], "GatewayConfig", "gatewayconfigs"),
            Self::Service => place("", &["v1"], "Service", "services"),
            Self::EndpointSlice => place("discovery.k8s.io", &["v1"], "EndpointSlice", "endpointslices"),
            Self::Namespace => place("", &["v1"], "Namespace", "namespaces"),
            Self::ConfigMap => place("", &["v1"], "ConfigMap", "configmaps"),
            Self::ServiceAccount => place("", &["v1"], "ServiceAccount", "serviceaccounts"),
            Self::Role => place(RBAC, &["v1"], "Role", "roles"),
            Self::RoleBinding => place(RBAC, &["v1"], "RoleBinding", "rolebindings"),
            Self::Deployment => place("apps", &["v1"], "Deployment", "deployments"),
            Self::PodDisruptionBudget => {
                place("policy", &["v1"], "PodDisruptionBudget", "poddisruptionbudgets")
            }
            Self::HorizontalPodAutoscaler => {
                place("autoscaling", &["v2"], "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const fn place(
    group: &'static str,
    versions: &'static [&'static str],
    kind: &'static str,
    plural: &'static str,
) -> Place {
    Place { group, versions, kind, plural }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_group_whatever_its_version() {
        for kind in Kind::ALL {
            for resource in kind.resources() {
                assert_eq!(Kind::of(&resource.api_version, &resource.kind), Some(kind));
            }
        }
        assert_eq!(Kind::of("example.com/v1", "Gateway"), None);
    }
}
