//! The attempt loop against a backend and a clock that exist only here: no runtime, no waiting.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rebound_api::config::retry::{Backoff, Budget as BudgetRules, Jitter, NonIdempotent};

use super::*;
use crate::clock;

const GET: Request<'static> =
    Request { method: "GET", idempotent: true, has_idempotency_key: false, nested: false };
const POST: Request<'static> = Request { method: "POST", idempotent: false, ..GET };

/// How one attempt goes.
#[derive(Debug, Clone, Copy)]
struct Step {
    takes: Duration,
    ends: Result<u16, Failure>,
}

/// A backend that answers from a list and repeats its last answer, in a time that passes only in here.
struct Fake {
    start: Instant,
    now: Cell<Instant>,
    steps: RefCell<VecDeque<Step>>,
    /// When each attempt began, since the start.
    began: RefCell<Vec<Duration>>,
    /// The retries that were announced.
    scheduled: RefCell<Vec<(Ended, Pause)>>,
    /// Asked for one more payment whenever a retry is announced; it must refuse.
    spent: OnceCell<Budget>,
    kept: Cell<Option<(u16, u32)>>,
    discarding_takes: Cell<Duration>,
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn answers(status: u16) -> Step {
    Step { takes: Duration::ZERO, ends: Ok(status) }
}

fn fails(failure: Failure) -> Step {
    Step { takes: Duration::ZERO, ends: Err(failure) }
}

impl Step {
    fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }
}

impl Fake {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let start = clock::now();
        Self {
            start,
            now: Cell::new(start),
            steps: RefCell::new(steps.into_iter().collect()),
            began: RefCell::default(),
            scheduled: RefCell::default(),
            spent: OnceCell::new(),
            kept: Cell::new(None),
            discarding_takes: Cell::new(Duration::ZERO),
        }
    }

    fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    fn elapsed(&self) -> Duration {
        self.now.get() - self.start
    }

    fn step(&self) -> Step {
        let mut steps = self.steps.borrow_mut();
        if steps.len() > 1 { steps.pop_front().unwrap() } else { *steps.front().unwrap() }
    }
}

impl Clock for Fake {
    fn now(&self) -> Instant {
        self.now.get()
    }

    async fn sleep_until(&self, deadline: Instant) {
        self.now.set(self.now.get().max(deadline));
    }
}

impl Upstream for &Fake {
    /// The number of the attempt that it comes from.
    type Response = u32;

    async fn attempt(&mut self, number: u32, limit: Option<Instant>) -> Outcome<u32> {
        self.began.borrow_mut().push(self.elapsed());
        let Step { takes, ends } = self.step();
        let end = self.now.get() + takes;
        if let Some(limit) = limit.filter(|limit| *limit < end) {
            self.now.set(limit);
            return Outcome::Failed(Failure::PerTryTimeout);
        }
        self.now.set(end);
        match ends {
            Ok(status) => Outcome::Response { status, request_sent: true, response: number },
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn replay(&self) -> Replay {
        Replay::Possible
    }

    fn ended(&mut self, _: Ended, _: Instant) {}

    fn scheduled(&mut self, ended: Ended, pause: Pause) {
        self.scheduled.borrow_mut().push((ended, pause));
        let affords = self.spent.get().is_some_and(|budget| budget.withdraw(self.now.get()));
        assert!(!affords, "a second request could still be scheduled");
    }

    fn discard(&mut self, status: u16, response: u32) {
        self.pass(self.discarding_takes.get());
        self.kept.set(Some((status, response)));
    }

    async fn recall(&mut self, _: Option<Instant>) -> Option<(u16, u32)> {
        self.kept.take()
    }
}

/// Waits 100, 200, 400, 800, 1000 ms.
fn rules(retries_max: u8) -> Retry {
    Retry {
        origin: "server/policy".parse().unwrap(),
        dry_run: false,
        on: vec![[500, 599]],
        on_reset: true,
        on_per_try_timeout: true,
        on_invalid_response: false,
        retries_max,
        backoff: Backoff { base_us: 100_000, max_us: 1_000_000, multiplier: 2, jitter: Jitter::None },
        per_try_timeout_ms: None,
        total_timeout_ms: None,
        non_idempotent: NonIdempotent::UnsentOnly,
        methods: vec![],
        replay_max_bytes: 64 * 1024,
        avoid_tried: true,
        suppress_nested: true,
        attempt_header_request: true,
        attempt_header_response: false,
    }
}

fn call<'a>(request: Request<'a>, rules: Option<&'a Retry>) -> Call<'a> {
    Call { request, rules, budget: None, deadline: None }
}

fn until(fake: &Fake, end: Duration, source: DeadlineSource) -> Option<Deadline> {
    Some(Deadline { at: fake.start + end, source })
}

/// Every future in here is ready when it is asked.
fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing in here waits"),
    }
}

