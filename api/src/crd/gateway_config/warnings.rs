//! What is accepted and deserves a word: fields without effect, and settings that will hurt.

use super::GatewayConfigSpec;
use super::fields::{Dataplane, Driver, Resources, SeccompType, ServiceType, Telemetry};
use crate::violation::{Reason, Violation};

/// Whether something is written.
type IsWritten = fn(&GatewayConfigSpec) -> bool;

/// The fields that this version accepts and does not act on. Whoever makes one work takes it out of the table here.
const NOT_IN_EFFECT: [(&str, IsWritten); 1] =
    [("telemetry.metrics", |spec| telemetry(spec, |it| it.metrics.is_some()))];

/// Every remark about the spec.
pub(super) fn check(spec: &GatewayConfigSpec, found: &mut Vec<Violation>) {
    for (field, _) in NOT_IN_EFFECT.iter().filter(|(_, is_written)| is_written(spec)) {
        let message = "is accepted, but this version does not act on it";
        found.push(Violation::new(format!("spec.{field}"), Reason::NotInEffect, message));
    }
    let service = spec.service.clone().unwrap_or_default();
    if service.kind == Some(ServiceType::ClusterIP) && service.external_traffic_policy.is_some() {
        let message = "has no effect: nothing from outside reaches a Service of type `ClusterIP`";
        found.push(Violation::new("spec.service.externalTrafficPolicy", Reason::NotInEffect, message));
    }
    cpu_request(spec, found);
    uring(spec, found);
}

/// A HorizontalPodAutoscaler counts in percent of the request.
fn cpu_request(spec: &GatewayConfigSpec, found: &mut Vec<Violation>) {
    // Without a request, Kubernetes takes the limit for it.
    let has_cpu = |it: &Resources| {
        [&it.requests, &it.limits].into_iter().flatten().any(|amounts| amounts.cpu.is_some())
    };
    if spec.autoscaling.is_some() && spec.resources.as_ref().is_some_and(|it| !has_cpu(it)) {
        let message = "without a CPU request there is nothing to scale by: write `resources.requests.cpu`";
        found.push(Violation::new("spec.autoscaling", Reason::Dangerous, message));
    }
}

/// The default profile of most runtimes denies what the driver cannot do without.
fn uring(spec: &GatewayConfigSpec, found: &mut Vec<Violation>) {
    let needs_uring = |it: &Dataplane| {
        let profile = it.seccomp_profile.as_ref().map(|it| it.kind).unwrap_or_default();
        it.driver == Some(Driver::Uring) && profile == SeccompType::RuntimeDefault
    };
    if dataplane(spec, needs_uring) {
        let message = "the default seccomp profile of containerd 2 denies io_uring, and the data plane then never \
                       starts: name a profile that allows it in `seccompProfile`, or write `Auto`";
        found.push(Violation::new("spec.dataplane.driver", Reason::Dangerous, message));
    }
}

fn dataplane(spec: &GatewayConfigSpec, is: impl Fn(&Dataplane) -> bool) -> bool {
    spec.dataplane.as_ref().is_some_and(is)
}

fn telemetry(spec: &GatewayConfigSpec, is: impl Fn(&Telemetry) -> bool) -> bool {
    spec.telemetry.as_ref().is_some_and(is)
}
