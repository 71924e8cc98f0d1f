//! The wait between attempts.

use std::time::Duration;

use super::{inside, read_duration};
use crate::crd::retry_policy::config::Jitter;
use crate::crd::retry_policy::layers::Layers;
use crate::policy::backoff::{self, BASE_DEFAULT, BASE_MAX, BASE_MIN, Backoff, CAP_DEFAULT_FACTOR};
use crate::policy::backoff::{MULTIPLIER_DEFAULT, MULTIPLIER_MAX};
use crate::policy::duration;
use crate::violation::{Reason, Violation};

/// The backoff of a scope. A cap below the base is reported where the cap stands.
pub(super) fn of(layers: &Layers<'_>, found: &mut Vec<Violation>) -> Backoff {
    let base = layers.value(|config| config.backoff_base_interval).map_or(BASE_DEFAULT, seconds);
    let written = layers.pick("backoff.maxInterval", |config| config.backoff.as_ref()?.max_interval.as_ref());
    let written = read_duration(written, found);
    let max = written.as_ref().map_or(base * CAP_DEFAULT_FACTOR, |written| written.value);
    let multiplier = layers.value(|config| config.backoff.as_ref()?.multiplier);
    let multiplier = multiplier.map_or(MULTIPLIER_DEFAULT, |value| inside(value, 1, MULTIPLIER_MAX).into());
    let jitter = jitter(layers.value(|config| config.backoff.as_ref()?.jitter));
    Backoff::new(base, max, multiplier, jitter).unwrap_or_else(|problem| {
        let numbers = format!("{} is too short for {}s", duration::format(max), base.as_secs_f64());
        let path = written.map_or_else(|| layers.path().to_owned(), |written| written.path);
        found.push(Violation::new(path, Reason::Conflict, format!("{problem}: {numbers}")));
        Backoff::default()
    })
}

fn jitter(written: Option<Jitter>) -> backoff::Jitter {
    match written {
        None | Some(Jitter::Full) => backoff::Jitter::Full,
        Some(Jitter::Equal) => backoff::Jitter::Equal,
        Some(Jitter::None) => backoff::Jitter::None,
        Some(Jitter::Floor) => backoff::Jitter::Floor,
    }
}

/// Seconds as the user wrote them, brought inside the bounds that the schema has already complained about.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).map_or(BASE_MIN, |base| base.clamp(BASE_MIN, BASE_MAX))
}
