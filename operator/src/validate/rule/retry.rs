//! The `retry` of a rule (GEP-1731): `attempts` are retries, `backoff` is the shortest wait.

use std::time::Duration;

use rebound_api::crd::http_route::HttpRouteRetry;
use rebound_api::policy::backoff::{Backoff, CAP_DEFAULT_FACTOR, Jitter};
use rebound_api::policy::duration::DURATION_MAX;
use rebound_api::policy::retry::RETRIES_MAX;
use rebound_api::policy::status_set::{STATUS_MAX, STATUS_MIN, StatusSet};
use rebound_api::violation::Reason;

use super::parse_duration;
use crate::validate::RuleRetry;
use crate::validate::place::Place;

/// Retries of a rule that does not say (GEP-1731).
const ATTEMPTS_DEFAULT: u8 = 1;
/// The wait of a rule that names none.
const BACKOFF_DEFAULT: Duration = Duration::from_millis(25);
/// `backoff: 0s` asks for no wait; the backoff's base must be above zero.
const BACKOFF_MIN: Duration = Duration::from_micros(1);
/// Waits grow by this factor from one retry to the next.
const MULTIPLIER: u32 = 2;

pub(super) fn check(place: &mut Place<'_>, retry: &HttpRouteRetry) -> Option<RuleRetry> {
    place.unread(&retry.unread);
    let statuses = statuses(place, &retry.codes);
    let retries_max = attempts(&mut place.at("attempts"), retry.attempts);
    let backoff = backoff(&mut place.at("backoff"), retry.backoff.as_deref());
    Some(RuleRetry { statuses, retries_max, backoff: backoff? })
}

/// What is no status is told, and stays out of the set.
fn statuses(place: &mut Place<'_>, codes: &[i32]) -> StatusSet {
    let mut statuses = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        match u16::try_from(*code) {
            Ok(status) if (STATUS_MIN..=STATUS_MAX).contains(&status) => statuses.push((status, status)),
            _ => {
                let message = format!("{code} is not a status code from {STATUS_MIN} to {STATUS_MAX}");
                place.item("codes", index).wrong(message);
            }
        }
    }
    StatusSet::from_ranges(statuses)
}

fn attempts(place: &mut Place<'_>, attempts: Option<i32>) -> u8 {
    let Some(attempts) = attempts else { return ATTEMPTS_DEFAULT };
    place.ensure(attempts >= 0, || format!("{attempts} is below zero"));
    if attempts > i32::from(RETRIES_MAX) {
        let message = format!("{attempts} is above the limit; {RETRIES_MAX} retries are made");
        place.warn(Reason::OutOfRange, message);
    }
    u8::try_from(attempts.clamp(0, RETRIES_MAX.into())).unwrap_or(RETRIES_MAX)
}

fn backoff(place: &mut Place<'_>, text: Option<&str>) -> Option<Backoff> {
    let (base, jitter) = match text {
        Some(text) => (parse_duration(place, text)?, Jitter::Floor),
        None => (BACKOFF_DEFAULT, Jitter::Full),
    };
    let base = base.max(BACKOFF_MIN);
    let cap = base.saturating_mul(CAP_DEFAULT_FACTOR).min(DURATION_MAX);
    Backoff::new(base, cap, MULTIPLIER, jitter).map_err(|message| place.wrong(message)).ok()
}
