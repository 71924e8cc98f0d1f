//! The objects of the site: a Gateway, its Services with endpoints, and the routes. Talks HTTP to the API server and knows
//! no program.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use crate::http_client::{Connection, Response};

pub(super) const NAMESPACE: &str = "bench";
pub(super) const GATEWAY: &str = "web";
/// What the operator calls the objects of the Gateway.
pub(super) const BASE: &str = "web-fsm";
const PORT: u16 = 8080;
/// Routes that lead to the same Service.
const ROUTES_PER_SERVICE: u32 = 60;
/// Connections over which routes are made.
const MAKERS: u32 = 4;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Size {
    pub(in crate::bench) routes: u32,
    /// At least one.
    pub(in crate::bench) namespaces: u32,
}

/// The moments at which the manifest was seen to change.
pub(super) fn watch_manifest(address: SocketAddr) -> anyhow::Result<mpsc::Receiver<Instant>> {
    let stream = TcpStream::connect(address)?;
    let target = format!(
        "/api/v1/namespaces/{NAMESPACE}/configmaps?watch=true&fieldSelector=metadata.name%3D{BASE}-config"
    );
    (&stream).write_all(format!("GET {target} HTTP/1.1\r\nhost: api\r\n\r\n").as_bytes())?;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        for _ in
            lines.filter(|line| line.contains("\"type\":\"ADDED\"") || line.contains("\"type\":\"MODIFIED\""))
        {
            if tell.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    Ok(told)
}

/// The Gateway, its Services with endpoints, and the routes.
pub(super) fn make(address: SocketAddr, size: Size) -> anyhow::Result<()> {
    let mut api = Connection::open(address)?;
    create(&mut api, "/api/v1/namespaces", &json!({ "metadata": { "name": NAMESPACE } }))?;
    let listener = json!({ "name": "http", "protocol": "HTTP", "port": PORT,
        "allowedRoutes": { "namespaces": { "from": "All" } } });
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": { "name": GATEWAY },
        "spec": { "gatewayClassName": "fsm", "listeners": [listener] },
    });
    create(
        &mut api,
        &format!("/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/gateways"),
        &gateway,
    )?;
    for space in 0..size.namespaces {
        create(&mut api, "/api/v1/namespaces", &json!({ "metadata": { "name": namespace(space) } }))?;
        for service in 0..size.services() {
            make_service(&mut api, space, service)?;
        }
    }
    thread::scope(|scope| {
        let maker = |part: u32| {
            scope.spawn(move || {
                let mut api = Connection::open(address)?;
                (0..size.routes).filter(|it| it % MAKERS == part).try_for_each(|it| {
                    let route = json!({
                        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                        "metadata": { "name": route_name(it) }, "spec": size.route_spec(it, "first"),
                    });
                    create(&mut api, &size.routes_of(it), &route)
                })
            })
        };
        let makers: Vec<_> = (0..MAKERS).map(maker).collect();
        makers
            .into_iter()
            .try_for_each(|it| it.join().unwrap_or_else(|_| bail!("a maker of routes panicked")))
    })
}

fn make_service(api: &mut Connection, space: u32, service: u32) -> anyhow::Result<()> {
    let (namespace, name) = (namespace(space), service_name(service));
    let body =
        json!({ "metadata": { "name": name }, "spec": { "ports": [{ "port": 80, "targetPort": 9000 }] } });
    create(api, &format!("/api/v1/namespaces/{namespace}/services"), &body)?;
    let slice = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": name } }, "addressType": "IPv4",
        "ports": [{ "port": 9000 }], "endpoints": endpoints(space, service, 1),
    });
    create(api, &format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"), &slice)
}

/// Two; the second moves from one `turn` to the next.
pub(super) fn endpoints(space: u32, service: u32, turn: u32) -> Value {
    let (high, low) = (service / 250 + space, service % 250 + 1);
    json!([
        { "addresses": [format!("10.1.{high}.{low}")] },
        { "addresses": [format!("10.{}.{high}.{low}", 2 + turn % 250)] },
    ])
}

impl Size {
    /// The Services of each namespace.
    pub(super) fn services(self) -> u32 {
        self.routes.div_ceil(self.namespaces).div_ceil(ROUTES_PER_SERVICE)
    }

    /// Where the API server has the routes of the namespace of this one.
    pub(super) fn routes_of(self, route: u32) -> String {
        let namespace = namespace(route % self.namespaces);
        format!("/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes")
    }

    pub(super) fn route_spec(self, route: u32, value: &str) -> Value {
        let filter = json!({ "type": "RequestHeaderModifier",
            "requestHeaderModifier": { "set": [{ "name": "x-edit", "value": value }] } });
        json!({
            "parentRefs": [{ "name": GATEWAY, "namespace": NAMESPACE }],
            "hostnames": [format!("host-{route}.example.com")],
            "rules": [{
                "matches": [{ "path": { "type": "PathPrefix", "value": format!("/app-{route}") } }],
                "filters": [filter],
                "backendRefs": [{ "name": service_name(route / self.namespaces / ROUTES_PER_SERVICE), "port": 80 }],
            }],
        })
    }
}

pub(super) fn namespace(number: u32) -> String {
    format!("{NAMESPACE}-{number}")
}

pub(super) fn service_name(service: u32) -> String {
    format!("service-{service}")
}

pub(super) fn route_name(route: u32) -> String {
    format!("route-{route:05}")
}

fn create(api: &mut Connection, target: &str, body: &Value) -> anyhow::Result<()> {
    let fields = [("content-type", "application/json")];
    ok(&api.send("POST", target, &fields, body.to_string().as_bytes())?)
}

pub(super) fn ok(answer: &Response) -> anyhow::Result<()> {
    ensure!(
        answer.status < 300,
        "the API server answers {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Ok(())
}
