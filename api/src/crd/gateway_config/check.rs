//! Everything that can be said about one `GatewayConfig` alone, in one call.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::fields::{
    Autoscaling, Dataplane, Placement, SeccompProfile, SeccompType, ServiceConfig, Telemetry,
};
use super::{
    GatewayConfig, GatewayConfigSpec, Scale, Seccomp, Settings, definition, limits, opaque, resources,
    warnings,
};
use crate::crd::strict::schema::Schema;
use crate::crd::strict::{Examined, examine};
use crate::name::{is_label_value, is_qualified_name};
use crate::violation::{Reason, Report, Violation};

/// Fewer pods only if nobody may have more.
const MIN_REPLICAS_DEFAULT: i32 = 2;
const CPU_PERCENT_DEFAULT: i32 = 80;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(definition()));

/// What a manifest turned out to be.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What the configuration says; there if and only if there is no violation.
    pub settings: Option<Settings>,
    /// Every mistake and every remark, one for each place, in the order of the document; at most 100 of each.
    pub report: Report,
}

/// Checks a manifest of kind `GatewayConfig`. Never fails, whatever the manifest holds.
pub fn check(object: &Value) -> Checked {
    let mut examined = examine::<GatewayConfig, GatewayConfigSpec>(object, &SCHEMA);
    let settings = examined.add(settings);
    let mut remarks = Vec::new();
    warnings::check(&examined.spec, &mut remarks);
    let (report, _, _) = examined.finish(remarks);
    Checked { settings: report.is_clean().then_some(settings), report }
}

/// Reports and goes on: the caller throws the settings away if anything was found.
fn settings(examined: &Examined<'_, GatewayConfigSpec>, found: &mut Vec<Violation>) -> Settings {
    let spec = &examined.spec;
    let placement = spec.placement.clone().unwrap_or_default();
    let service = spec.service.clone().unwrap_or_default();
    let dataplane = spec.dataplane.clone().unwrap_or_default();
    let telemetry = spec.telemetry.clone().unwrap_or_default();
    let at = |field: &str| format!("spec.placement.{field}");
    labels(&placement, found);
    annotations(&service, found);
    endpoint(&telemetry, found);
    let attributes = telemetry.tracing.as_ref().and_then(|tracing| tracing.resource_attributes.as_ref());
    keys("spec.telemetry.tracing.resourceAttributes", attributes, found);
    let Placement { node_selector, tolerations, affinity, topology_spread } = placement;
    let ServiceConfig { kind, annotations, external_traffic_policy } = service;
    let Dataplane { workers, driver, seccomp_profile, limits: bounds, timeouts } = dataplane;
    let (bounds, timeouts) = (bounds.unwrap_or_default(), timeouts.unwrap_or_default());
    Settings {
        scale: scale(spec, found),
        resources: spec.resources.as_ref().map(|it| resources::read(it, found)),
        node_selector,
        tolerations: tolerations.map(|it| opaque::list(&at("tolerations"), &it, found)),
        affinity: affinity.and_then(|it| opaque::read(&at("affinity"), &it, found)),
        topology_spread: topology_spread.map(|it| opaque::list(&at("topologySpread"), &it, found)),
        service_type: kind,
        service_annotations: annotations,
        external_traffic_policy,
        workers,
        driver,
        seccomp: seccomp_profile.map(seccomp),
        connections: bounds.connections,
        request_head_bytes: limits::request_head_bytes(bounds.request_head_bytes.as_ref(), found),
        request_head_timeout: limits::timeout("requestHead", timeouts.request_head.as_ref(), found),
        client_idle_timeout: limits::timeout("clientIdle", timeouts.client_idle.as_ref(), found),
        drain_timeout: limits::timeout("drain", timeouts.drain.as_ref(), found),
        tracing: telemetry.tracing,
        access_log: telemetry.access_log,
    }
}

fn scale(spec: &GatewayConfigSpec, found: &mut Vec<Violation>) -> Option<Scale> {
    let Some(Autoscaling { min_replicas, max_replicas: max, target_cpu_utilization }) = spec.autoscaling
    else {
        return spec.replicas.map(Scale::Fixed);
    };
    let min = min_replicas.unwrap_or(MIN_REPLICAS_DEFAULT.min(max));
    if min > max {
        let message = format!("{min} is more than `maxReplicas`, which is {max}");
        found.push(Violation::new("spec.autoscaling.minReplicas", Reason::Conflict, message));
    }
    Some(Scale::Auto { min, max, cpu_percent: target_cpu_utilization.unwrap_or(CPU_PERCENT_DEFAULT) })
}

fn seccomp(profile: SeccompProfile) -> Seccomp {
    match (profile.kind, profile.localhost_profile) {
        (SeccompType::Localhost, path) => Seccomp::Localhost(path.unwrap_or_default()),
        (SeccompType::RuntimeDefault, _) => Seccomp::RuntimeDefault,
    }
}

fn labels(placement: &Placement, found: &mut Vec<Violation>) {
    let path = "spec.placement.nodeSelector";
    let labels = placement.node_selector.iter().flatten();
    keys(path, placement.node_selector.as_ref(), found);
    for (key, value) in labels.filter(|(_, value)| !is_label_value(value)) {
        let message = format!("`{value}` is not the value of a label");
        found.push(Violation::new(format!("{path}[{key}]"), Reason::Invalid, message));
    }
}

fn annotations(service: &ServiceConfig, found: &mut Vec<Violation>) {
    keys("spec.service.annotations", service.annotations.as_ref(), found);
}

/// Spans go by OTLP over HTTP, and nowhere else.
fn endpoint(telemetry: &Telemetry, found: &mut Vec<Violation>) {
    let endpoint = telemetry.tracing.as_ref().and_then(|tracing| tracing.endpoint.as_deref());
    let host = |url: &str| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        Some(rest.split('/').next().unwrap_or_default().to_owned()).filter(|host| !host.is_empty())
    };
    if let Some(url) = endpoint.filter(|url| host(url).is_none() || url.contains(char::is_whitespace)) {
        let message = format!("`{url}` is not a URL such as `http://collector:4318`");
        found.push(Violation::new("spec.telemetry.tracing.endpoint", Reason::Invalid, message));
    }
}

fn keys(path: &str, entries: Option<&BTreeMap<String, String>>, found: &mut Vec<Violation>) {
    for key in entries.iter().flat_map(|it| it.keys()).filter(|key| !is_qualified_name(key)) {
        let message = format!("`{key}` is not a name such as `example.com/name`");
        found.push(Violation::new(format!("{path}[{key}]"), Reason::Invalid, message));
    }
}
