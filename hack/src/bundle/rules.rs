//! The rules, each a function over a bundle, in the order in which a reader would look.

mod contents;
mod deployment;
mod identity;
mod kinds;
mod metadata;
mod permissions;
mod webhooks;

use super::fault::Finding;
use super::manifests::Bundle;

/// What one rule has to say about a bundle.
pub(super) type Rule = fn(&Bundle) -> Vec<Finding>;

pub(super) fn all() -> Vec<Rule> {
    let rooms: [&[Rule]; 7] = [
        metadata::RULES,
        contents::RULES,
        identity::RULES,
        kinds::RULES,
        deployment::RULES,
        permissions::RULES,
        webhooks::RULES,
    ];
    rooms.concat()
}

/// The values that are there more than once, each once.
fn repeated<T: PartialEq + Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    let mut repeated = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        } else if !repeated.contains(&value) {
            repeated.push(value);
        }
    }
    repeated
}
