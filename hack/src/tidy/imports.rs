//! The import table: what each room must never use.
//!
//! A room is a file or folder below a crate's `src`; everything inside it obeys the rules of every room that
//! contains it. Tests may use what they like.

use super::mentions::mentions;
use super::{Breach, module_of};

/// Rooms, and the paths that none of their files may mention.
struct Rule {
    rooms: &'static [&'static str],
    except: &'static [&'static str],
    never: &'static [&'static str],
    because: &'static str,
}

const DOMAIN: &[&str] = &["api::policy", "api::name", "api::violation"];
const OPERATOR_PURE: &[&str] = &[
    "operator::memo",
    "operator::validate",
    "operator::translate",
    "operator::shards",
    "operator::build",
    "operator::status::conditions",
];
const DATAPLANE_PURE: &[&str] = &[
    "dataplane::route",
    "dataplane::retry::decide",
    "dataplane::retry::backoff",
    "dataplane::retry::budget",
    "dataplane::snapshot::plan",
    "dataplane::telemetry::access_log",
    "dataplane::telemetry::attribute",
    "dataplane::telemetry::passage",
    "dataplane::telemetry::phrases",
    "dataplane::telemetry::protobuf",
    "dataplane::telemetry::record",
    "dataplane::telemetry::schema",
    "dataplane::telemetry::settings",
    "dataplane::telemetry::span",
    "dataplane::telemetry::trace",
];
const ON_A_CORE: &[&str] = &[
    "dataplane::worker",
    "dataplane::http",
    "dataplane::upstream",
    "dataplane::retry",
    "dataplane::route",
    "dataplane::telemetry::observer",
    "dataplane::telemetry::outbox",
    "dataplane::telemetry::remembered",
];
const BETWEEN_THREADS: &[&str] = &[
    "dataplane::snapshot::publish",
    "dataplane::worker::mailbox",
    "dataplane::telemetry::export",
    "dataplane::telemetry::recent",
    "dataplane::telemetry::reporting",
    "dataplane::telemetry::write",
];
const OWN_THREADS: &[&str] = &[
    "dataplane::admin",
    "dataplane::live",
    "dataplane::snapshot::watch",
    "dataplane::telemetry::export",
    "dataplane::telemetry::recent",
    "dataplane::telemetry::write",
];

const KUBERNETES: &[&str] = &["kube", "k8s_openapi", "schemars", "garde"];
const CLIENTS: &[&str] =
    &["kube::Client", "kube::client", "kube::Api", "kube::api::Api", "kube::runtime", "tokio"];
const INPUT_AND_OUTPUT: &[&str] = &[
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::env",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::net::*",
    "std::os",
];
// A moment may be handed in; reading the clock is what a pure room must not do.
const CLOCKS_AND_DICE: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "fastrand",
    "rand",
    "jiff::Timestamp::now",
    "k8s_openapi::jiff::Timestamp::now",
    "dataplane::clock::CoreClock",
    "dataplane::clock::now",
];
const LOCKS: &[&str] = &["std::sync::Mutex", "std::sync::RwLock", "std::sync::Condvar", "std::sync::Barrier"];

const TABLE: &[Rule] = &[
    rule(
        DOMAIN,
        &["serde", "serde_json", "api::crd", "api::config"],
        "domain values are not serialisable and know neither users' YAML nor the wire",
    ),
    rule(DOMAIN, KUBERNETES, "only `api::crd` and the operator know Kubernetes"),
    rule(&["api::config", "dataplane"], KUBERNETES, "only `api::crd` and the operator know Kubernetes"),
    rule(&["api::config"], &["api::policy", "api::crd"], "the wire carries numbers, not policies"),
    rule(&["api::crd"], &["api::config"], "what users write does not know the wire"),
    rule(
        &["api"],
        &["operator", "dataplane", "tokio", "monoio", "monoio_http"],
        "a contract does not know its parties",
    ),
    rule(
        &["operator"],
        &["dataplane", "monoio", "monoio_http"],
        "operator and data plane meet in `api` only",
    ),
    rule(
        &["dataplane"],
        &["operator", "tokio", "monoio_http"],
        "operator and data plane meet in `api` only, and one runtime is enough",
    ),
    rule(OPERATOR_PURE, CLIENTS, "a pure room has no client and no runtime"),
    rule(OPERATOR_PURE, INPUT_AND_OUTPUT, "a pure room reads and writes nothing"),
    rule(OPERATOR_PURE, CLOCKS_AND_DICE, "a pure room has no clock and no randomness"),
    rule(
        &["operator::observe"],
        &["operator::apply", "operator::status::patch", "operator::webhook"],
        "the ends of the walk do not know each other",
    ),
    rule(
        &["operator::apply", "operator::status::patch", "operator::webhook"],
        &["operator::observe"],
        "the ends of the walk do not know each other",
    ),
    rule(&["operator::controller"], &["k8s_openapi"], "objects are made in `build`"),
    rule(
        &["operator::shards"],
        &[
            "operator::observe",
            "operator::validate",
            "operator::translate",
            "operator::build",
            "k8s_openapi",
            "kube",
        ],
        "shards are bytes: who makes them and where they are kept is for others",
    ),
    rule(
        &["operator::agent"],
        &["operator::validate", "operator::translate", "operator::build"],
        "the agent joins what is there and decides nothing",
    ),
    Rule {
        rooms: &["dataplane"],
        except: &["dataplane::io"],
        never: &["monoio"],
        because: "`dataplane::io` is the only room that names monoio",
    },
    rule(
        &["dataplane::io"],
        &["dataplane::route", "dataplane::retry", "dataplane::snapshot", "api"],
        "sockets and timers know no routes, retries or configuration",
    ),
    rule(DATAPLANE_PURE, &["dataplane::io"], "a pure room waits for nothing"),
    rule(DATAPLANE_PURE, INPUT_AND_OUTPUT, "a pure room reads and writes nothing"),
    rule(DATAPLANE_PURE, CLOCKS_AND_DICE, "a pure room has no clock and no randomness"),
    rule(ON_A_CORE, LOCKS, "cores share nothing that they would have to lock"),
    Rule {
        rooms: ON_A_CORE,
        except: &["dataplane::worker::mailbox"],
        never: &["std::fs", "std::net::ToSocketAddrs", "std::thread::sleep"],
        because: "nothing on a core blocks it",
    },
    rule(
        BETWEEN_THREADS,
        &["dataplane::http", "dataplane::retry::attempts", "dataplane::upstream"],
        "a hand-over between threads handles no requests",
    ),
    rule(
        OWN_THREADS,
        &["std::rc", "std::cell", "dataplane::worker::core"],
        "these threads do not see the state of a core",
    ),
];

