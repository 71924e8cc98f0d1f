//! `RetryPolicy` as users write it.
//!
//! The types here hold what a manifest says and nothing else: no defaults, no grammar. [`check()`] is the one way from
//! a manifest to rules; the webhook, the command line and the reconciler all say what it says. Each kind of mistake
//! has one home: shape in the schema, bounds in the garde attributes (which the schema is made from), unions in the
//! CEL rules, everything else in `rules` and `presence`. No room for what needs another object: does the Service
//! exist, is there an older policy.

mod check;
pub mod config;
mod layers;
mod not_in_effect;
mod presence;
mod rules;
mod status;
mod warnings;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strict::schema;
use super::target_ref::{Target, TargetRef};
use config::{Mode, RetryConfig};

pub use check::{Checked, check};
pub use status::RetryPolicyStatus;

/// The most targets of a policy.
pub const TARGETS_MAX: usize = 16;
/// The most ports of a policy.
pub const PORTS_MAX: usize = 16;

/// How requests to a Service are retried when they fail. Attaches to Services, whole or by port, and holds for every
/// Gateway that routes to them.
#[derive(
    CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, garde::Validate,
)]
#[kube(
    group = "gateway.flomesh.io",
    version = "v1alpha1",
    kind = "RetryPolicy",
    plural = "retrypolicies",
    singular = "retrypolicy",
    shortname = "rtpolicy",
    category = "gateway-api",
    namespaced,
    status = "RetryPolicyStatus",
    derive = "PartialEq",
    label("gateway.networking.k8s.io/policy", "Direct"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = r#".status.ancestors[*].conditions[?(@.type=="Accepted")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[expect(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.targetRef) || has(self.targetRefs)",
        "message": "a policy needs a target: write `targetRef` or `targetRefs`",
        "reason": "FieldValueRequired",
        "fieldPath": ".targetRef",
    },
    {
        "rule": "!(has(self.targetRef) && has(self.targetRefs))",
        "message": "`targetRef` and `targetRefs` exclude each other: keep one of them",
        "reason": "FieldValueForbidden",
        "fieldPath": ".targetRefs",
    },
    {
        "rule": "!(has(self.config) && has(self.retry))",
        "message": "`retry` is another name for `config`: keep one of them",
        "reason": "FieldValueForbidden",
        "fieldPath": ".retry",
    },
]))]
pub struct RetryPolicySpec {
    /// The Service (or ServiceImport) that the policy is about. Either this or `targetRefs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub target_ref: Option<TargetRef>,
    /// Several Services with the same policy. Either this or `targetRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = TARGETS_MAX), dive)]
    pub target_refs: Option<Vec<TargetRef>>,
    /// Whether retries are sent (`Enforce`, the default), only decided and counted (`DryRun`), or neither (`Disabled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mode: Option<Mode>,
    /// What listed ports inherit, field by field; without `ports`, what holds for every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub config: Option<RetryConfig>,
    /// Another name for `config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub retry: Option<RetryConfig>,
    /// The ports that the policy is about; ports that are not listed get none. Left out: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = PORTS_MAX), dive)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["port"]))]
    pub ports: Option<Vec<RetryPort>>,
}

/// One port of the targets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.config) && has(self.retry))",
        "message": "`retry` is another name for `config`: keep one of them",
        "reason": "FieldValueForbidden",
        "fieldPath": ".retry",
    },
]))]
pub struct RetryPort {
    /// The port of the Service, not of its pods.
    #[garde(range(min = 1, max = 65535))]
    pub port: i32,
    /// What differs from the policy's `config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub config: Option<RetryConfig>,
    /// Another name for `config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub retry: Option<RetryConfig>,
}

/// The definition of the kind as it is installed.
pub fn definition() -> CustomResourceDefinition {
    schema::without_nulls(RetryPolicy::crd())
}

impl RetryPolicy {
    /// What the policy attaches to, in the order of the manifest, with the policy's own namespace filled in. A
    /// reference with a mistake is left out: [`check`] has reported it.
    pub fn targets(&self) -> Vec<Target> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        self.spec.target_refs_with_paths().filter_map(|(_, target)| target.resolve(namespace)).collect()
    }
}

impl RetryPolicySpec {
    /// Every target reference and where it stands.
    fn target_refs_with_paths(&self) -> impl Iterator<Item = (String, &TargetRef)> {
        let one = self.target_ref.iter().map(|target| ("spec.targetRef".to_owned(), target));
        let several = self.target_refs.iter().flatten().enumerate();
        one.chain(several.map(|(index, target)| (format!("spec.targetRefs[{index}]"), target)))
    }

    /// The configuration that ports inherit, and where it stands. Two, if the user wrote both names: that is reported,
    /// and each is checked.
    fn configs(&self) -> impl Iterator<Item = Written<'_>> {
        written("spec", self.config.as_ref(), self.retry.as_ref())
    }

    /// Every listed port.
    fn ports(&self) -> impl Iterator<Item = ListedPort<'_>> {
        self.ports.iter().flatten().enumerate().map(|(index, port)| {
            let path = format!("spec.ports[{index}]");
            let configs = written(&path, port.config.as_ref(), port.retry.as_ref()).collect();
            ListedPort { path, port: port.port, configs }
        })
    }
}

/// A configuration as it stands in the manifest.
#[derive(Debug, Clone)]
struct Written<'a> {
    /// `spec.config`, `spec.ports[2].retry`.
    path: String,
    config: &'a RetryConfig,
}

/// A port as it stands in the manifest.
#[derive(Debug, Clone)]
struct ListedPort<'a> {
    path: String,
    port: i32,
    configs: Vec<Written<'a>>,
}

fn written<'a>(
    path: &str,
    config: Option<&'a RetryConfig>,
    retry: Option<&'a RetryConfig>,
) -> impl Iterator<Item = Written<'a>> + use<'a> {
    let path = path.to_owned();
    let both = [("config", config), ("retry", retry)].into_iter();
    both.filter_map(move |(name, config)| Some(Written { path: format!("{path}.{name}"), config: config? }))
}
