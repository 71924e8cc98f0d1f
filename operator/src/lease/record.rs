//! What the record of a lease means to one candidate: whether to create it, take it, renew it or leave it alone.
//!
//! Pure: the moment is handed in. Absent: the clocks of others. A record counts as expired only when this process
//! has looked at it, unchanged, for a whole lease; what its `renewTime` says is for people.

use std::time::Instant;

use super::Timing;

/// The parts of a Lease object that decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// `metadata.resourceVersion`: changes with every write, whoever writes.
    pub(super) version: String,
    /// `spec.holderIdentity`; `None` when it is absent or empty.
    pub(super) holder: Option<String>,
}

/// A record, and since when this process has seen it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    record: Record,
    /// Taken after the answer had arrived, so that it is never earlier than the write.
    since: Instant,
}

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Unlike that of any other process.
    pub(super) identity: &'a str,
    /// When its last successful write was sent.
    pub(super) renewed: Option<Instant>,
    /// The timing that all candidates agree on.
    pub(super) timing: Timing,
}

/// What a candidate does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no record: write one.
    Create,
    /// Nobody holds the lease, or its holder has been silent for too long: write our name.
    Take,
    /// We hold the lease, and it is time to say so again.
    Renew,
    /// We hold the lease, and said so lately.
    Hold,
    /// Somebody else holds the lease.
    Wait,
}

impl Seen {
    /// The record as it is at `now`, with what was seen before.
    pub(super) fn update(before: Option<Self>, record: Record, now: Instant) -> Self {
        match before {
            Some(before) if before.record == record => before,
            _ => Self { record, since: now },
        }
    }
}

/// The next step of a candidate at `now`.
pub(super) fn decide(seen: Option<&Seen>, me: &Candidate<'_>, now: Instant) -> Step {
    let Some(Seen { record, since }) = seen else { return Step::Create };
    let past = |moment: Instant, wait| now.saturating_duration_since(moment) >= wait;
    match record.holder.as_deref() {
        None => Step::Take,
        Some(holder) if holder == me.identity => {
            // A renewal whose answer was lost does not count: others saw it, we did not.
            let is_due = me.renewed.is_none_or(|renewed| past(renewed, me.timing.renew_every));
            if is_due { Step::Renew } else { Step::Hold }
        }
        Some(_) if past(*since, me.timing.lease) => Step::Take,
        Some(_) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMING: Timing = Timing::PRODUCTION;

    fn record(holder: Option<&str>, version: &str) -> Record {
        Record { version: version.into(), holder: holder.map(Into::into) }
    }

    fn me(renewed: Option<Instant>) -> Candidate<'static> {
        Candidate { identity: "me", renewed, timing: TIMING }
    }

    #[track_caller]
    fn check(holder: Option<&str>, unchanged_for: Duration, expected: Step) {
        let since = Instant::now();
        let seen = Seen::update(None, record(holder, "1"), since);
        assert_eq!(decide(Some(&seen), &me(Some(since)), since + unchanged_for), expected);
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_lease_that_does_not_exist_is_created() {
        assert_eq!(decide(None, &me(None), Instant::now()), Step::Create);
    }

    #[test]
    fn a_lease_that_was_released_is_taken_at_once() {
        check(None, Duration::ZERO, Step::Take);
    }

    #[test]
    fn the_lease_of_somebody_else_is_taken_only_after_a_whole_lease_of_silence() {
        check(Some("other"), Duration::ZERO, Step::Wait);
        check(Some("other"), TIMING.lease - MOMENT, Step::Wait);
        check(Some("other"), TIMING.lease, Step::Take);
    }

    #[test]
    fn a_lease_of_ours_is_renewed_when_it_is_time() {
        check(Some("me"), TIMING.renew_every - MOMENT, Step::Hold);
        check(Some("me"), TIMING.renew_every, Step::Renew);
        check(Some("me"), TIMING.lease * 2, Step::Renew);
    }

    #[test]
    fn a_renewal_whose_answer_was_lost_is_made_good_at_once() {
        let now = Instant::now();
        let seen = Seen::update(None, record(Some("me"), "2"), now);
        assert_eq!(decide(Some(&seen), &me(None), now), Step::Renew);
    }

    #[test]
    fn any_write_starts_the_silence_anew() {
        let start = Instant::now();
        let seen = Seen::update(None, record(Some("other"), "1"), start);
        let same = Seen::update(Some(seen.clone()), record(Some("other"), "1"), start + TIMING.lease);
        assert_eq!(same, seen);
        let renewed = Seen::update(Some(seen), record(Some("other"), "2"), start + TIMING.lease);
        assert_eq!(decide(Some(&renewed), &me(None), start + TIMING.lease), Step::Wait);
    }
}
