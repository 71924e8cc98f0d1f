//! The Service that clients reach the Gateway by: one port for each port of its listeners.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rebound_api::crd::gateway_config::fields::{ServiceType, TrafficPolicy};

use super::Common;
use crate::build::labels;

pub(super) fn service(common: &Common<'_>) -> Service {
    let settings = &common.gateway.settings;
    let mut metadata = common.base();
    metadata.labels.get_or_insert_default().extend([labels::pair(labels::TRAFFIC)]);
    let own = settings.service_annotations().map(|(name, value)| (name.clone(), value.clone()));
    let annotations: labels::Map = common.gateway.annotations.clone().into_iter().chain(own).collect();
    metadata.annotations = Some(annotations).filter(|it| !it.is_empty());
    let spec = ServiceSpec {
        type_: Some(service_type(settings.service_type()).into()),
        external_traffic_policy: settings.external_traffic_policy().map(|it| traffic_policy(it).into()),
        // Deprecated since its meaning is up to the load balancer, and still the one field that all of them read.
        load_balancer_ip: common.gateway.address.clone(),
        selector: Some(labels::selector(&common.names)),
        ports: Some(common.ports().into_iter().map(port).collect()),
        ..ServiceSpec::default()
    };
    Service { metadata, spec: Some(spec), status: None }
}

fn port(number: u16) -> ServicePort {
    ServicePort {
        name: Some(format!("http-{number}")),
        app_protocol: Some("http".into()),
        protocol: Some("TCP".into()),
        port: number.into(),
        target_port: Some(IntOrString::Int(number.into())),
        ..ServicePort::default()
    }
}

fn service_type(kind: ServiceType) -> &'static str {
    match kind {
        ServiceType::LoadBalancer => "LoadBalancer",
        ServiceType::NodePort => "NodePort",
        ServiceType::ClusterIP => "ClusterIP",
    }
}

fn traffic_policy(policy: TrafficPolicy) -> &'static str {
    match policy {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    }
}
