//! Everything at once: what holds whatever backends and clients do.

use std::collections::HashMap;

use rebound_api::config::retry::Retry;

use crate::support::backend::{Backend, Step, ok, refusing, response};
use crate::support::client::Client;
use crate::support::payload::{Digest, chunk};
use crate::support::snapshot::{Verbs, retrying, serving};
use crate::support::{Options, TestEnv};

const CLIENTS: usize = 4;
const REQUESTS: usize = 150;
const RETRIES: u8 = 4;

/// Half of the steps are good ones.
fn any_step(dice: &mut fastrand::Rng) -> Step {
    let half_an_answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec();
    let bad = [
        Step::Status(503),
        Step::Close,
        Step::Reset,
        Step::RawThenClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Step::RawThenClose(half_an_answer),
        Step::Raw([response(503, "discarded"), ok("poison")].concat()),
        Step::EarlyThenClose(response(500, "early")),
        Step::Hang,
    ];
    if dice.bool() { Step::Echo } else { bad[dice.usize(..bad.len())].clone() }
}

/// One request on a kept connection, or on a new one when that has ended. Whether it got a good answer.
fn ask(env: &TestEnv, kept: &mut Option<Client>, id: &str, dice: &mut fastrand::Rng) -> bool {
    let method = ["GET", "PUT", "POST"][dice.usize(..3)];
    let body: Vec<u8> = if method == "GET" { vec![] } else { id.repeat(dice.usize(..2_000)).into_bytes() };
    let chunked = dice.bool();
    let framing =
        if chunked { "transfer-encoding: chunked".into() } else { format!("content-length: {}", body.len()) };
    let expect = if dice.u8(..10) == 0 { "expect: 100-continue\r\n" } else { "" };
    let mut client = kept.take().unwrap_or_else(|| env.client());
    client.write(format!("{method} / HTTP/1.1\r\nhost: test\r\nx-id: {id}\r\n{expect}{framing}\r\n\r\n"));
    for piece in body.chunks(dice.usize(1..5_000)) {
        client.try_write(if chunked { chunk(piece) } else { piece.to_vec() });
    }
    if dice.u8(..20) == 0 {
        client.vanish();
        return false;
    }
    client.try_write(if chunked { "0\r\n\r\n" } else { "" });
    let answer = client.read_final(false);
    let good = answer.status == 200 && answer.complete;
    if good {
        assert_eq!(
            answer.text(),
            format!("{id}: {}", Digest::of([body])),
            "another answer, or to another body"
        );
    }
    assert!([200, 500, 502, 503, 504].contains(&answer.status), "{}", answer.status);
    *kept = Some(client).filter(|_| answer.complete && !answer.says_close());
    good
}

#[test]
fn s01_s29_whatever_happens_answers_belong_to_their_requests_and_posts_are_sent_once() {
    let mut dice = fastrand::Rng::with_seed(7);
    let backends = [(); 2]
        .map(|()| Backend::start((0..5_000).map(|_| any_step(&mut dice)).collect::<Vec<_>>(), Step::Echo));
    let refusing = refusing();
    let [one, two] = backends.each_ref().map(|backend| backend.address);
    let rules = Retry { per_try_timeout_ms: Some(100), on_invalid_response: true, ..retrying(RETRIES) };
    // Endpoints come and go as well.
    let snapshot = |generation: u64| {
        let all = [one, two, refusing].into_iter();
        let some = all.filter(|endpoint| *endpoint != two || !generation.is_multiple_of(3));
        serving(some).retried(rules.clone()).generation(generation)
    };
    let env = TestEnv::start_with(&snapshot(1), &Options { workers: 2, ..Options::default() });
    std::thread::scope(|scope| {
        let start = |client: usize| {
            let env = &env;
            scope.spawn(move || {
                let (mut dice, mut kept) = (fastrand::Rng::with_seed(client as u64), None);
                let good = (0..REQUESTS).filter(|n| ask(env, &mut kept, &format!("{client}-{n}"), &mut dice));
                assert!(good.count() > REQUESTS / 2);
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        let going_on = |_: &u64| !clients.iter().all(|client| client.is_finished());
        (2..).take_while(going_on).for_each(|generation| env.publish(&snapshot(generation)));
    });
    let mut times = HashMap::<(bool, String), usize>::new();
    for seen in backends.iter().flat_map(Backend::seen) {
        let is_post = seen.head.starts_with("POST ");
        *times.entry((is_post, seen.header("x-id").unwrap().to_owned())).or_default() += 1;
    }
    let most = |post: bool| times.iter().filter(|((is_post, _), _)| *is_post == post).map(|(_, n)| *n).max();
    assert_eq!(most(true), Some(1), "a POST was sent twice");
    assert!((2..=usize::from(RETRIES) + 2).contains(&most(false).unwrap()), "{:?}", most(false));
    env.await_metric("gateway_connections{side=\"client\"}", 0);
    env.await_metric("gateway_retry_replay_bytes", 0);
    assert_eq!(env.metric("gateway_panics_total"), 0);
}
