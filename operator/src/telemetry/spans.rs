//! The spans of a trace: one list, so that names and fields are the same everywhere. A trace is one walk, one admission
//! review or one renewal of the lease.
//!
//! Fields are names of objects and words of ours. Absent: anything that is in an object, which could be a secret.

use std::time::Instant;

use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::metrics::{Metrics, Scope, Stage};

/// The root of the trace of one walk.
pub fn reconcile(scope: Scope) -> Span {
    info_span!("reconcile", scope = scope.name())
}

/// A stage of a walk.
pub fn of(stage: Stage) -> Span {
    match stage {
        Stage::Observe => info_span!("observe"),
        Stage::Validate => info_span!("validate"),
        Stage::Translate => info_span!("translate"),
        Stage::Build => info_span!("build"),
        Stage::Apply => info_span!("apply"),
        Stage::Status => info_span!("status"),
    }
}

/// Goes through a stage of a walk.
pub fn within<T>(stage: Stage, work: impl FnOnce() -> T) -> T {
    of(stage).in_scope(work)
}

/// One object that is written to the API server, within the stage `apply` or `status`.
pub fn write(kind: &str, namespace: &str, name: &str) -> Span {
    info_span!("write", kind, namespace, name)
}

/// The answer to an admission review. Record `result` when it is known.
pub fn review() -> Span {
    info_span!("admission review", result = Empty)
}

/// Goes through a stage of a walk, and keeps its time.
pub fn timed<T>(metrics: &Metrics, stage: Stage, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = within(stage, work);
    metrics.stage(stage, started.elapsed());
    done
}

/// The same for a stage that waits.
pub async fn timed_async<T>(metrics: &Metrics, stage: Stage, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let done = work.instrument(of(stage)).await;
    metrics.stage(stage, started.elapsed());
    done
}
