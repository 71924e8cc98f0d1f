//! The parts of spans that many requests have in common, encoded once for each core and copied for each span.
//!
//! Encoding every attribute of every span takes far longer than copying what has been encoded. Pure.

use std::cell::{Ref, RefCell};
use std::net::{IpAddr, SocketAddr};

use opentelemetry_semantic_conventions::attribute as name;
use rebound_api::name::{ObjectKey, ServicePort};

use super::address::AddressText;
use super::attribute::{Key, OF_SPAN, key, put_int, put_text};
use super::metrics::durations::{OTHER, known_method};
use super::passage::Place;
use super::protobuf::{put_bytes, put_number};
use super::remembered::Remembered;
use super::schema::{field, kind, own};
use crate::http::h1::method::Method;
use crate::http::h1::version::Version;
use crate::retry::decide::Reason;

/// Places that one core remembers, and as many endpoints. Others push them out, and are encoded again each time.
const REMEMBERED_MAX: usize = 256;
/// Hosts that it remembers: a name that clients choose.
const HOSTS_MAX: usize = 16;

/// What spans of one core are put together from.
#[derive(Debug)]
pub struct Phrases {
    methods: Vec<MethodPhrases>,
    /// One attempt, which succeeded: most requests.
    pub(super) plain: Vec<u8>,
    places: Remembered<PlacePhrases>,
    endpoints: Remembered<EndpointPhrases>,
    hosts: Remembered<HostPhrases>,
    /// Where something is put together that is not the same for two requests.
    pub(super) room: RefCell<Vec<u8>>,
}

/// What all requests of one method say.
#[derive(Debug)]
pub(super) struct MethodPhrases {
    /// How the method is called in attributes.
    method: &'static str,
    /// How it is called in names.
    pub(super) name: &'static str,
    /// Kind and attributes of the SERVER span, by [`Version`].
    server: [Vec<u8>; 2],
    /// Name, kind and attributes of CLIENT spans.
    pub(super) client: Vec<u8>,
}

/// What all requests to one place say.
#[derive(Debug)]
pub(super) struct PlacePhrases {
    id: PlaceId,
    /// The path that all of them match; none: there are several.
    pub(super) template: Option<String>,
    /// Attributes of the SERVER span.
    pub(super) server: Vec<u8>,
    /// Attributes of CLIENT spans.
    pub(super) client: Vec<u8>,
}

/// What all attempts at one endpoint say.
#[derive(Debug)]
pub(super) struct EndpointPhrases {
    endpoint: SocketAddr,
    /// Scheme and authority of URLs.
    pub(super) origin: Vec<u8>,
    /// Attributes of CLIENT spans.
    pub(super) client: Vec<u8>,
}

/// What all requests for one host say.
#[derive(Debug)]
pub(super) struct HostPhrases {
    host: Vec<u8>,
    port: u16,
    /// Attributes of the SERVER span.
    pub(super) server: Vec<u8>,
}

/// What tells places apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceId {
    /// Of the plan, counted on this core: generations can come again.
    pub plan: u64,
    /// Index of the route in the plan.
    pub route: u32,
    /// Index of the rule in the route.
    pub rule: u32,
    /// Index of the Service port in the plan; none: the rule has no backend to draw.
    pub cluster: Option<u32>,
}

impl Default for Phrases {
    fn default() -> Self {
        let known = [
            Method::Get,
            Method::Head,
            Method::Options,
            Method::Trace,
            Method::Put,
            Method::Delete,
            Method::Post,
            Method::Patch,
            Method::Query,
        ];
        let methods =
            known.iter().map(|method| MethodPhrases::new(known_method(method), known_method(method)));
        let mut plain = Vec::new();
        put_int(OF_SPAN, key!(own::ATTEMPTS), 1, &mut plain);
        put_text(OF_SPAN, key!(own::REASON), [Reason::Success.name()], &mut plain);
        Self {
            methods: methods.chain([MethodPhrases::new(OTHER, "HTTP")]).collect(),
            plain,
            places: Remembered::new(REMEMBERED_MAX),
            endpoints: Remembered::new(REMEMBERED_MAX),
            hosts: Remembered::new(HOSTS_MAX),
            room: RefCell::default(),
        }
    }
}

impl Phrases {
    /// The phrases of a method; those that are not well known share the last.
    pub(super) fn of_method(&self, method: &Method) -> &MethodPhrases {
        let wanted = known_method(method);
        let found = self.methods.iter().position(|phrases| phrases.method == wanted);
        &self.methods[found.unwrap_or(self.methods.len() - 1)]
    }

