//! The promises of retrying, on the real binary.

mod support;

use support::TestEnv;
use support::backend::{Backend, Step};
use support::snapshot::{Verbs, retrying, serving};

#[test]
fn s24_s29_a_listed_status_is_retried_until_it_is_a_success() {
    let backend = Backend::answering([503, 500, 599].map(Step::Status));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)));
    let response = env.get("/echo?status=503:10");
    assert_eq!((response.status, response.text()), (200, "status 200"));
    assert_eq!(backend.attempts(), 4);
}
