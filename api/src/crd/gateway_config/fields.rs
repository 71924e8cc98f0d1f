//! The parts of a `GatewayConfig`. Every field may be left out: its default is resolved in [`Settings`], so that a
//! Gateway can inherit it from its class.
//!
//! [`Settings`]: super::Settings

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::REPLICAS_MAX;
use crate::name::NAME_MAX_CHARS;

/// The most cores that a data plane uses.
pub const WORKERS_MAX: i32 = 256;
/// The most entries of a map of labels or annotations.
pub const ENTRIES_MAX: usize = 64;
/// The most items of a list of tolerations or constraints.
pub const ITEMS_MAX: usize = 32;

/// The longest value of an annotation that is taken.
const VALUE_MAX_CHARS: usize = 4096;
/// The longest path of a seccomp profile.
const PATH_MAX_CHARS: usize = 512;
/// The longest URL.
const URL_MAX_CHARS: usize = 512;
/// The longest name of a service in spans.
const SERVICE_NAME_MAX_CHARS: usize = 253;
/// The longest duration: GEP-2257 needs 28.
const DURATION_MAX_CHARS: usize = 32;

/// Lets a HorizontalPodAutoscaler choose the number of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// Never fewer. Default 2, or `maxReplicas` if that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = REPLICAS_MAX))]
    pub min_replicas: Option<i32>,
    /// Never more.
    #[garde(range(min = 1, max = REPLICAS_MAX))]
    pub max_replicas: i32,
    /// The CPU use to aim at, in percent of what the data plane's container requests. Default 80.
    #[serde(rename = "targetCPUUtilization", default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 1000))]
    pub target_cpu_utilization: Option<i32>,
}

/// What the data plane's container asks for and may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What a node must have free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub requests: Option<Amounts>,
    /// What the container may use. It is throttled at `cpu` and ended at `memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub limits: Option<Amounts>,
}

/// Amounts of resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Cores, such as `2` or `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub cpu: Option<IntOrString>,
    /// Bytes, such as `256Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub memory: Option<IntOrString>,
}

/// Which nodes the pods run on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schemars(schema_with = "texts")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints that do not keep the pods away, as in the spec of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = ITEMS_MAX))]
    #[schemars(schema_with = "opaque_list")]
    pub tolerations: Option<Vec<Value>>,
    /// Rules of attraction and repulsion, as in the spec of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schemars(schema_with = "opaque")]
    pub affinity: Option<Value>,
    /// How the pods are spread, as `topologySpreadConstraints` in the spec of a pod; a missing `labelSelector` selects
    /// the pods of the Gateway. Default: over nodes and zones, as well as they allow. An empty list: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = ITEMS_MAX))]
    #[schemars(schema_with = "opaque_list")]
    pub topology_spread: Option<Vec<Value>>,
}

/// The Service that clients reach the Gateway by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConfig {
    /// Where it can be reached from.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub kind: Option<ServiceType>,
    /// Annotations of the Service alone, over those of `Gateway.spec.infrastructure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    #[schemars(schema_with = "texts")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Which pods answer what comes from outside. Without effect for a Service of type `ClusterIP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub external_traffic_policy: Option<TrafficPolicy>,
}

/// How the proxy itself runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Dataplane {
    /// Cores that it works on. Default: as many as its CPU limit allows, or the node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = WORKERS_MAX))]
    pub workers: Option<i32>,
    /// The kernel interface for connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub driver: Option<Driver>,
    /// Which system calls the container may make. The default profile of containerd 2 denies io_uring; one that allows
    /// it must lie on every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub seccomp_profile: Option<SeccompProfile>,
    /// Bounds of what clients may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub limits: Option<Limits>,
    /// How long the proxy waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub timeouts: Option<Timeouts>,
}

/// Which system calls the container may make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.type != 'Localhost' || has(self.localhostProfile)",
        "message": "a profile of type `Localhost` needs `localhostProfile`, its path on the node",
        "reason": "FieldValueRequired",
        "fieldPath": ".localhostProfile",
    },
    {
        "rule": "self.type == 'Localhost' || !has(self.localhostProfile)",
        "message": "`localhostProfile` goes with type `Localhost` alone",
        "reason": "FieldValueForbidden",
        "fieldPath": ".localhostProfile",
    },
]))]
pub struct SeccompProfile {
    /// Where the profile comes from.
    #[serde(rename = "type")]
    #[garde(skip)]
    pub kind: SeccompType,
    /// A path below the kubelet's `seccomp` folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = PATH_MAX_CHARS))]
    pub localhost_profile: Option<String>,
}

