//! Goldens: `data/configs/NAME.yaml` is a `GatewayConfig`, `NAME.out` what [`check`] makes of it.
#![cfg(feature = "crd")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
mod support;

use std::path::{Path, PathBuf};

use rebound_api::crd::gateway_config::fields::ServiceType;
use rebound_api::crd::gateway_config::{Checked, Scale, Settings, check};
use serde_json::{Value, json};

goldens! {
    a_collector_that_is_no_url
    a_head_that_is_no_count_of_bytes
    a_status_of_somebody_else
    amounts
    autoscaling
    bounds_of_every_field
    everything_that_can_be_written
    fields_that_exclude_each_other
    keys_of_labels_and_annotations
    limits_and_timeouts
    mistyped_names
    not_a_config
    not_in_effect
    nothing
    what_kubernetes_defines
    what_will_hurt
    wrong_types
}

#[track_caller]
fn golden(manifest: &Path, name: &str) {
    support::golden(manifest, &folder().join(name), |object| render(&check(object)));
}

fn folder() -> PathBuf {
    support::folder("configs")
}

fn render(checked: &Checked) -> String {
    let settings = checked.settings.as_ref().map(|settings| format!("{settings:#?}\n"));
    format!("{}{}", support::report(&checked.report), settings.unwrap_or_default())
}

/// The sample that users start from.
#[test]
fn the_sample_is_valid() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples/gateway_config.yaml");
    let checked = check(&serde_saphyr::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap());
    assert_eq!(support::report(&checked.report), "");
}

fn settings(spec: &Value) -> Settings {
    let object = json!({
        "apiVersion": "gateway.flomesh.io/v1alpha1",
        "kind": "GatewayConfig",
        "metadata": { "name": "x", "namespace": "default" },
        "spec": spec,
    });
    let checked = check(&object);
    assert_eq!(support::report(&checked.report), "");
    checked.settings.unwrap()
}

#[test]
fn the_gateway_wins_field_by_field() {
    let class = settings(&json!({
        "replicas": 5,
        "placement": { "nodeSelector": { "a": "b" } },
        "service": { "type": "NodePort", "annotations": { "of": "class" } },
        "dataplane": { "workers": 4 },
    }));
    let gateway =
        settings(&json!({ "service": { "annotations": { "mine": "1" } }, "dataplane": { "workers": 1 } }));
    let merged = gateway.over(class);
    assert_eq!(merged.scale(), Scale::Fixed(5));
    assert_eq!((merged.service_type(), merged.workers()), (ServiceType::NodePort, Some(1)));
    assert_eq!(merged.node_selector().unwrap()["a"], "b");
    let annotations: Vec<_> = merged.service_annotations().collect();
    assert_eq!(annotations, [(&"mine".to_owned(), &"1".to_owned())], "maps are taken whole");
}

#[test]
fn a_number_of_the_gateway_takes_the_place_of_the_autoscaling_of_its_class() {
    let class = settings(&json!({ "autoscaling": { "maxReplicas": 9 } }));
    assert_eq!(class.scale(), Scale::Auto { min: 2, max: 9, cpu_percent: 80 });
    assert_eq!(settings(&json!({ "replicas": 1 })).over(class).scale(), Scale::Fixed(1));
}

#[test]
fn what_has_no_outside_has_no_policy_for_it() {
    let class = settings(&json!({ "service": { "externalTrafficPolicy": "Local" } }));
    let inside = settings(&json!({ "service": { "type": "ClusterIP" } })).over(class);
    assert_eq!(inside.external_traffic_policy(), None);
}
