//! By which labels the objects of a Gateway are found (GEP-1762).

use std::collections::BTreeMap;

use super::names::{Names, label_value};
use crate::live::watch;
use crate::validate::AcceptedGateway;

/// Labels, or annotations.
pub type Map = BTreeMap<String, String>;

/// Who made an object.
pub const MANAGED_BY: (&str, &str) = (watch::MANAGED_BY, watch::OPERATOR);
/// What an object is a part of.
pub const NAME: (&str, &str) = ("app.kubernetes.io/name", "rebound");
/// Whose it is: the base of the names of a Gateway's objects.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The Gateway.
pub const GATEWAY: &str = "gateway.networking.k8s.io/gateway-name";
/// Its class.
pub const CLASS: &str = "gateway.networking.k8s.io/gateway-class-name";
/// On the traffic Service and on nothing else: users and the seed's page find it by this.
pub const TRAFFIC: (&str, &str) = ("app", "fsm-gateway");

/// The labels of every object of a Gateway: its own from `spec.infrastructure`, and ours, which it cannot replace.
pub fn all(gateway: &AcceptedGateway, names: &Names) -> Map {
    let mut labels = gateway.labels.clone();
    labels.extend(selector(names));
    labels.extend([
        pair(MANAGED_BY),
        (GATEWAY.into(), label_value(gateway.key.name())),
        (CLASS.into(), label_value(&gateway.class)),
    ]);
    labels
}

/// What selects the pods of a Gateway. Never changes: a Deployment keeps the selector that it was made with.
pub fn selector(names: &Names) -> Map {
    Map::from([pair(NAME), (INSTANCE.into(), names.base().into())])
}

/// A label of a fixed value.
pub(super) fn pair((name, value): (&str, &str)) -> (String, String) {
    (name.into(), value.into())
}
