//! Fields that this version does not act on. They must be right all the same, or the version that does act on them
//! would refuse policies that this one took.

use super::read_duration;
use crate::crd::retry_policy::layers::Layers;
use crate::name::is_token;
use crate::violation::{Reason, Violation};

/// Everything that is wrong with the dormant fields of a scope.
pub(super) fn check(layers: &Layers<'_>, found: &mut Vec<Violation>) {
    read_duration(layers.pick("retryAfter.maxDelay", |c| c.retry_after.as_ref()?.max_delay.as_ref()), found);
    let Some(list) = layers.pick("responseHeaders", |config| config.response_headers.as_ref()) else {
        return;
    };
    for (index, header) in list.value.iter().enumerate().filter(|(_, header)| !is_token(&header.name)) {
        let message = format!("`{}` is not the name of a header field", header.name);
        found.push(Violation::new(format!("{}[{index}].name", list.path), Reason::Invalid, message));
    }
}
