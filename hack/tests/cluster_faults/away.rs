//! An API server that is gone for a while: nothing changes, and afterwards everything does again.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hack::apiserver::Environment;
use hack::contents::without_generation;
use hack::objects::BASE;
use hack::operator_rig::{self, Operator};

use crate::traffic::Traffic;

/// How long nobody answers.
const AWAY: Duration = Duration::from_secs(60);
/// How often somebody looks meanwhile.
const OFTEN: Duration = Duration::from_secs(1);

/// Nobody restarts what ends here: whoever takes up the edit after it has lived through it.
#[test]
fn a_minute_without_an_api_server_costs_no_request_and_edits_go_on_after_it() {
    let mut environment = Environment::start().unwrap();
    let rights = operator_rig::install(environment.cluster()).unwrap();
    let operator = Arc::new(Operator::start(&rights).unwrap());
    let traffic = Traffic::start(environment.cluster(), operator);
    traffic.takes_up(Some("before"));
    let before = without_generation(traffic.contents(), BASE);
    let generation = traffic.pod.generation().unwrap();
    traffic.is_not_harmed_by(|| {
        environment.kill().unwrap();
        let end = Instant::now() + AWAY;
        while Instant::now() < end {
            assert_eq!(traffic.pod.generation().unwrap(), generation, "{}", traffic.logs());
            thread::sleep(OFTEN);
        }
        environment.start_again().unwrap();
        traffic.takes_up(Some("after"));
        traffic.takes_up(Some("before"));
    });
    assert_eq!(traffic.pod.generation().unwrap(), generation + 2);
    assert_eq!(without_generation(traffic.contents(), BASE), before);
    traffic.await_programmed();
}