fn run(call: &Call<'_>, fake: &Fake) -> Finished<u32> {
    block_on(attempts(call, &mut &*fake, fake, || 0.5))
}

/// What the client gets: a status and the attempt that it comes from, or a failure.
fn result(finished: &Finished<u32>) -> Result<(u16, u32), Failure> {
    match &finished.outcome {
        Outcome::Response { status, response, .. } => Ok((*status, *response)),
        Outcome::Failed(failure) => Err(*failure),
    }
}

#[track_caller]
fn check(
    call: &Call<'_>,
    steps: impl IntoIterator<Item = Step>,
    attempts: u32,
    expected: Result<(u16, u32), Failure>,
    reason: Reason,
) {
    let finished = run(call, &Fake::new(steps));
    assert_eq!((finished.attempts, result(&finished), finished.reason), (attempts, expected, reason));
}

#[test]
fn s11_a_post_that_was_sent_the_second_time_stops_there() {
    let steps = [fails(Failure::Connect), fails(Failure::Reset), answers(200)];
    check(&call(POST, Some(&rules(5))), steps, 2, Err(Failure::Reset), Reason::MethodUnsafe);
}

#[test]
fn s12_without_a_policy_what_was_never_sent_is_repeated_once() {
    let refused = [fails(Failure::Connect)];
    check(&call(POST, None), refused, 2, Err(Failure::Connect), Reason::Disabled);
    let rescued = [fails(Failure::Connect), answers(200)];
    check(&call(POST, None), rescued, 2, Ok((200, 2)), Reason::Success);
    let mixed = [fails(Failure::Stale), fails(Failure::Connect), answers(200)];
    check(&call(GET, None), mixed, 2, Err(Failure::Connect), Reason::Disabled);
}

#[test]
fn s18_the_last_answer_is_returned() {
    let steps = [answers(503), answers(502), answers(500)];
    check(&call(GET, Some(&rules(2))), steps, 3, Ok((500, 3)), Reason::Exhausted);
}

#[test]
fn s18_the_last_answer_is_returned_even_if_nobody_answered_after_it() {
    let steps = [answers(503), answers(500), fails(Failure::Reset)];
    check(&call(GET, Some(&rules(2))), steps, 3, Ok((500, 2)), Reason::Exhausted);
}

#[test]
fn s19_when_nobody_can_be_reached_it_is_503() {
    let finished = run(&call(GET, Some(&rules(3))), &Fake::new([fails(Failure::Connect)]));
    assert_eq!((finished.attempts, finished.reason), (5, Reason::Exhausted));
    assert_eq!(result(&finished).map_err(Failure::status), Err(503));
}

#[test]
fn s20_when_every_attempt_takes_too_long_it_is_504() {
    let finished = run(&call(GET, Some(&rules(3))), &Fake::new([fails(Failure::PerTryTimeout)]));
    assert_eq!((finished.attempts, finished.reason), (4, Reason::Exhausted));
    assert_eq!(result(&finished).map_err(Failure::status), Err(504));
}

#[test]
fn s29_n_retries_are_n_plus_one_attempts() {
    for retries in 1..=10 {
        let attempts = u32::from(retries) + 1;
        check(
            &call(GET, Some(&rules(retries))),
            [answers(503)],
            attempts,
            Ok((503, attempts)),
            Reason::Exhausted,
        );
    }
}

#[test]
fn s30_no_retries_are_one_attempt() {
    check(&call(GET, Some(&rules(0))), [answers(503)], 1, Ok((503, 1)), Reason::Disabled);
}

#[test]
fn s31_the_free_repetition_takes_nothing_from_the_count() {
    let steps = [fails(Failure::Connect), answers(503)];
    check(&call(GET, Some(&rules(2))), steps, 4, Ok((503, 4)), Reason::Exhausted);
}

