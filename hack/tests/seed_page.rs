//! The seed's page, with the real programs: its manifests unchanged, 100 requests before the policy and 100 after.

use hack::load::{self, Outcome};
use hack::programs::Programs;
use hack::rig::{CHANGE_MAX, Rig, SEED_POLICY, poll, sample};

const TARGET: &str = "/echo?status=503:10";
const DICE: u64 = 1;

fn hundred_requests(rig: &Rig) -> Outcome {
    let outcome = load::send(rig.address(), TARGET, 100, 10);
    assert_eq!(outcome.errors, Vec::<String>::new());
    outcome
}

#[test]
fn s81_the_seeds_policy_turns_every_answer_into_a_200() {
    let rig = Rig::seed(&Programs::for_tests().unwrap(), DICE).unwrap();

    let without = hundred_requests(&rig);
    let failed = without.statuses[&503];
    assert!((3..=20).contains(&failed), "{failed} of 100");
    assert_eq!(without.statuses[&200], 100 - failed);
    assert_eq!(rig.backend.attempts(), 100, "nothing is retried without a policy");

    rig.apply(SEED_POLICY, &sample(SEED_POLICY).unwrap()).unwrap();
    let with = hundred_requests(&rig);
    assert_eq!(with.statuses.get(&200), Some(&100), "{:?}", with.statuses);
    let attempts = rig.backend.attempts() - 100;
    assert!(attempts > 100, "the backend failed, so something was retried");
}

#[test]
fn s81_the_seeds_objects_are_accepted_and_in_effect() {
    let rig = Rig::seed(&Programs::for_tests().unwrap(), DICE).unwrap();
    rig.apply(SEED_POLICY, &sample(SEED_POLICY).unwrap()).unwrap();
    let of_policy = || rig.status().split_once("kind: RetryPolicy").map(|(_, status)| status.to_owned());
    let status = poll(CHANGE_MAX, of_policy).unwrap();
    assert_eq!(status.matches("status: \"True\"").count(), 2, "Accepted and Programmed: {status}");
    assert!(!rig.status().contains("errors:"), "{status}");
    assert!(rig.status().contains("50 s"), "the seed's waits are accepted and warned about: {status}");
}

#[test]
fn the_data_plane_uses_io_uring_where_it_is_allowed_and_epoll_where_not() {
    let rig = Rig::seed(&Programs::for_tests().unwrap(), DICE).unwrap();
    let about: serde_json::Value = serde_json::from_slice(&rig.about("/generation").unwrap().body).unwrap();
    let driver = about["driver"].as_str().unwrap().to_owned();
    let expected = if hack::deny_io_uring::is_available() { "uring" } else { "epoll" };
    assert!(driver.starts_with(expected), "{driver}");
}
