//! A network that loses, refuses and ends things, and a process that sleeps: what was missed is made up for.

use std::time::Duration;

use hack::contents::without_generation;
use hack::fault_proxy::{Fate, FaultProxy, Request};
use hack::objects::BASE;
use hack::operator_rig::Operator;
use hack::rig::poll;
use serde_json::json;

use crate::site::{Ground, SOON, Site, free_lease};

const DICE: u64 = 4;

/// The answers that an API server gives when it is busy, has moved on, or was asked by two at once.
fn status(code: u16, reason: &str) -> String {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "injected",
    })
    .to_string()
}

#[test]
fn refusals_losses_and_ended_watches_are_overcome() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let expected = without_generation(site.settle(), BASE);
    site.lead_to("b");
    site.settle();
    free_lease(&site.cluster);
    let proxy = FaultProxy::start(&site.rights).unwrap();
    let mut watches = 0_usize;
    // Dice, because rounds of as many writes as there are faults would meet with the same ones for ever.
    let mut dice = fastrand::Rng::with_seed(DICE);
    proxy.judge(move |request: &Request| {
        if request.is_watch() {
            watches += 1;
            // A watch begins at a version that is forgotten: the whole kind is listed anew.
            return if watches.is_multiple_of(3) {
                Fate::Answered(410, "", status(410, "Expired"))
            } else {
                Fate::Delayed(Duration::from_millis(20))
            };
        }
        if !request.is_write() || request.is_beside() {
            return Fate::Passed;
        }
        match dice.u8(..8) {
            0 => Fate::Answered(409, "", status(409, "Conflict")),
            1 => Fate::Answered(429, "retry-after: 1\r\n", status(429, "TooManyRequests")),
            2 => Fate::Lost,
            3 => Fate::AnswerLost,
            4 => Fate::Answered(500, "", status(500, "InternalError")),
            _ => Fate::Passed,
        }
    });
    let operator = Operator::spawn(proxy.kubeconfig()).unwrap();
    site.lead_to("a");
    let back = || {
        let same = without_generation(site.contents(), BASE) == expected;
        (same && site.is_settled()).then_some(())
    };
    assert!(poll(SOON, back).is_some(), "{}", operator.log_end());
    // Watches that end in the middle of everything miss nothing.
    for backend in ["b", "a"] {
        proxy.cut_watches();
        site.lead_to(backend);
        proxy.cut_watches();
    }
    assert!(poll(SOON, back).is_some(), "{}", operator.log_end());
    operator.stop().unwrap();
}

#[test]
fn a_leader_that_wakes_after_its_lease_writes_nothing() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let proxy = FaultProxy::start(&site.rights).unwrap();
    let first = Operator::spawn(proxy.kubeconfig()).unwrap();
    first.await_leading().unwrap();
    site.await_done(&first);
    first.pause();
    let second = Operator::start(&site.rights).unwrap();
    second.await_leading().unwrap();
    site.lead_to("b");
    let b = site.await_done(&second);
    let writes = proxy.list_writes();
    first.resume();
    // It sees what has happened meanwhile, and knows that it does not lead.
    let gave_way = || first.log().contains("not leading any more").then_some(());
    assert!(poll(SOON, gave_way).is_some(), "{}", first.log_end());
    site.lead_to("a");
    site.await_done(&second);
    site.lead_to("b");
    let again = site.await_done(&second);
    assert_eq!(without_generation(again, BASE), without_generation(b, BASE));
    assert_eq!(*writes.lock().unwrap(), Vec::<String>::new());
    first.stop().unwrap();
    second.stop().unwrap();
}