#[test]
fn s31_the_free_repetition_takes_nothing_from_the_budget_and_does_not_wait() {
    let fake = Fake::new([fails(Failure::Connect), answers(503)]);
    let budget = Budget::new(floor(1), fake.start);
    let rules = rules(5);
    let finished = run(&Call { budget: Some(&budget), ..call(GET, Some(&rules)) }, &fake);
    assert_eq!((finished.attempts, finished.reason), (3, Reason::Budget));
    assert_eq!(*fake.began.borrow(), [ms(0), ms(0), ms(100)]);
}

#[test]
fn s32_the_deadline_ends_an_attempt_in_flight() {
    let fake = Fake::new([answers(503).taking(ms(300)), answers(200).taking(ms(10_000))]);
    let rules = rules(5);
    let deadline = until(&fake, ms(1_000), DeadlineSource::Route);
    let finished = run(&Call { deadline, ..call(GET, Some(&rules)) }, &fake);
    assert_eq!(result(&finished), Err(Failure::Deadline));
    assert_eq!((finished.attempts, finished.reason, fake.elapsed()), (2, Reason::Deadline, ms(1_000)));
}

#[test]
fn s32_the_deadline_of_a_policy_leaves_the_last_answer() {
    let fake = Fake::new([answers(503).taking(ms(300)), answers(200).taking(ms(10_000))]);
    let rules = rules(5);
    let deadline = until(&fake, ms(1_000), DeadlineSource::Policy);
    let finished = run(&Call { deadline, ..call(GET, Some(&rules)) }, &fake);
    assert_eq!((result(&finished), fake.elapsed()), (Ok((503, 1)), ms(1_000)));
    check_deadline_without_answer(DeadlineSource::Policy);
    check_deadline_without_answer(DeadlineSource::Route);
}

#[track_caller]
fn check_deadline_without_answer(source: DeadlineSource) {
    let fake = Fake::new([answers(200).taking(ms(10_000))]);
    let finished = run(&Call { deadline: until(&fake, ms(1_000), source), ..call(GET, None) }, &fake);
    assert_eq!(result(&finished).map_err(Failure::status), Err(504));
}

#[test]
fn s33_a_wait_that_would_end_after_the_deadline_is_not_begun() {
    // Attempts at 0, 150 and 400 ms; the next would begin at 850 ms.
    for (source, expected) in
        [(DeadlineSource::Route, Err(Failure::Deadline)), (DeadlineSource::Policy, Ok((503, 3)))]
    {
        let fake = Fake::new([answers(503).taking(ms(50))]);
        let rules = rules(5);
        let deadline = until(&fake, ms(849), source);
        let finished = run(&Call { deadline, ..call(GET, Some(&rules)) }, &fake);
        assert_eq!((result(&finished), finished.reason), (expected, Reason::Deadline));
        assert_eq!((finished.attempts, fake.elapsed()), (3, ms(450)), "the client waited for nothing");
    }
}

#[test]
fn s33_the_route_says_504_also_when_nobody_answered() {
    let fake = Fake::new([answers(503), fails(Failure::Connect)]);
    let rules = Retry { retries_max: 10, ..rules(0) };
    let deadline = until(&fake, ms(250), DeadlineSource::Route);
    let finished = run(&Call { deadline, ..call(GET, Some(&rules)) }, &fake);
    assert_eq!(result(&finished).map_err(Failure::status), Err(504));
}

#[test]
fn s42_waits_double_up_to_the_cap_for_as_many_retries_as_there_may_be() {
    let fake = Fake::new([answers(503)]);
    run(&call(GET, Some(&rules(10))), &fake);
    let began = fake.began.borrow();
    let waits: Vec<_> = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let expected = [100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000].map(ms);
    assert_eq!(waits, expected);
}

#[test]
fn s43_a_wait_begins_with_the_end_of_the_failed_attempt() {
    let fake = Fake::new([answers(503).taking(ms(70))]);
    fake.discarding_takes.set(ms(40));
    run(&call(GET, Some(&rules(2))), &fake);
    assert_eq!(*fake.began.borrow(), [ms(0), ms(170), ms(440)]);
}

#[test]
fn s43_without_a_policy_nothing_waits() {
    let fake = Fake::new([fails(Failure::Stale), answers(200)]);
    run(&call(GET, None), &fake);
    assert_eq!(fake.elapsed(), Duration::ZERO);
}

