//! Whatever is secret in a request or an answer appears in nothing that the data plane says.

use hack::collector::{Collector, Receiver};
use hack::dataplane_rig::Setup;
use hack::http_client::Connection;

use crate::DEADLINE;
use crate::backend::{Backend, Step};
use crate::scene::start;
use crate::snapshot::{PORT, Verbs, retrying, serving};

/// A word that stands nowhere but in secrets.
const CANARY: &str = "c4n4ry7f3a";

fn answer(status: u16) -> Step {
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nset-cookie: session={CANARY}\r\nauthorization: {CANARY}\r\n\
         x-token: {CANARY}\r\nlocation: /next?code={CANARY}\r\ncontent-length: 10\r\n\r\n{CANARY}"
    );
    Step::Raw(head.into_bytes())
}

#[test]
fn no_secret_appears_in_anything_that_is_said() {
    let backend = Backend::answering([answer(503), answer(200), answer(503), answer(503), answer(200)]);
    let snapshot = serving([backend.address]).retried(retrying(1));
    let collector = Collector::start(Receiver::Python).unwrap();
    let flags = ["--log", "trace", "--access-log", "json", "--live", "127.0.0.1:0"];
    let variables = [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20c4n4ry7f3a")];
    let setup = Setup { flags: &flags, variables: &variables, ..Setup::default() };
    let mut dataplane = start(&collector.endpoint(), &snapshot, &setup);

    let credentials = format!("Bearer {CANARY}");
    let cookie = format!("session={CANARY}");
    let secrets = [
        ("host", "shop.example"),
        ("authorization", credentials.as_str()),
        ("proxy-authorization", credentials.as_str()),
        ("cookie", cookie.as_str()),
        ("x-api-key", CANARY),
        ("referer", "https://shop.example/?token=c4n4ry7f3a"),
    ];
    let mut client = Connection::open(dataplane.address(PORT)).unwrap();
    let target = format!("/pay?card={CANARY}&{CANARY}&=&a=b%3D{CANARY}&card={CANARY}");
    // Retried, failed, and with a body.
    assert_eq!(client.send("GET", &target, &secrets, &[]).unwrap().status, 200);
    assert_eq!(client.send("GET", &target, &secrets, &[]).unwrap().status, 503);
    assert_eq!(client.send("POST", &target, &secrets, CANARY.as_bytes()).unwrap().status, 200);
    // Refused: with user information, and with what is not HTTP.
    let refused = [
        format!("GET http://user:{CANARY}@shop.example/ HTTP/1.1\r\nhost: shop.example\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: user:{CANARY}@shop.example\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: a\r\nauthorization : {CANARY}\r\n\r\n"),
        format!("{CANARY}\r\n\r\n"),
    ];
    for request in refused {
        let mut client = Connection::open(dataplane.address(PORT)).unwrap();
        client.write(request.as_bytes()).unwrap();
        assert_eq!(client.read("GET").unwrap().status, 400, "{request}");
    }

    let metrics = dataplane.about("/metrics").unwrap().body;
    let live = dataplane.live().expect("the live page was asked for");
    let live =
        |target| Connection::open(live).unwrap().send("GET", target, &[("host", "localhost")], &[]).unwrap();
    let (page, data) = (live("/"), live("/live.json"));
    assert_eq!((page.status, data.status), (200, 200));
    collector.await_requests(3, DEADLINE).unwrap();
    dataplane.terminate(DEADLINE).unwrap();

    // What the collector was sent besides spans was meant for it.
    let spans =
        collector.lines().into_iter().filter(|line| line.starts_with("{\"span\"")).collect::<String>();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let said = [
        ("spans", spans, "/pay"),
        ("access log", dataplane.output(), "/pay"),
        ("log", dataplane.log(), "DEBUG"),
        ("metrics", text(metrics), "gateway_requests_total"),
        ("live page", text(page.body), "<html"),
        ("live data", text(data.body), "/pay"),
    ];
    for (what, text, expected) in said {
        assert!(text.contains(expected), "the {what} must have been looked at:\n{text}");
        assert!(!text.contains(CANARY), "a secret in the {what}:\n{text}");
    }
}

#[test]
fn of_a_query_only_the_names_are_told() {
    let backend = Backend::always(Step::Status(200));
    let collector = Collector::start(Receiver::Otelcol).unwrap();
    let dataplane = start(&collector.endpoint(), &serving([backend.address]), &Setup::default());
    let mut client = Connection::open(dataplane.address(PORT)).unwrap();
    let told = [
        ("/a?x=1&y=2", Some("x=REDACTED&y=REDACTED")),
        // A part without a name is a value.
        ("/b?flag", Some("REDACTED")),
        ("/c?x=", Some("x=REDACTED")),
        ("/d?x=1=2", Some("x=REDACTED")),
        ("/e?", Some("")),
        ("/f", None),
    ];
    told.iter().for_each(|(target, _)| assert_eq!(client.get(target).unwrap().status, 200));
    let spans = collector.await_requests(told.len(), DEADLINE).unwrap();
    for (target, query) in told {
        let path = target.split('?').next().unwrap();
        let span = spans.iter().find(|span| span.kind == "SERVER" && span.attributes["url.path"] == path);
        let found = span.unwrap().attributes.get("url.query").map(|value| value.as_str().unwrap());
        assert_eq!(found, query, "{target}");
    }
}
