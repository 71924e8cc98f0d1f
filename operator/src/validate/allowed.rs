//! From which namespaces a listener lets routes in.

use std::collections::BTreeMap;

use rebound_api::crd::gateway::{
    AllowedRoutes, FromNamespaces, LabelOperator, LabelRequirement, LabelSelector, Listener,
};
use rebound_api::name::ObjectKey;

use super::place::Place;
use crate::observe::world::Surroundings;

/// The label that every namespace carries without being asked.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a route of `namespace` may attach to a listener of `gateway`.
pub(super) fn allows(
    around: &Surroundings,
    gateway: &ObjectKey,
    listener: &Listener,
    namespace: &str,
) -> bool {
    let namespaces = listener.allowed_routes.as_ref().and_then(|it| it.namespaces.as_ref());
    let from = namespaces.and_then(|it| it.from.as_ref()).unwrap_or(&FromNamespaces::Same);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => namespace == gateway.namespace(),
        FromNamespaces::Selector => {
            namespaces.and_then(|it| it.selector.as_ref()).is_some_and(|it| selects(around, it, namespace))
        }
        FromNamespaces::None | FromNamespaces::Unknown(_) => false,
    }
}

/// Tells about every part of `allowedRoutes` that has no effect.
pub(super) fn report(place: &mut Place<'_>, allowed: &AllowedRoutes) {
    place.unread(&allowed.unread);
    for (index, kind) in allowed.kinds.iter().enumerate() {
        place.item("kinds", index).unread(&kind.unread);
    }
    let Some(namespaces) = &allowed.namespaces else { return };
    let mut place = place.at("namespaces");
    place.unread(&namespaces.unread);
    let Some(selector) = &namespaces.selector else { return };
    let mut place = place.at("selector");
    place.unread(&selector.unread);
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        place.item("matchExpressions", index).unread(&requirement.unread);
    }
}

fn selects(around: &Surroundings, selector: &LabelSelector, namespace: &str) -> bool {
    let mut labels = around.namespaces.get(namespace).cloned().unwrap_or_default();
    labels.insert(NAME_LABEL.into(), namespace.into());
    let equal = selector.match_labels.iter().all(|(name, value)| labels.get(name) == Some(value));
    equal && selector.match_expressions.iter().all(|it| holds(it, &labels))
}

/// An operator that we do not know holds for nothing.
fn holds(requirement: &LabelRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.contains(value));
    match requirement.operator {
        LabelOperator::In => listed,
        LabelOperator::NotIn => !listed,
        LabelOperator::Exists => value.is_some(),
        LabelOperator::DoesNotExist => value.is_none(),
        LabelOperator::Unknown(_) => false,
    }
}
