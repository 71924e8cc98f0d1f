//! The trace context of others: whose child a request is, and what is passed on untouched.

use hack::collector::Receiver;

use crate::backend::{Backend, Step};
use crate::scene::Scene;
use crate::snapshot::{Verbs, retrying, serving};
use crate::tree::Tree;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn scene(receiver: Receiver, steps: impl IntoIterator<Item = Step>) -> Scene {
    let backend = Backend::answering(steps);
    let snapshot = serving([backend.address]).retried(retrying(2));
    Scene::start(receiver, backend, &snapshot)
}

#[test]
fn a_traceparent_is_the_parent_of_the_request() {
    for receiver in Receiver::ALL {
        let scene = scene(receiver, [Step::Status(503)]);
        let parent = format!("00-{TRACE}-{PARENT}-01");
        scene.send("GET", "/", &[("traceparent", &parent)]);
        let tree = scene.tree();
        assert_eq!((tree.request.trace_id.as_str(), tree.request.parent_id.as_str()), (TRACE, PARENT));
        // Bit 8 says that it is known whether the parent is elsewhere, bit 9 that it is.
        assert_eq!(tree.request.flags, 0x301);
        assert_eq!(tree.attempts.iter().map(|span| span.flags).collect::<Vec<_>>(), [0x101, 0x101]);
        for seen in scene.backend.seen() {
            assert!(seen.header("traceparent").unwrap().ends_with("-01"));
            assert_eq!(seen.head.matches("traceparent").count(), 1, "one and not two: {}", seen.head);
        }
    }
}

#[test]
fn a_request_without_a_traceparent_begins_a_trace() {
    let scene = scene(Receiver::Python, []);
    scene.get("/");
    scene.get("/");
    let trees = Tree::all(&scene.spans(2));
    assert_eq!(trees[0].request.parent_id, "");
    assert_ne!(trees[0].request.trace_id, trees[1].request.trace_id);
}

#[test]
fn a_traceparent_that_is_not_valid_is_not_a_parent() {
    let invalid = [
        String::new(),
        "00".to_owned(),
        format!("00-{TRACE}-{PARENT}"),
        format!("00-{TRACE}-{PARENT}-1"),
        format!("00-{TRACE}-{PARENT}-001"),
        format!("00-{TRACE}-{PARENT}-01-more"),
        format!("00-{TRACE}-{PARENT}-0g"),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
        format!("00-{}-{PARENT}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{PARENT}-01"),
        format!("00_{TRACE}_{PARENT}_01"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("0-{TRACE}-{PARENT}-01"),
        format!("0x-{TRACE}-{PARENT}-01"),
        format!("01-{TRACE}-{PARENT}-01more"),
        format!("00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01"),
        "x".repeat(4096),
    ];
    let scene = scene(Receiver::Python, []);
    for text in &invalid {
        assert_eq!(scene.send("GET", "/", &[("traceparent", text)]).status, 200);
    }
    // Two of them are as good as none (W3C Trace Context 3.2.1).
    let valid = format!("00-{TRACE}-{PARENT}-01");
    scene.send("GET", "/", &[("traceparent", &valid), ("traceparent", &valid)]);
    for tree in Tree::all(&scene.spans(invalid.len() + 1)) {
        assert_eq!(tree.request.parent_id, "");
        assert_ne!(tree.request.trace_id, TRACE);
    }
    for seen in scene.backend.seen() {
        assert_eq!(seen.head.matches("traceparent").count(), 1, "ours alone is passed on: {}", seen.head);
    }
}

#[test]
fn a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() {
    let scene = scene(Receiver::Python, []);
    scene.send("GET", "/", &[("traceparent", &format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"))]);
    let tree = scene.tree();
    assert_eq!((tree.request.trace_id.as_str(), tree.request.parent_id.as_str()), (TRACE, PARENT));
    assert!(scene.backend.seen()[0].header("traceparent").unwrap().starts_with("00-"));
}

#[test]
fn tracestate_and_baggage_pass_as_they_are() {
    let scene = scene(Receiver::Python, [Step::Status(503)]);
    let state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE ,  vendor@x=1";
    let baggage = "userId=alice,serverNode=DF%2028,isProduction=false;p=1";
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", parent.as_str()), ("tracestate", state), ("baggage", baggage)];
    scene.send("GET", "/", &headers);
    let tree = scene.tree();
    let seen = scene.backend.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!((seen.header("tracestate"), seen.header("baggage")), (Some(state), Some(baggage)));
    }
    assert_eq!(tree.request.trace_state, state);
}
