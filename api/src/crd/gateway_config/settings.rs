//! What `GatewayConfig`s come to: parsed, merged, and with a default for everything that nobody wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Affinity, ResourceRequirements, Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::fields::{AccessLog, AccessLogFormat, AccessLogMode, Driver, ServiceType, Tracing, TrafficPolicy};

/// Pods of a data plane: one may go away while the other serves.
const REPLICAS_DEFAULT: i32 = 2;
/// With everything else that ends, within the 37 s that a pod then has.
const DRAIN_DEFAULT: Duration = Duration::from_secs(25);

/// How a data plane is run. A field that nobody wrote is none, and the method of its name knows the default.
///
/// Fields are taken whole, so that settings which are each in order stay so when they are merged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub(super) scale: Option<Scale>,
    pub(super) resources: Option<ResourceRequirements>,
    pub(super) node_selector: Option<BTreeMap<String, String>>,
    pub(super) tolerations: Option<Vec<Toleration>>,
    pub(super) affinity: Option<Affinity>,
    pub(super) topology_spread: Option<Vec<TopologySpreadConstraint>>,
    pub(super) service_type: Option<ServiceType>,
    pub(super) service_annotations: Option<BTreeMap<String, String>>,
    pub(super) external_traffic_policy: Option<TrafficPolicy>,
    pub(super) workers: Option<i32>,
    pub(super) driver: Option<Driver>,
    pub(super) seccomp: Option<Seccomp>,
    pub(super) connections: Option<i32>,
    pub(super) request_head_bytes: Option<u64>,
    pub(super) request_head_timeout: Option<Duration>,
    pub(super) client_idle_timeout: Option<Duration>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) tracing: Option<Tracing>,
    pub(super) access_log: Option<AccessLog>,
}

/// How many pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// So many.
    Fixed(i32),
    /// As many as keep the CPU use at `cpu_percent` of the request, from `min` to `max`.
    Auto {
        /// At least 1.
        min: i32,
        /// At least `min`.
        max: i32,
        /// Percent of the container's CPU request.
        cpu_percent: i32,
    },
}

/// Which system calls the data plane may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// Those that the container runtime allows.
    RuntimeDefault,
    /// Those that a file below the kubelet's `seccomp` folder allows.
    Localhost(String),
}

impl Settings {
    /// These settings, and those of `class` where these say nothing.
    #[must_use]
    pub fn over(self, class: Self) -> Self {
        Self {
            scale: self.scale.or(class.scale),
            resources: self.resources.or(class.resources),
            node_selector: self.node_selector.or(class.node_selector),
            tolerations: self.tolerations.or(class.tolerations),
            affinity: self.affinity.or(class.affinity),
            topology_spread: self.topology_spread.or(class.topology_spread),
            service_type: self.service_type.or(class.service_type),
            service_annotations: self.service_annotations.or(class.service_annotations),
            external_traffic_policy: self.external_traffic_policy.or(class.external_traffic_policy),
            workers: self.workers.or(class.workers),
            driver: self.driver.or(class.driver),
            seccomp: self.seccomp.or(class.seccomp),
            connections: self.connections.or(class.connections),
            request_head_bytes: self.request_head_bytes.or(class.request_head_bytes),
            request_head_timeout: self.request_head_timeout.or(class.request_head_timeout),
            client_idle_timeout: self.client_idle_timeout.or(class.client_idle_timeout),
            drain_timeout: self.drain_timeout.or(class.drain_timeout),
            tracing: self.tracing.or(class.tracing),
            access_log: self.access_log.or(class.access_log),
        }
    }

    /// How many pods. Default 2.
    pub fn scale(&self) -> Scale {
        self.scale.unwrap_or(Scale::Fixed(REPLICAS_DEFAULT))
    }

    /// Of the data plane's container. Default: requests of 100m CPU and 128Mi memory, a limit of 1Gi memory.
    pub fn resources(&self) -> ResourceRequirements {
        self.resources.clone().unwrap_or_else(|| ResourceRequirements {
            requests: Some(amounts(&[("cpu", "100m"), ("memory", "128Mi")])),
            limits: Some(amounts(&[("memory", "1Gi")])),
            ..ResourceRequirements::default()
        })
    }

