//! What two lists of statuses do not have in common, found without looking at what they say. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::document::ObjectStatus;
use crate::live::Id;
use crate::live::kind::Kind;

/// The statuses that were not at the same place in the last list, and the objects that only that spoke about.
pub(super) fn difference(
    last: &[Arc<ObjectStatus>],
    now: &[Arc<ObjectStatus>],
) -> (Vec<(Id, Arc<ObjectStatus>)>, BTreeSet<Id>) {
    let is_other = |a: Option<&Arc<_>>, b: &Arc<_>| a.is_none_or(|a| !Arc::ptr_eq(a, b));
    let before = last.iter().enumerate().filter(|(at, it)| is_other(now.get(*at), it));
    let mut gone: BTreeSet<_> = before.filter_map(|(_, status)| id(status)).collect();
    let others = now.iter().enumerate().filter(|(at, it)| is_other(last.get(*at), it));
    let turned: Vec<_> = others.filter_map(|(_, it)| Some((id(it)?, it.clone()))).collect();
    for (id, _) in &turned {
        gone.remove(id);
    }
    (turned, gone)
}

/// The object that a status is of; none: it is of no kind that is written.
pub(super) fn id(status: &ObjectStatus) -> Option<Id> {
    let kind = Kind::of(status.api_version, status.kind)?;
    let metadata = &status.metadata;
    Some(Id { kind, namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::document::{Metadata, Status};

    fn status(name: &str) -> Arc<ObjectStatus> {
        let metadata = Metadata { namespace: Some("default".into()), name: name.into() };
        let (api_version, kind) = ("gateway.networking.k8s.io/v1", "HTTPRoute");
        Arc::new(ObjectStatus { api_version, kind, metadata, status: Status::Route { parents: Vec::new() } })
    }

    #[test]
    fn only_what_is_another_value_or_at_another_place_is_looked_at_and_what_is_gone_is_told() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(status);
        let of = |last: &[&Arc<ObjectStatus>], now: &[&Arc<ObjectStatus>]| {
            let [last, now] = [last, now].map(|list| list.iter().copied().cloned().collect::<Vec<_>>());
            let (turned, gone) = difference(&last, &now);
            let names = |ids: Vec<Id>| ids.into_iter().map(|id| id.name).collect::<String>();
            (names(turned.into_iter().map(|(id, _)| id).collect()), names(gone.into_iter().collect()))
        };
        let expected = |turned: &str, gone: &str| (turned.to_owned(), gone.to_owned());
        assert_eq!(of(&[&a, &b, &c], &[&a, &b, &c]), expected("", ""));
        assert_eq!(of(&[&a, &b, &c], &[&a, &status("b"), &c]), expected("b", ""));
        assert_eq!(of(&[&a, &b, &c], &[&a, &d, &c]), expected("d", "b"));
        assert_eq!(of(&[&a, &b, &c], &[&a, &c]), expected("c", "b"));
        assert_eq!(of(&[&a, &c], &[&a, &b, &c]), expected("bc", ""));
        assert_eq!(of(&[&a], &[]), expected("", "a"));
    }
}
