//! Every right that the operator has on an API server, and why: the one table that all manifests are made from.
//!
//! Pure data, read by what generates the roles and by tests; the running operator never looks at it. Absent, because
//! [`Verb`] has no such value: wildcards, and the verbs that give away more than one has (`escalate`, `bind`,
//! `impersonate`).

/// The name of what is the operator's own: roles, ServiceAccount, Deployment, Lease, webhook configuration.
pub const NAME: &str = "rebound-operator";

/// The class that it creates.
pub const CLASS: &str = "fsm";
/// The name of the Secret with the self-managed certificates of the webhook.
pub const CERTIFICATES: &str = "rebound-operator-webhook-certs";

/// Some verbs on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name of the resource, with its subresource if it is about one.
    pub resource: &'static str,
    /// What may be done.
    pub verbs: &'static [Verb],
    /// The only objects that it may be done to; empty for any. What is being created has no name yet that could limit it.
    pub names: &'static [&'static str],
    /// Where.
    pub scope: Scope,
    /// What it is needed for, in words that complete "needed to".
    pub because: &'static str,
}

/// Where a right holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In every namespace, and for what lies in none: Gateways may live anywhere.
    Cluster,
    /// In the namespace that the operator runs in.
    OwnNamespace,
}

/// What may be done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    /// As Kubernetes spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

use Scope::{Cluster, OwnNamespace};
use Verb::{Create, Delete, Get, List, Patch, Update, Watch};

/// `get` beside `list` shows nothing more.
const READ: &[Verb] = &[Get, List, Watch];
/// Server-side apply creates by a patch, and the API server asks for both verbs.
const OWN: &[Verb] = &[Get, List, Watch, Create, Patch, Delete];
const STATUS: &[Verb] = &[Patch];

const GATEWAY: &str = "gateway.networking.k8s.io";
const REBOUND: &str = "gateway.flomesh.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The table.
pub const TABLE: &[Grant] = &[
    grant(GATEWAY, "gatewayclasses", READ, "find the classes that name this controller"),
    grant(GATEWAY, "gatewayclasses", &[Create], "create the class `fsm`"),
    named(GATEWAY, "gatewayclasses", &[CLASS], &[Patch], "keep it as it is to be"),
    grant(GATEWAY, "gatewayclasses/status", STATUS, "say whether a class is accepted"),
    grant(GATEWAY, "gateways", READ, "serve Gateways"),
    grant(GATEWAY, "gateways/status", STATUS, "say what a Gateway serves, and where"),
    grant(GATEWAY, "httproutes", READ, "route requests"),
    grant(GATEWAY, "httproutes/status", STATUS, "say whether a route is accepted"),
    grant(GATEWAY, "referencegrants", READ, "let references cross namespaces only where that is allowed"),
    grant(REBOUND, "retrypolicies", READ, "retry requests"),
    grant(REBOUND, "retrypolicies/status", STATUS, "say whether a policy is accepted and in effect"),
    grant(REBOUND, "gatewayconfigs", READ, "run data planes as they are asked to"),
    grant("", "namespaces", READ, "attach routes by the labels of their namespaces"),
    grant("discovery.k8s.io", "endpointslices", READ, "find the endpoints of backends and of data planes"),
    grant("", "services", OWN, "find backends; expose data planes"),
    grant("", "configmaps", OWN, "configure data planes and read what they report"),
    grant("", "serviceaccounts", OWN, "give each data plane an identity of its own"),
    grant(RBAC, "roles", OWN, "let an agent read its own ConfigMaps and nothing else"),
    grant(RBAC, "rolebindings", OWN, "let an agent read its own ConfigMaps and nothing else"),
    grant("apps", "deployments", OWN, "run data planes"),
    grant("policy", "poddisruptionbudgets", OWN, "keep a data plane running while nodes are drained"),
    grant("autoscaling", "horizontalpodautoscalers", OWN, "run as many data planes as are needed"),
    grant("events.k8s.io", "events", &[Create, Patch], "tell users what happened to their objects"),
    named(
        RBAC,
        "clusterroles",
        &[NAME],
        &[Get],
        "own the cluster-wide objects that it creates: they go when it goes",
    ),
    named(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &[NAME],
        &[Get, Patch],
        "keep the certificate of its webhook, if that is self-managed",
    ),
    grant(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &[Create],
        "configure its webhook, if that is self-managed",
    ),
    at_home("coordination.k8s.io", "leases", &[NAME], &[Get, Update], "elect the replica that writes"),
    at_home("coordination.k8s.io", "leases", &[], &[Create], "elect the replica that writes"),
    at_home(
        "",
        "secrets",
        &[CERTIFICATES],
        &[Get, Patch],
        "share a self-managed certificate between replicas",
    ),
    at_home("", "secrets", &[], &[Create], "share a self-managed certificate between replicas"),
];