    /// Labels that a node must have. Default: none.
    pub fn node_selector(&self) -> Option<&BTreeMap<String, String>> {
        self.node_selector.as_ref()
    }

    /// Taints that do not keep the pods away. Default: none.
    pub fn tolerations(&self) -> Option<&Vec<Toleration>> {
        self.tolerations.as_ref()
    }

    /// Default: none.
    pub fn affinity(&self) -> Option<&Affinity> {
        self.affinity.as_ref()
    }

    /// How the pods are spread. Default: over nodes and zones, as well as they allow. A constraint without a selector
    /// is about the pods of the Gateway.
    pub fn topology_spread(&self) -> Vec<TopologySpreadConstraint> {
        let evenly = |key: &str| TopologySpreadConstraint {
            max_skew: 1,
            topology_key: key.into(),
            when_unsatisfiable: "ScheduleAnyway".into(),
            ..TopologySpreadConstraint::default()
        };
        let default = || vec![evenly("kubernetes.io/hostname"), evenly("topology.kubernetes.io/zone")];
        self.topology_spread.clone().unwrap_or_else(default)
    }

    /// Where the traffic Service can be reached from. Default: `LoadBalancer`.
    pub fn service_type(&self) -> ServiceType {
        self.service_type.unwrap_or(ServiceType::LoadBalancer)
    }

    /// Annotations of the traffic Service. Default: none.
    pub fn service_annotations(&self) -> impl Iterator<Item = (&String, &String)> {
        self.service_annotations.iter().flatten()
    }

    /// Which pods answer what comes from outside; none: nothing does. Default: `Cluster`.
    pub fn external_traffic_policy(&self) -> Option<TrafficPolicy> {
        let policy = self.external_traffic_policy.unwrap_or(TrafficPolicy::Cluster);
        (self.service_type() != ServiceType::ClusterIP).then_some(policy)
    }

    /// Cores that the data plane works on. Default: it chooses.
    pub fn workers(&self) -> Option<i32> {
        self.workers
    }

    /// The kernel interface. Default: `Auto`.
    pub fn driver(&self) -> Driver {
        self.driver.unwrap_or(Driver::Auto)
    }

    /// Default: `RuntimeDefault`.
    pub fn seccomp(&self) -> Seccomp {
        self.seccomp.clone().unwrap_or(Seccomp::RuntimeDefault)
    }

    /// Client connections of each core. Default: the data plane's own.
    pub fn connections(&self) -> Option<i32> {
        self.connections
    }

    /// Bytes of a request's head, 1 KiB to 64 KiB. Default: the data plane's own.
    pub fn request_head_bytes(&self) -> Option<u64> {
        self.request_head_bytes
    }

    /// For the whole head of a request, up to an hour. Default: the data plane's own.
    pub fn request_head_timeout(&self) -> Option<Duration> {
        self.request_head_timeout
    }

    /// For the next request on a connection, up to an hour. Default: the data plane's own.
    pub fn client_idle_timeout(&self) -> Option<Duration> {
        self.client_idle_timeout
    }

    /// For requests in flight when a pod is told to go, up to an hour. Default: 25 s.
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout.unwrap_or(DRAIN_DEFAULT)
    }

    /// How requests are traced; none: they are not. Default: they are not.
    pub fn tracing(&self) -> Option<&Tracing> {
        self.tracing.as_ref().filter(|tracing| tracing.endpoint.is_some())
    }

    /// Which requests get a line in the log, and what it looks like. Default: none.
    pub fn access_log(&self) -> (AccessLogMode, AccessLogFormat) {
        let AccessLog { mode, format } = self.access_log.clone().unwrap_or_default();
        (mode.unwrap_or(AccessLogMode::Off), format.unwrap_or(AccessLogFormat::Json))
    }
}

fn amounts(list: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
    list.iter().map(|(name, amount)| ((*name).into(), Quantity((*amount).into()))).collect()
}
