//! The live page: what one data plane does right now, for a person with a browser and the right to log in to the pod.
//!
//! On a listener of its own that is bound to loopback, because it tells what the pod network must not see: paths, hosts
//! and addresses of clients. Read-only. Other sites that the same browser visits are kept out: the answers carry no
//! leave to be read, and a name that was pointed at this address is refused (DNS rebinding).

mod json;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::admin::Health;
use crate::admin::server::{self, Answer};
use crate::clock;
use crate::http::h1::request::RequestHead;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::recent::Recent;

/// Nothing but this page's own files, nobody may frame it, and no text ever becomes markup.
const FIELDS: &str = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'\r\n\
     cross-origin-resource-policy: same-origin\r\n\
     x-content-type-options: nosniff\r\n\
     referrer-policy: no-referrer\r\n\
     cache-control: no-store\r\n";

/// What the page is about.
#[derive(Debug)]
pub struct Subject {
    /// The numbers of the process.
    pub metrics: Arc<Metrics>,
    /// Its state, and the plan in use.
    pub health: Arc<Health>,
    /// The last requests that were retried or failed.
    pub recent: Arc<Recent>,
}

/// Serves until the process ends. Returns the address, whose port was free if it was asked for as 0.
pub fn start(address: SocketAddr, subject: Subject) -> io::Result<SocketAddr> {
    server::start("live", address, Arc::new(move |head| answer(head, &subject).with_fields(FIELDS)))
}

fn answer(head: &RequestHead, subject: &Subject) -> Answer {
    if !is_this_machine(head.host()) {
        return Answer::text(
            "421 Misdirected Request",
            "this is served as localhost and by loopback address\n",
        );
    }
    match head.path() {
        "/" => Answer::ok("text/html; charset=utf-8", include_str!("live/page.html")),
        "/page.css" => Answer::ok("text/css; charset=utf-8", include_str!("live/page.css")),
        "/page.js" => Answer::ok("text/javascript; charset=utf-8", include_str!("live/page.js")),
        "/live.json" => Answer::ok("application/json", json::text(subject, clock::now())),
        _ => Answer::text("404 Not Found", "/ /live.json\n"),
    }
}

/// Whether a browser that asks for this host can only have meant the machine that it runs on.
fn is_this_machine(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_loopback = match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    };
    host == "localhost" || is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_stranger_can_own_are_this_machine() {
        for host in ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "::1",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
