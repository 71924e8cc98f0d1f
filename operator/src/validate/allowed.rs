//! From which namespaces a listener lets routes in.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use rebound_api::crd::gateway::{FromNamespaces, Listener};
use rebound_api::name::ObjectKey;

use crate::observe::world::World;

/// The label that every namespace carries without being asked.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a route of `namespace` may attach to a listener of `gateway`.
pub(super) fn allows(world: &World, gateway: &ObjectKey, listener: &Listener, namespace: &str) -> bool {
    let namespaces = listener.allowed_routes.as_ref().and_then(|it| it.namespaces.as_ref());
    let from = namespaces.and_then(|it| it.from.as_ref()).unwrap_or(&FromNamespaces::Same);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => namespace == gateway.namespace(),
        FromNamespaces::Selector => {
            namespaces.and_then(|it| it.selector.as_ref()).is_some_and(|it| selects(world, it, namespace))
        }
        FromNamespaces::None | FromNamespaces::Unknown(_) => false,
    }
}

fn selects(world: &World, selector: &LabelSelector, namespace: &str) -> bool {
    let mut labels = world.namespaces.get(namespace).cloned().unwrap_or_default();
    labels.insert(NAME_LABEL.into(), namespace.into());
    let equal = selector.match_labels.iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    equal && selector.match_expressions.iter().flatten().all(|it| holds(it, &labels))
}

/// An operator that we do not know holds for nothing.
fn holds(requirement: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|it| it == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
