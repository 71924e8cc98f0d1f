//! `GatewayConfig` as users write it: how the data planes of a Gateway, or of all Gateways of a class, are run.
//!
//! The types here hold what a manifest says and nothing else. [`check()`] is the one way from a manifest to
//! [`Settings`]; mistakes have the homes that those of a `RetryPolicy` have. Fields that Kubernetes defines (tolerations,
//! affinity, spreading) are opaque to the schema, so that it stays small, and are read as Kubernetes' types by
//! [`check()`]. There is no status: what became of a configuration stands in the Gateways and classes that name it.

mod check;
pub mod fields;
mod limits;
mod opaque;
mod resources;
mod settings;
mod warnings;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strict::schema;
use fields::{Autoscaling, Dataplane, Placement, Resources, ServiceConfig, Telemetry};

pub use check::{Checked, check};
pub use settings::{Scale, Seccomp, Settings};

/// The group of the kind, as references name it.
pub const GROUP: &str = "gateway.flomesh.io";
/// The kind, as references name it.
pub const KIND: &str = "GatewayConfig";
/// The most replicas of a data plane.
pub const REPLICAS_MAX: i32 = 1000;

/// How data planes are run: their number, resources, place, Service and kernel interface. Named by
/// `GatewayClass.spec.parametersRef` or `Gateway.spec.infrastructure.parametersRef`; the Gateway's wins field by field.
#[derive(
    CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, garde::Validate,
)]
#[kube(
    group = "gateway.flomesh.io",
    version = "v1alpha1",
    kind = "GatewayConfig",
    plural = "gatewayconfigs",
    singular = "gatewayconfig",
    shortname = "gwconfig",
    category = "gateway-api",
    namespaced,
    derive = "PartialEq",
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service.type"),
    printcolumn(name = "Driver", type_ = "string", json_path = ".spec.dataplane.driver"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[expect(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.replicas) && has(self.autoscaling))",
        "message": "`replicas` and `autoscaling` exclude each other: keep one of them",
        "reason": "FieldValueForbidden",
        "fieldPath": ".replicas",
    },
]))]
pub struct GatewayConfigSpec {
    /// Pods of each data plane. Default 2. Either this or `autoscaling`; the Gateway's choice takes the place of the
    /// class's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = REPLICAS_MAX))]
    pub replicas: Option<i32>,
    /// Lets a HorizontalPodAutoscaler choose the number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub autoscaling: Option<Autoscaling>,
    /// What the data plane's container asks for and may use. Default: requests of 100m CPU and 128Mi memory, a limit of
    /// 1Gi memory. Taken whole: what is left out here has no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub resources: Option<Resources>,
    /// Which nodes the pods run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub placement: Option<Placement>,
    /// The Service that clients reach the Gateway by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub service: Option<ServiceConfig>,
    /// How the proxy itself runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub dataplane: Option<Dataplane>,
    /// What the proxy tells about its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub telemetry: Option<Telemetry>,
}

/// The definition of the kind as it is installed.
pub fn definition() -> CustomResourceDefinition {
    schema::without_nulls(GatewayConfig::crd())
}