    /// The phrases of a place.
    pub(super) fn of_place(&self, place: &Place<'_>) -> Ref<'_, PlacePhrases> {
        let PlaceId { route, rule, cluster, .. } = place.id;
        let number = route
            .wrapping_mul(31)
            .wrapping_add(rule.wrapping_mul(7))
            .wrapping_add(cluster.unwrap_or_default());
        self.places.of(number as usize, |known| known.id == place.id, || PlacePhrases::new(place))
    }

    /// The phrases of an endpoint.
    pub(super) fn of_endpoint(&self, endpoint: SocketAddr) -> Ref<'_, EndpointPhrases> {
        let last = match endpoint.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        };
        let number = usize::from(last) + usize::from(endpoint.port());
        self.endpoints.of(number, |known| known.endpoint == endpoint, || EndpointPhrases::new(endpoint))
    }

    /// The phrases of a host and a port.
    pub(super) fn of_host(&self, host: &[u8], port: u16) -> Ref<'_, HostPhrases> {
        let is_wanted = |known: &HostPhrases| known.port == port && known.host == host;
        let first = host.first().copied().map_or(0, usize::from);
        self.hosts.of(host.len() + first + usize::from(port), is_wanted, || HostPhrases::new(host, port))
    }
}

impl EndpointPhrases {
    fn new(endpoint: SocketAddr) -> Self {
        let text = AddressText::new(endpoint);
        let mut client = Vec::new();
        put_text(OF_SPAN, key!(name::SERVER_ADDRESS), [text.ip()], &mut client);
        put_int(OF_SPAN, key!(name::SERVER_PORT), u64::from(endpoint.port()), &mut client);
        Self { endpoint, origin: [b"http://", text.whole()].concat(), client }
    }
}

impl HostPhrases {
    fn new(host: &[u8], port: u16) -> Self {
        let mut server = Vec::new();
        // HTTP/1.0 need not name one.
        if !host.is_empty() {
            put_text(OF_SPAN, key!(name::SERVER_ADDRESS), [host], &mut server);
        }
        put_int(OF_SPAN, key!(name::SERVER_PORT), u64::from(port), &mut server);
        Self { host: host.into(), port, server }
    }
}

impl MethodPhrases {
    fn new(method: &'static str, name: &'static str) -> Self {
        let server = [Version::Http10, Version::Http11].map(|version| {
            let mut server = Vec::new();
            put_number(field::KIND, kind::SERVER, &mut server);
            put_text(OF_SPAN, key!(name::HTTP_REQUEST_METHOD), [method], &mut server);
            put_text(OF_SPAN, key!(name::URL_SCHEME), ["http"], &mut server);
            put_text(OF_SPAN, key!(name::NETWORK_PROTOCOL_VERSION), [version.number()], &mut server);
            server
        });
        let mut client = Vec::new();
        put_bytes(field::NAME, name.as_bytes(), &mut client);
        put_number(field::KIND, kind::CLIENT, &mut client);
        put_text(OF_SPAN, key!(name::HTTP_REQUEST_METHOD), [method], &mut client);
        put_text(OF_SPAN, key!(name::NETWORK_PROTOCOL_VERSION), ["1.1"], &mut client);
        Self { method, name, server, client }
    }

    /// Kind and attributes of the SERVER span.
    pub(super) fn server(&self, version: Version) -> &[u8] {
        let [http10, http11] = &self.server;
        match version {
            Version::Http10 => http10,
            Version::Http11 => http11,
        }
    }
}

impl PlacePhrases {
    fn new(place: &Place<'_>) -> Self {
        let template = place.only_template().map(str::to_owned);
        let (mut server, mut client) = (Vec::new(), Vec::new());
        put_object(key!(own::ROUTE), place.route, &mut server);
        if let Some(ServicePort { service, port }) = place.service {
            put_text(OF_SPAN, key!(name::SERVICE_PEER_NAMESPACE), [service.namespace()], &mut client);
            put_text(OF_SPAN, key!(name::SERVICE_PEER_NAME), [service.name()], &mut client);
            put_int(OF_SPAN, key!(own::SERVICE_PORT), u64::from(*port), &mut client);
        }
        if let Some(template) = &template {
            put_text(OF_SPAN, key!(name::HTTP_ROUTE), [template], &mut server);
            put_text(OF_SPAN, key!(name::URL_TEMPLATE), [template], &mut client);
        }
        if let Some(policy) = place.policy {
            put_object(key!(own::POLICY), policy, &mut server);
            put_object(key!(own::POLICY), policy, &mut client);
        }
        Self { id: place.id, template, server, client }
    }
}

fn put_object<const N: usize>(key: &Key<N>, object: &ObjectKey, out: &mut Vec<u8>) {
    put_text(OF_SPAN, key, [object.namespace(), "/", object.name()], out);
}
