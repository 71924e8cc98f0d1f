//! What a Service says about its ports: one reading for every room. Only TCP ports are routed to.

use k8s_openapi::api::core::v1::{Service, ServicePort as PortSpec};

/// Its TCP ports with their numbers. A UDP port may have the number of a TCP port.
pub fn tcp_ports(service: &Service) -> impl Iterator<Item = (u16, &PortSpec)> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let tcp = ports.filter(|port| is_tcp(port.protocol.as_deref()));
    let numbered = tcp.filter_map(|port| Some((u16::try_from(port.port).ok()?, port)));
    numbered.filter(|(number, _)| *number != 0)
}

/// Its TCP port of that number.
pub fn tcp_port(service: &Service, number: u16) -> Option<&PortSpec> {
    tcp_ports(service).find_map(|(it, port)| (it == number).then_some(port))
}

/// A port that names no protocol speaks TCP, in a Service as in an EndpointSlice.
pub fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

/// Whether the Service is another name for a host outside, without endpoints.
pub fn is_external_name(service: &Service) -> bool {
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    kind == Some("ExternalName")
}