/// Bounds of what clients may send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Connections of clients, for each core. Default 20000. Further ones wait until others end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 1_000_000))]
    pub connections: Option<i32>,
    /// Bytes of a request's head, such as `16Ki`; 1Ki to 64Ki. Default 64Ki. A longer one is answered with 431.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub request_head_bytes: Option<IntOrString>,
}

/// How long the proxy waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// For the whole head of a request, from its first byte; up to `1h`. Default `10s`. Then the answer is 408.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "10s"))]
    pub request_head: Option<String>,
    /// For the next request on a connection; up to `1h`. Default `75s`. Then it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "75s"))]
    pub client_idle: Option<String>,
    /// For requests that are in flight when the pod is told to go; up to `1h`. Default `25s`. The pod's grace period is as
    /// much longer as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "25s"))]
    pub drain: Option<String>,
}

/// What the proxy tells about its work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Telemetry {
    /// Spans of requests and their attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub tracing: Option<Tracing>,
    /// Numbers for Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub metrics: Option<Metrics>,
    /// A line for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub access_log: Option<AccessLog>,
}

/// Spans of requests and their attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Where spans go by OTLP over HTTP, such as `http://collector:4318`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = URL_MAX_CHARS))]
    pub endpoint: Option<String>,
    /// Of a hundred requests that bring no decision with them, how many are sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0, max = 100))]
    pub sampling_percent: Option<i32>,
    /// Whether the spans of a request that was retried or failed are sent although it was not sampled. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub keep_retried: Option<bool>,
    /// Header fields for the collector, such as an access token, from a Secret in the namespace of the Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub headers_from: Option<SecretKey>,
    /// The name of the service in spans. Default: the name of the Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, min = 1, max = SERVICE_NAME_MAX_CHARS))]
    pub service_name: Option<String>,
    /// Further attributes of the resource. Those of the pod are there without being asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(max = ENTRIES_MAX)))]
    #[schemars(schema_with = "texts")]
    pub resource_attributes: Option<BTreeMap<String, String>>,
}

/// An entry of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret.
    #[garde(length(chars, min = 1, max = NAME_MAX_CHARS))]
    pub name: String,
    /// The entry: `name=value`, several with commas between them, values in percent encoding.
    #[garde(length(chars, min = 1, max = NAME_MAX_CHARS))]
    pub key: String,
}

/// Numbers for Prometheus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Whether numbers are also kept by route. Their count then grows with the routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub route_label: Option<bool>,
}

/// A line for each request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// Which requests get a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mode: Option<AccessLogMode>,
    /// What a line looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub format: Option<AccessLogFormat>,
}

// The schema shows an enum's own description in place of its field's: so it names the values and the default.

/// Where the Service can be reached from: `LoadBalancer` (the default) from outside by an address of its own, `NodePort`
/// by the addresses of the nodes, `ClusterIP` from within the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// From outside, by an address of its own.
    LoadBalancer,
    /// From outside, by the addresses of the nodes.
    NodePort,
    /// From within the cluster.
    ClusterIP,
}

/// Which pods answer what comes from outside: `Cluster` (the default) any, `Local` those of the node that it came to, which
/// keeps the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TrafficPolicy {
    /// Any.
    Cluster,
    /// Those of the node that it came to.
    Local,
}

/// The kernel interface for connections: `Auto` (the default) takes io_uring where it is allowed and epoll elsewhere,
/// `Uring` never starts without io_uring, `Epoll` never uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Driver {
    /// io_uring where it is allowed, epoll elsewhere.
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

/// Where a seccomp profile comes from: `RuntimeDefault` (the default) is that of the container runtime, `Localhost` a file on
/// the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SeccompType {
    /// The container runtime's own.
    #[default]
    RuntimeDefault,
    /// A file on the node.
    Localhost,
}

/// Which requests get a line in the log: `Off` none, `Failures` those that failed or were retried, `All` all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AccessLogMode {
    /// None.
    Off,
    /// Those that failed or were retried.
    Failures,
    /// All.
    All,
}

/// What a line of the log looks like: `Json` (the default) an object, `Text` words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AccessLogFormat {
    /// An object.
    Json,
    /// Words.
    Text,
}

/// A map of texts.
fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": ENTRIES_MAX,
        "additionalProperties": { "type": "string", "maxLength": VALUE_MAX_CHARS },
    })
}

/// What Kubernetes defines and reads itself.
fn opaque(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

fn opaque_list(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "maxItems": ITEMS_MAX, "items": opaque(generator) })
}