const fn grant(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [Verb],
    because: &'static str,
) -> Grant {
    Grant { group, resource, verbs, names: &[], scope: Cluster, because }
}

const fn named(
    group: &'static str,
    resource: &'static str,
    names: &'static [&'static str],
    verbs: &'static [Verb],
    because: &'static str,
) -> Grant {
    Grant { group, resource, verbs, names, scope: Cluster, because }
}

const fn at_home(
    group: &'static str,
    resource: &'static str,
    names: &'static [&'static str],
    verbs: &'static [Verb],
    because: &'static str,
) -> Grant {
    Grant { group, resource, verbs, names, scope: OwnNamespace, because }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(resource: &str) -> impl Iterator<Item = &'static Grant> {
        TABLE.iter().filter(move |grant| grant.resource == resource)
    }

    fn may(resource: &str, verb: Verb) -> bool {
        on(resource).any(|grant| grant.verbs.contains(&verb))
    }

    #[test]
    fn no_right_is_a_wildcard() {
        for grant in TABLE {
            let texts = [&[grant.group, grant.resource], grant.names].concat();
            assert!(texts.iter().all(|text| !text.contains('*')), "{grant:?}");
            assert!(!grant.verbs.is_empty() && !grant.because.is_empty(), "{grant:?}");
        }
    }

    #[test]
    fn no_secret_is_touched_but_its_own() {
        assert!(on("secrets").all(|grant| grant.scope == OwnNamespace));
        assert!(!may("secrets", List) && !may("secrets", Watch) && !may("secrets", Delete));
    }

    #[test]
    fn nothing_that_runs_by_itself_or_defines_the_cluster_is_written() {
        for resource in ["pods", "nodes", "daemonsets", "jobs", "customresourcedefinitions", "namespaces"] {
            for verb in [Create, Update, Patch, Delete] {
                assert!(!may(resource, verb), "{resource}: {verb:?}");
            }
        }
        assert!(on("clusterroles").all(|grant| grant.verbs == [Get] && !grant.names.is_empty()));
        assert!(!may("clusterrolebindings", Create));
    }

    #[test]
    fn what_an_agent_is_given_is_held() {
        // The API server refuses a Role with a right that its maker does not have.
        for verb in [Get, List, Watch, Patch] {
            assert!(may("configmaps", verb), "{verb:?}");
        }
    }

    #[test]
    fn names_limit_only_what_they_can_limit() {
        let cannot = [List, Watch, Create];
        let limited = TABLE.iter().filter(|grant| !grant.names.is_empty());
        assert!(limited.flat_map(|grant| grant.verbs).all(|verb| !cannot.contains(verb)));
    }

    #[test]
    fn no_right_is_given_twice() {
        for (at, grant) in TABLE.iter().enumerate() {
            for other in &TABLE[at + 1..] {
                let same = grant.group == other.group && grant.resource == other.resource;
                let overlap = same && grant.names == other.names && grant.scope == other.scope;
                assert!(!overlap || grant.verbs.iter().all(|verb| !other.verbs.contains(verb)), "{other:?}");
            }
        }
    }
}
