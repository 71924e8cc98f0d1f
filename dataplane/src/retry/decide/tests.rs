//! The decision, row by row. `GET` with a policy that retries `5xx` three times, unless a row says otherwise.

use rebound_api::config::retry::{Backoff, Jitter};

use super::*;

/// One row: everything that the decision depends on.
#[derive(Clone)]
struct Row {
    rules: Option<Retry>,
    method: &'static str,
    has_idempotency_key: bool,
    nested: bool,
    progress: Progress,
    ended: Ended,
    replay: Replay,
}

const FAILURES: [Failure; 10] = [
    Failure::NoEndpoint,
    Failure::Connect,
    Failure::ResetBeforeRequest,
    Failure::Stale,
    Failure::Reset,
    Failure::PerTryTimeout,
    Failure::Silence,
    Failure::InvalidResponse,
    Failure::Deadline,
    Failure::ClientGone,
];
const UNSENT: [Failure; 2] = [Failure::Connect, Failure::ResetBeforeRequest];
/// Failures after which a backend may have acted on the request.
const SENT: [Failure; 4] = [Failure::Stale, Failure::Reset, Failure::PerTryTimeout, Failure::InvalidResponse];

fn rules() -> Retry {
    Retry {
        origin: "server/policy".parse().unwrap(),
        dry_run: false,
        on: vec![[500, 599]],
        on_reset: true,
        on_per_try_timeout: true,
        on_invalid_response: true,
        retries_max: 3,
        backoff: Backoff { base_us: 1_000, max_us: 10_000, multiplier: 2, jitter: Jitter::Full },
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

fn row(ended: Ended) -> Row {
    Row {
        rules: Some(rules()),
        method: "GET",
        has_idempotency_key: false,
        nested: false,
        progress: Progress::default(),
        ended,
        replay: Replay::Possible,
    }
}

fn status(code: u16) -> Row {
    row(Ended::Status { code, request_sent: true })
}

/// The free repetition is spent already, so that what is left is the policy's business.
fn failed(failure: Failure) -> Row {
    row(Ended::Failed(failure)).after(0, true)
}

fn first_failed(failure: Failure) -> Row {
    row(Ended::Failed(failure))
}

impl Row {
    fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn without_policy(self) -> Self {
        Self { rules: None, ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut Retry)) -> Self {
        self.rules.as_mut().map(change).unwrap();
        self
    }

    fn after(self, retries_done: u8, transparent_used: bool) -> Self {
        Self { progress: Progress { retries_done, transparent_used }, ..self }
    }

    fn replayed(self, replay: Replay) -> Self {
        Self { replay, ..self }
    }

    /// The only line that knows the API.
    #[track_caller]
    fn gives(&self, expected: Decision) {
        let request = Request {
            method: self.method,
            idempotent: matches!(
                self.method,
                "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE" | "QUERY"
            ),
            has_idempotency_key: self.has_idempotency_key,
            nested: self.nested,
        };
        let decision = decide(self.rules.as_ref(), &request, self.progress, self.ended, self.replay);
        assert_eq!(decision, expected, "{} {:?}", self.method, self.ended);
    }

    #[track_caller]
    fn is_retried(&self) {
        self.gives(Decision::Retry);
    }

    #[track_caller]
    fn is_free(&self) {
        self.gives(Decision::RetryFree);
    }

    #[track_caller]
    fn ends(&self, reason: Reason) {
        self.gives(Decision::Finish(reason));
    }
}

#[test]
fn s01_what_may_have_been_acted_on_is_repeated_for_idempotent_methods_only() {
    for method in ["POST", "PATCH", "LOCK", "BREW", "get"] {
        SENT.iter().for_each(|failure| failed(*failure).by(method).ends(Reason::MethodUnsafe));
        status(503).by(method).ends(Reason::MethodUnsafe);
    }
}

#[test]
fn s02_idempotent_methods_are_repeated_whatever_was_sent() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"] {
        SENT.iter().for_each(|failure| failed(*failure).by(method).is_retried());
        status(503).by(method).is_retried();
    }
}

