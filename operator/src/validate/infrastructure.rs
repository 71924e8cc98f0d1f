//! What a Gateway asks of the objects that are made for it: labels, annotations, addresses.

use std::net::IpAddr;

use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::{AddressType, GatewayAddress, GatewaySpec};
use rebound_api::crd::gateway_class::GatewayClassSpec;
use rebound_api::crd::gateway_config::Settings;
use rebound_api::crd::gateway_config::fields::ServiceType;
use rebound_api::violation::{Reason as Mistake, Report, Violation};

use super::place::Place;
use super::verdict::Refusal;

/// What becomes of a GatewayConfig in files mode.
const CHECKED_ONLY: &str = "a GatewayConfig is checked, and data planes run as the command line says";

/// Every field of it that no build acts on.
pub(super) fn report(place: &mut Place<'_>, spec: &GatewaySpec) {
    if let Some(infrastructure) = &spec.infrastructure {
        let mut place = place.at("infrastructure");
        place.unread(&infrastructure.unread);
        if let Some(reference) = &infrastructure.parameters_ref {
            place.at("parametersRef").unread(&reference.unread);
        }
    }
    for (index, address) in spec.addresses.iter().enumerate() {
        place.item("addresses", index).unread(&address.unread);
    }
}

/// Every field that has no effect where there is no cluster to make objects in.
pub(super) fn without_cluster(spec: &GatewaySpec) -> Vec<Violation> {
    let mut report = Report::default();
    let mut place = Place::new(&mut report, "spec");
    let mut warn = |field: &str, is_written: bool, why: &str| {
        if is_written {
            place.at(field).warn(Mistake::NotInEffect, format!("has no effect here: {why}"));
        }
    };
    let infrastructure = spec.infrastructure.clone().unwrap_or_default();
    warn("addresses", !spec.addresses.is_empty(), "listeners are bound to the address of the command line");
    warn("infrastructure.labels", !infrastructure.labels.is_empty(), "no objects are made");
    warn("infrastructure.annotations", !infrastructure.annotations.is_empty(), "no objects are made");
    warn("infrastructure.parametersRef", infrastructure.parameters_ref.is_some(), CHECKED_ONLY);
    report.warnings
}

/// The same for a class.
pub(super) fn class_without_cluster(spec: &GatewayClassSpec) -> Option<Violation> {
    let message = format!("has no effect here: {CHECKED_ONLY}");
    spec.parameters_ref.as_ref()?;
    Some(Violation::new("spec.parametersRef", Mistake::NotInEffect, message))
}

/// The one address that the traffic Service asks its load balancer for; none: any will do.
pub(super) fn address(addresses: &[GatewayAddress], settings: &Settings) -> Result<Option<String>, Refusal> {
    let mut asked = None;
    for (index, GatewayAddress { kind, value, .. }) in addresses.iter().enumerate() {
        let refuse = |message: String| {
            Refusal::new(Reason::UnsupportedAddress, format!("spec.addresses[{index}]: {message}"))
        };
        if let Some(kind) = kind.as_ref().filter(|kind| **kind != AddressType::IpAddress) {
            return Err(refuse(format!("type {kind} is not in this version; write IPAddress")));
        }
        let Some(value) = value.as_ref().filter(|value| !value.is_empty()) else { continue };
        if value.parse::<IpAddr>().is_err() {
            return Err(refuse(format!("`{value}` is not an IP address")));
        }
        if settings.service_type() != ServiceType::LoadBalancer {
            return Err(refuse("only a Service of type LoadBalancer can ask for an address".into()));
        }
        if asked.replace(value.clone()).is_some() {
            return Err(refuse("a Service can ask for one address only".into()));
        }
    }
    Ok(asked)
}