/// No share of the traffic, but so many retries.
fn floor(count: u32) -> BudgetRules {
    BudgetRules { percent: 0, interval_ms: 10_000, floor_count: count, floor_interval_ms: 1_000 }
}

#[test]
fn s51_over_budget_the_client_gets_the_answer_of_the_backend() {
    let fake = Fake::new([answers(503), answers(500)]);
    let budget = Budget::new(floor(1), fake.start);
    let rules = rules(5);
    let finished = run(&Call { budget: Some(&budget), ..call(GET, Some(&rules)) }, &fake);
    assert_eq!((result(&finished), finished.reason), (Ok((500, 2)), Reason::Budget));
}

#[test]
fn s51_over_budget_and_without_an_answer_it_is_503() {
    let fake = Fake::new([fails(Failure::Connect)]);
    let budget = Budget::new(floor(0), fake.start);
    let rules = rules(5);
    let finished = run(&Call { budget: Some(&budget), ..call(GET, Some(&rules)) }, &fake);
    assert_eq!((result(&finished).map_err(Failure::status), finished.reason), (Err(503), Reason::Budget));
}

#[test]
fn s52_every_retry_of_a_request_is_paid_for() {
    let fake = Fake::new([answers(503)]);
    let budget = Budget::new(floor(3), fake.start);
    let rules = Retry {
        backoff: Backoff { base_us: 1, max_us: 1, multiplier: 1, jitter: Jitter::None },
        ..rules(10)
    };
    let finished = run(&Call { budget: Some(&budget), ..call(GET, Some(&rules)) }, &fake);
    assert_eq!((finished.attempts, finished.reason), (4, Reason::Budget));
}

#[test]
fn s54_a_retry_is_paid_for_before_its_wait() {
    let fake = Fake::new([answers(503), answers(200)]);
    let budget = fake.spent.get_or_init(|| Budget::new(floor(1), fake.start));
    let rules = rules(5);
    run(&Call { budget: Some(budget), ..call(GET, Some(&rules)) }, &fake);
    let waited = Pause { delay: ms(100), source: Source::Backoff };
    let ended = Ended::Status { code: 503, request_sent: true };
    assert_eq!(*fake.scheduled.borrow(), [(ended, waited)]);
}

#[test]
fn s53_s57_under_total_failure_the_load_is_the_traffic_plus_the_budget() {
    const REQUESTS: usize = 6_000;
    const SHARE: f64 = 0.2;
    const FLOOR_PER_SECOND: f64 = 10.0;
    let fake = Fake::new([answers(503)]);
    let terms = BudgetRules { percent: 20, interval_ms: 10_000, floor_count: 10, floor_interval_ms: 1_000 };
    let budget = Budget::new(terms, fake.start);
    let rules =
        Retry { backoff: Backoff { base_us: 1, max_us: 1, multiplier: 1, jitter: Jitter::None }, ..rules(5) };
    let call = Call { budget: Some(&budget), ..call(GET, Some(&rules)) };
    let mut retries = Vec::new();
    for _ in 0..REQUESTS {
        let before = fake.began.borrow().len();
        run(&call, &fake);
        retries.extend_from_slice(&fake.began.borrow()[before + 1..]);
        fake.pass(ms(10));
    }
    let seconds = fake.elapsed().as_secs_f64();
    let offered = REQUESTS as f64;
    let load = fake.began.borrow().len() as f64;
    assert!(
        load <= offered * (1.0 + SHARE) + FLOOR_PER_SECOND * seconds,
        "{load} for {offered} in {seconds} s"
    );
    assert!(load >= offered * (1.0 + 0.9 * SHARE), "the budget was not used: {load} for {offered}");
    check_windows(&retries, 10.0, SHARE * 100.0 + FLOOR_PER_SECOND);
}

/// In every window of `seconds`, at most `rate` retries a second.
#[track_caller]
fn check_windows(retries: &[Duration], seconds: f64, rate: f64) {
    for (first, start) in retries.iter().enumerate() {
        let inside = retries[first..].iter().take_while(|at| (**at - *start).as_secs_f64() < seconds).count();
        assert!(inside as f64 <= rate * seconds, "{inside} retries in the window that begins at {start:?}");
    }
}