#[test]
fn s01_a_policy_may_vouch_for_other_methods() {
    let keyed = |row: Row| row.with(|rules| rules.non_idempotent = NonIdempotent::IdempotencyKey);
    keyed(status(503).by("POST")).ends(Reason::MethodUnsafe);
    Row { has_idempotency_key: true, ..keyed(status(503).by("POST")) }.is_retried();
    Row { has_idempotency_key: true, ..status(503).by("POST") }.ends(Reason::MethodUnsafe);
    status(503).by("POST").with(|rules| rules.non_idempotent = NonIdempotent::Always).is_retried();
}

#[test]
fn a_list_of_methods_narrows_and_never_widens() {
    let only = |row: Row, method: &str| row.with(|rules| rules.methods = vec![method.into()]);
    only(status(503), "PUT").ends(Reason::MethodUnsafe);
    only(status(503), "GET").is_retried();
    only(status(503), "get").ends(Reason::MethodUnsafe);
    only(status(503).by("POST"), "POST").ends(Reason::MethodUnsafe);
}

#[test]
fn s04_what_was_never_sent_is_repeated_for_every_method() {
    for method in ["GET", "POST", "PATCH", "BREW"] {
        UNSENT.iter().for_each(|failure| first_failed(*failure).by(method).is_free());
        UNSENT.iter().for_each(|failure| failed(*failure).by(method).is_retried());
    }
}

#[test]
fn s09_a_dead_pooled_connection_costs_idempotent_methods_nothing_and_ends_others() {
    first_failed(Failure::Stale).is_free();
    first_failed(Failure::Stale).without_policy().is_free();
    first_failed(Failure::Stale).by("POST").ends(Reason::MethodUnsafe);
    first_failed(Failure::Stale).by("POST").without_policy().ends(Reason::Disabled);
}

#[test]
fn s10_an_answer_that_is_not_http_may_have_been_acted_on() {
    failed(Failure::InvalidResponse).is_retried();
    failed(Failure::InvalidResponse).by("POST").ends(Reason::MethodUnsafe);
    failed(Failure::InvalidResponse)
        .with(|rules| rules.on_invalid_response = false)
        .ends(Reason::StatusNotListed);
}

#[test]
fn s11_the_proof_that_nothing_was_sent_holds_for_one_attempt() {
    first_failed(Failure::Connect).by("POST").is_free();
    row(Ended::Failed(Failure::Reset)).by("POST").after(0, true).ends(Reason::MethodUnsafe);
}

#[test]
fn s12_without_a_policy_there_is_one_repetition() {
    for failure in UNSENT {
        first_failed(failure).without_policy().is_free();
        failed(failure).without_policy().ends(Reason::Disabled);
    }
    failed(Failure::Stale).without_policy().ends(Reason::Disabled);
}

#[test]
fn s12_without_a_policy_an_answer_is_final() {
    status(503).without_policy().ends(Reason::Disabled);
    status(404).without_policy().ends(Reason::Disabled);
    status(200).without_policy().ends(Reason::Success);
    SENT[1..].iter().for_each(|failure| first_failed(*failure).without_policy().ends(Reason::Disabled));
}

#[test]
fn s23_only_listed_statuses_are_retried() {
    let listed = |code: u16| status(code).with(|rules| rules.on = vec![[429, 429], [502, 504]]);
    [429, 502, 503, 504].into_iter().for_each(|code| listed(code).is_retried());
    [400, 428, 430, 501, 505, 599].into_iter().for_each(|code| listed(code).ends(Reason::StatusNotListed));
}

#[test]
fn s24_the_class_5xx_is_500_to_599() {
    (500..600).for_each(|code| status(code).is_retried());
    (400..500).for_each(|code| status(code).ends(Reason::StatusNotListed));
    (200..400).for_each(|code| status(code).ends(Reason::Success));
}