const fn rule(rooms: &'static [&'static str], never: &'static [&'static str], because: &'static str) -> Rule {
    Rule { rooms, except: &[], never, because }
}

/// Every mention in a file that the table forbids.
pub(super) fn breaches(path: &str, text: &str) -> Vec<Breach> {
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs") || !path.contains("/src/");
    if is_test {
        return Vec::new();
    }
    let module = module_of(path);
    let rules: Vec<_> = TABLE.iter().filter(|rule| rule.is_about(&module)).collect();
    let mentions = mentions(&module, text);
    let breaches = mentions.iter().flat_map(|mention| {
        let broken = rules.iter().filter(|rule| rule.never.iter().any(|path| is_within(&mention.path, path)));
        broken.map(|rule| {
            let said = format!("`{}` is not for this room: {}", mention.path.join("::"), rule.because);
            Breach::new(path, mention.line, said)
        })
    });
    breaches.collect()
}

impl Rule {
    fn is_about(&self, module: &[String]) -> bool {
        let inside = |rooms: &[&str]| rooms.iter().any(|room| is_within(module, room));
        inside(self.rooms) && !inside(self.except)
    }
}

/// Whether a path is `outer` or something in it.
fn is_within(path: &[String], outer: &str) -> bool {
    let outer: Vec<_> = outer.split("::").collect();
    path.len() >= outer.len() && path.iter().zip(&outer).all(|(inner, outer)| inner == outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn forbidden(path: &str, text: &str) {
        assert!(!breaches(path, text).is_empty(), "{path} may say {text}");
    }

    #[track_caller]
    fn allowed(path: &str, text: &str) {
        assert_eq!(breaches(path, text), [], "{path} may not say {text}");
    }

    #[test]
    fn every_row_of_the_table_catches_a_planted_breach_in_each_of_its_rooms() {
        for rule in TABLE {
            for room in rule.rooms {
                let file = format!("{}.rs", room.replacen("::", "/src/", 1).replace("::", "/"));
                let file = if file.contains("/src/") { file } else { format!("{room}/src/some_room.rs") };
                for path in rule.never {
                    forbidden(&file, &format!("use {path};"));
                    if let Some((parent, name)) = path.rsplit_once("::").filter(|(_, name)| *name != "*") {
                        forbidden(&file, &format!("use {parent} as p; fn f() {{ p::{name}::x(); }}"));
                    }
                }
            }
        }
    }

    #[test]
    fn a_room_inside_a_room_obeys_it_too() {
        forbidden("operator/src/translate/route.rs", "use std::{fmt, fs};");
        forbidden("dataplane/src/http/h1/head.rs", "use std::sync::Mutex;");
    }

    #[test]
    fn monoio_is_named_in_io_alone() {
        allowed("dataplane/src/io.rs", "use monoio::net::TcpStream;");
        allowed("dataplane/src/io/timer.rs", "use monoio::time;");
        forbidden("dataplane/src/iota.rs", "use monoio::time;");
        forbidden("dataplane/src/worker/runtime.rs", "monoio::spawn(x)");
    }

    #[test]
    fn pure_rooms_may_hold_addresses_and_durations() {
        allowed("operator/src/translate/cluster.rs", "use std::net::{IpAddr, SocketAddr};");
        allowed("dataplane/src/retry/backoff.rs", "use std::time::Duration;");
    }

    #[test]
    fn tests_may_use_what_they_like() {
        allowed("dataplane/src/route/router.rs", "#[cfg(test)]\nmod tests { use std::fs; }");
        allowed("dataplane/src/route/tests.rs", "use std::fs;");
        allowed("dataplane/tests/retry.rs", "use monoio::time;");
    }

    #[test]
    fn crates_of_ours_are_known_by_their_rooms() {
        forbidden("dataplane/src/route/router.rs", "use rebound_operator::x;");
        forbidden("dataplane/src/io.rs", "use rebound_api::config::Snapshot;");
        allowed("dataplane/src/route/router.rs", "use rebound_api::config::Snapshot;");
    }
}
