//! What the data plane tells about its requests, read by others: OpenTelemetry's collector, and Python with the
//! published messages. The data plane is the real program; its backends answer from lists.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "the data plane's own tests use the rest of these files")]

#[path = "../../../dataplane/tests/support/backend.rs"]
mod backend;
#[path = "../../../dataplane/tests/support/payload.rs"]
mod payload;
#[path = "../../../dataplane/tests/support/snapshot.rs"]
mod snapshot;
#[path = "../../../dataplane/tests/support/wire.rs"]
mod wire;

mod attempts;
mod collectors;
mod context;
mod names;
mod sampling;
mod scene;
mod secrets;
mod tree;

use std::time::Duration;

/// Everything that is waited for happens by then, or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// Polls until the condition holds.
#[track_caller]
fn await_that(what: &str, mut condition: impl FnMut() -> bool) {
    let met = hack::rig::poll(DEADLINE, || condition().then_some(()));
    assert!(met.is_some(), "not in time: {what}");
}
