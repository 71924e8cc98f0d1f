//! The GatewayClass that the operator brings along.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use rebound_api::crd::gateway_class::GatewayClass;
use serde_json::{Value, json};

use super::labels;
use crate::observe::world::Surroundings;

/// What there is to say when another controller's class has the name.
pub fn foreign(around: &Surroundings, name: &str) -> Option<String> {
    let has_name = |class: &&GatewayClass| class.metadata.name.as_deref() == Some(name);
    let controller = &around.classes.iter().find(has_name)?.spec.controller_name;
    let (ours, says) = (&around.controller, "it is left alone, and so are its Gateways");
    (controller != ours)
        .then(|| format!("GatewayClass {name} belongs to {controller}, not to {ours}: {says}"))
}

/// The class as it is to be; none: another controller's class has the name, and that is to be left alone.
pub fn gateway_class(around: &Surroundings, name: &str, owner: Option<&OwnerReference>) -> Option<Value> {
    if foreign(around, name).is_some() {
        return None;
    }
    let (managed_by, operator) = labels::MANAGED_BY;
    let (app, product) = labels::NAME;
    Some(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {
            "name": name,
            "labels": { managed_by: operator, app: product },
            "ownerReferences": owner.into_iter().collect::<Vec<_>>(),
        },
        // Nothing else: what a platform team adds, such as `parametersRef`, is theirs.
        "spec": { "controllerName": around.controller },
    }))
}

#[cfg(test)]
mod tests {
    use rebound_api::crd::gateway_class::GatewayClassSpec;

    use super::*;

    fn around(controller: &str) -> Surroundings {
        let spec = GatewayClassSpec { controller_name: controller.into(), ..GatewayClassSpec::default() };
        let classes = vec![GatewayClass::new("fsm", spec)];
        Surroundings { controller: "gateway.flomesh.io/rebound".into(), classes, ..Surroundings::default() }
    }

    #[test]
    fn a_class_of_another_controller_is_left_alone() {
        assert!(gateway_class(&around("example.com/other"), "fsm", None).is_none());
        assert!(gateway_class(&around("gateway.flomesh.io/rebound"), "fsm", None).is_some());
        assert!(gateway_class(&around("example.com/other"), "other", None).is_some());
        assert!(
            foreign(&around("example.com/other"), "fsm").unwrap().contains("belongs to example.com/other")
        );
    }
}
