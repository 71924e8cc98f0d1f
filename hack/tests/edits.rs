//! Edits of manifests on a running proxy: what takes effect when, what a mistake changes (nothing), what is lost (nothing).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use hack::http_client::Connection;
use hack::load;
use hack::programs::Programs;
use hack::rig::{CHANGE_MAX, Rig, SEED_POLICY, poll, sample};

/// Always fails, so that attempts count retries.
const FAILING: &str = "/echo?status=503";

/// The seed's policy with other numbers; waits are exact and equal, so that a test can rely on them.
fn policy(retries: u8, base_seconds: &str) -> String {
    let seed = sample(SEED_POLICY).unwrap();
    let edited = seed.replace("numRetries: 5", &format!("numRetries: {retries}")).replace(
        "backoffBaseInterval: 2",
        &format!(
            "backoffBaseInterval: {base_seconds}\n      backoff:\n        jitter: None\n        multiplier: 1"
        ),
    );
    assert_ne!(seed, edited);
    edited
}

fn rig() -> Rig {
    Rig::seed(&Programs::for_tests().unwrap(), 1).unwrap()
}

/// How often the backend is asked for one failing request.
fn attempts(rig: &Rig) -> u64 {
    let before = rig.backend.attempts();
    let answer = Connection::open(rig.address()).unwrap().get(FAILING).unwrap();
    assert_eq!(answer.status, 503);
    rig.backend.attempts() - before
}

#[test]
fn a_policy_takes_effect_changes_and_goes_with_its_file() {
    let rig = rig();
    assert_eq!(attempts(&rig), 1);
    rig.apply(SEED_POLICY, &policy(2, "0.01")).unwrap();
    assert_eq!(attempts(&rig), 3);
    rig.apply(SEED_POLICY, &policy(1, "0.01")).unwrap();
    assert_eq!(attempts(&rig), 2);

    let before = rig.generation().unwrap();
    std::fs::remove_file(rig.manifests().join(SEED_POLICY)).unwrap();
    rig.await_generation_after(before).unwrap();
    assert_eq!(attempts(&rig), 1);
}

#[test]
fn edits_under_load_lose_no_request() {
    const EDITS: u8 = 20;
    let rig = rig();
    let ((), outcome) = load::during(rig.address(), "/echo", 4, || {
        for edit in 0..EDITS {
            rig.apply(SEED_POLICY, &policy(1 + edit % 2, "0.01")).unwrap();
        }
    });
    assert_eq!(outcome.errors, Vec::<String>::new());
    assert_eq!(outcome.statuses.keys().copied().collect::<Vec<_>>(), [200]);
    assert!(outcome.requests() > usize::from(EDITS), "the load was there");
}

#[test]
fn s88_a_request_that_waits_for_its_retry_keeps_its_policy() {
    let rig = rig();
    rig.apply(SEED_POLICY, &policy(2, "2")).unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| attempts_of_the_running_request(&rig));
        poll(CHANGE_MAX, || (rig.backend.attempts() == 1).then_some(())).expect("the first attempt");
        rig.apply(SEED_POLICY, &policy(0, "2")).unwrap();
        assert_eq!(rig.backend.attempts(), 1, "the change came within the first backoff");
        assert_eq!(running.join().unwrap(), 503);
    });
    assert_eq!(rig.backend.attempts(), 3, "the running request made both of its retries");
    assert_eq!(attempts(&rig), 1, "the next one makes none");
}

fn attempts_of_the_running_request(rig: &Rig) -> u16 {
    Connection::open(rig.address()).unwrap().get(FAILING).unwrap().status
}

/// Breaks the policy's file and waits until that is reported, at `line` and with `words`, and changes nothing.
#[track_caller]
fn check_a_mistake(broken: &str, line: usize, words: &str) {
    let rig = rig();
    rig.apply(SEED_POLICY, &policy(2, "0.01")).unwrap();
    let generation = rig.generation().unwrap();

    rig.put(SEED_POLICY, broken).unwrap();
    let place = format!("{}:{line}: ", rig.manifests().join(SEED_POLICY).display());
    let reported = |text: &str| text.lines().any(|line| line.contains(&place) && line.contains(words));
    let found = poll(CHANGE_MAX, || (reported(&rig.log()) && reported(&rig.status())).then_some(()));
    assert!(found.is_some(), "no `{place}` with `{words}` in\n{}\n{}", rig.log(), rig.status());
    assert_eq!(attempts(&rig), 3, "the last good policy is in effect");
    assert_eq!(rig.generation().unwrap(), generation);

    rig.apply(SEED_POLICY, &policy(1, "0.01")).unwrap();
    assert_eq!(attempts(&rig), 2, "the mended file is in effect");
}

#[test]
fn a_file_that_is_not_yaml_changes_nothing_and_is_reported_with_its_line() {
    check_a_mistake("apiVersion: gateway.flomesh.io/v1alpha1\nkind: [RetryPolicy\n", 2, "");
}

#[test]
fn an_invalid_policy_changes_nothing_and_is_reported_with_its_line_and_path() {
    let broken = policy(2, "0.01").replace("- 5xx", "- 6xx");
    let line = 1 + broken.lines().position(|line| line.contains("6xx")).unwrap();
    check_a_mistake(&broken, line, "spec.ports[0].config.retryOn[0]");
}

#[test]
fn an_edit_is_in_effect_long_before_a_user_looks() {
    let rig = rig();
    rig.apply(SEED_POLICY, &policy(1, "0.01")).unwrap();
    let before = rig.generation().unwrap();
    let renamed = rig.put(SEED_POLICY, &policy(2, "0.01")).unwrap();
    rig.await_generation_after(before).unwrap();
    // A debug build beside other tests; the promised 100 ms are measured by `cargo xtask bench reload`.
    assert!(renamed.elapsed() < Duration::from_secs(5), "{:?}", renamed.elapsed());
}

#[test]
fn an_operator_that_is_killed_leaves_no_data_plane_behind() {
    let rig = rig();
    rig.kill_operator().unwrap();
    poll(CHANGE_MAX, || TcpStream::connect(rig.address()).is_err().then_some(())).expect("still listening");
}