#[test]
fn s25_a_failure_matches_by_its_cause_and_never_by_the_status_that_it_would_become() {
    let off = |failure| {
        failed(failure).with(|rules| {
            (rules.on_reset, rules.on_per_try_timeout, rules.on_invalid_response) = (false, false, false);
        })
    };
    SENT.into_iter().for_each(|failure| off(failure).ends(Reason::StatusNotListed));
    UNSENT.into_iter().for_each(|failure| off(failure).is_retried());
    let no_status = |failure| failed(failure).with(|rules| rules.on = vec![]);
    SENT.into_iter().for_each(|failure| no_status(failure).is_retried());
}

#[test]
fn s29_n_retries_are_n_and_not_more() {
    for retries_max in 1..=10 {
        let most = |done| status(503).with(|rules| rules.retries_max = retries_max).after(done, false);
        (0..retries_max).for_each(|done| most(done).is_retried());
        most(retries_max).ends(Reason::Exhausted);
    }
}

#[test]
fn s30_no_retries_means_none() {
    let none = |row: Row| row.with(|rules| rules.retries_max = 0);
    none(status(503)).ends(Reason::Disabled);
    SENT.into_iter().for_each(|failure| none(failed(failure)).ends(Reason::Disabled));
}

#[test]
fn s31_the_free_repetition_does_not_count() {
    first_failed(Failure::Connect).after(3, false).is_free();
    status(503).after(2, true).is_retried();
}

#[test]
fn s66_s67_a_body_that_outgrew_its_buffer_is_sent_once() {
    status(503).by("PUT").replayed(Replay::BodyTooLarge).ends(Reason::BodyTooLarge);
    first_failed(Failure::Stale).by("PUT").replayed(Replay::BodyTooLarge).ends(Reason::BodyTooLarge);
    first_failed(Failure::ResetBeforeRequest).replayed(Replay::BodyTooLarge).ends(Reason::BodyTooLarge);
}

#[test]
fn s68_an_answer_before_the_whole_request_is_final() {
    row(Ended::Status { code: 503, request_sent: false }).by("PUT").ends(Reason::Committed);
}

#[test]
fn s71_without_memory_for_replay_there_is_no_retry() {
    status(503).by("PUT").replayed(Replay::OutOfMemory).ends(Reason::Memory);
}

#[test]
fn s78_a_request_that_is_a_retry_already_is_only_ever_retried_less() {
    let nested = |row: Row| Row { nested: true, ..row };
    nested(status(503)).ends(Reason::Nested);
    nested(status(503)).with(|rules| rules.suppress_nested = false).is_retried();
    nested(status(404)).ends(Reason::StatusNotListed);
    nested(status(503).by("POST")).ends(Reason::MethodUnsafe);
}

#[test]
fn a_dry_run_only_counts_what_would_have_been_retried() {
    let dry = |row: Row| row.with(|rules| rules.dry_run = true);
    dry(status(503)).ends(Reason::DryRun);
    dry(status(503)).after(3, false).ends(Reason::Exhausted);
    dry(status(404)).ends(Reason::StatusNotListed);
    dry(first_failed(Failure::Connect)).is_free();
}

#[test]
fn some_ends_are_final_whatever_the_policy() {
    let finals = [
        (Failure::NoEndpoint, Reason::NoEndpoint),
        (Failure::Deadline, Reason::Deadline),
        (Failure::ClientGone, Reason::ClientGone),
    ];
    for (failure, reason) in finals {
        first_failed(failure).ends(reason);
        first_failed(failure).without_policy().ends(reason);
    }
    // Together with the tables above and the silence below, every failure has its row.
    assert_eq!(FAILURES.len(), finals.len() + UNSENT.len() + SENT.len() + 1);
}

#[test]
fn a_backend_that_was_waited_for_without_a_limit_is_never_waited_for_again() {
    for method in ["GET", "PUT", "POST"] {
        let silent = || first_failed(Failure::Silence).by(method);
        silent().ends(Reason::StatusNotListed);
        silent().with(|rules| rules.non_idempotent = NonIdempotent::Always).ends(Reason::StatusNotListed);
        silent().without_policy().ends(Reason::Disabled);
    }
    assert_eq!(Failure::Silence.status(), 504);
}

#[test]
fn reasons_are_numbered_in_the_order_of_their_list() {
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason.index(), index, "{}", reason.name());
    }
}
