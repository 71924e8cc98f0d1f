//! Data planes that are killed: what their agents have reported does not stay for ever.

use std::collections::BTreeMap;

use hack::objects::BASE;
use hack::rig::poll;
use hack::{pod_rig, statuses};
use serde_json::json;

use crate::site::{Ground, SOON, Site};

/// An agent that is killed cannot take its report back.
#[test]
fn reports_of_pods_that_are_gone_do_not_pile_up() {
    const KILLED: usize = 100;
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let operator = site.operator();
    site.await_done(&operator);
    pod_rig::pretend(&site.cluster, &site.namespace, BASE).unwrap();
    pod_rig::expose(&site.namespace, BASE).unwrap();
    site.await_said(&operator, "gateway/web", &["Programmed=True/Programmed"]);
    let name = format!("{BASE}-report");
    let reports = || {
        let map = statuses::object(&site.namespace, &format!("configmap/{name}"))?;
        Some(map["data"].as_object()?.keys().cloned().collect::<Vec<_>>())
    };
    let living = reports().unwrap();
    let word = json!({ "generation": 1, "driver": "none" }).to_string();
    let data: BTreeMap<_, _> = (0..KILLED).map(|it| (format!("killed-{it}"), &word)).collect();
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data });
    let manager = ["--server-side", "--field-manager=killed", "-n", site.namespace.name()];
    site.cluster.apply(&map.to_string(), &manager).unwrap();
    let is_swept = poll(SOON, || (reports()? == living).then_some(()));
    assert!(is_swept.is_some(), "{:?}\n{}", reports(), operator.log_end());
    site.await_said(&operator, "gateway/web", &["Programmed=True/Programmed"]);
    operator.stop().unwrap();
}
