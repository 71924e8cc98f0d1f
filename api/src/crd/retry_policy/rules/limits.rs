//! Timeouts, methods, and the bytes kept for replay.

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::read_duration;
use crate::crd::retry_policy::layers::{Found, Layers};
use crate::name::is_token;
use crate::policy::byte_count;
use crate::policy::duration::format;
use crate::policy::retry::{REPLAY_DEFAULT_BYTES, REPLAY_LIMIT_BYTES};
use crate::violation::{Reason, Violation};

/// `perTryTimeout` and `totalTimeout`; `0s` switches either off (GEP-1742).
pub(super) fn timeouts(
    layers: &Layers<'_>,
    found: &mut Vec<Violation>,
) -> (Option<Duration>, Option<Duration>) {
    let per_try = layers.pick("perTryTimeout", |config| config.per_try_timeout.as_ref());
    let per_try = read_duration(per_try, found).filter(|written| !written.value.is_zero());
    let total = layers.pick("totalTimeout", |config| config.total_timeout.as_ref());
    let total = read_duration(total, found).filter(|written| !written.value.is_zero());
    if let (Some(per_try), Some(total)) = (&per_try, &total)
        && per_try.value > total.value
    {
        let (one, all) = (format(per_try.value), format(total.value));
        let message =
            format!("one attempt may take {one}, longer than all of them together: `totalTimeout` is {all}");
        found.push(Violation::new(&per_try.path, Reason::Conflict, message));
    }
    (per_try.map(|written| written.value), total.map(|written| written.value))
}

/// `methods`, each a token (RFC 9110 9.1).
pub(super) fn methods(layers: &Layers<'_>, found: &mut Vec<Violation>) -> Vec<String> {
    let Some(list) = layers.pick("methods", |config| config.methods.as_ref()) else { return Vec::new() };
    let mut seen = HashSet::new();
    for (index, method) in list.value.iter().enumerate() {
        let path = format!("{}[{index}]", list.path);
        if !seen.insert(method) {
            found.push(Violation::new(
                path,
                Reason::Duplicate,
                format!("`{method}` stands in the list twice"),
            ));
        } else if !is_token(method) {
            found.push(Violation::new(path, Reason::Invalid, format!("`{method}` is not a method")));
        }
    }
    list.value.clone()
}

/// `requestBody.maxBufferedBytes`, 0 to [`REPLAY_LIMIT_BYTES`].
pub(super) fn replay(layers: &Layers<'_>, found: &mut Vec<Violation>) -> u32 {
    let written = layers.pick("requestBody.maxBufferedBytes", |config| {
        config.request_body.as_ref()?.max_buffered_bytes.as_ref()
    });
    let Some(Found { path, value }) = written else { return REPLAY_DEFAULT_BYTES };
    let text = match value {
        IntOrString::Int(bytes) => bytes.to_string(),
        IntOrString::String(text) => text.clone(),
    };
    let violation = match byte_count::parse(&text) {
        Err(bad) => Violation::new(path, Reason::Invalid, format!("`{text}` {bad}")),
        Ok(bytes) => match u32::try_from(bytes).ok().filter(|bytes| *bytes <= REPLAY_LIMIT_BYTES) {
            Some(bytes) => return bytes,
            None => Violation::new(path, Reason::OutOfRange, format!("`{text}` is more than 16Mi")),
        },
    };
    found.push(violation);
    REPLAY_DEFAULT_BYTES
}
