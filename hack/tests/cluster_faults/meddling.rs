//! Somebody else who writes what the operator has written: it is put right, and traffic does not notice.

use hack::apiserver::Cluster;
use hack::contents::{generation, without_generation};
use hack::objects::BASE;
use hack::operator_rig::Operator;
use hack::rig::poll;
use serde_json::{Value, json};

use crate::site::{Ground, SOON, Site};
use crate::traffic::Traffic;

/// How often the foreign writer does all that it can do.
const ROUNDS: usize = 4;

#[test]
fn what_others_change_or_delete_is_put_right() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let operator = site.operator();
    let expected = site.await_done(&operator);
    let patches: [(&str, Value); 7] = [
        ("configmap/web-fsm-config", json!({ "data": { "manifest": "{}" } })),
        ("configmap/web-fsm-config-v1-0", json!({ "binaryData": { "part": "AAAA" } })),
        (
            "deployment/web-fsm",
            json!({ "spec": { "template": { "spec": { "serviceAccountName": "default" } } } }),
        ),
        ("service/web-fsm", json!({ "metadata": { "labels": { "app": null } } })),
        ("role/web-fsm", json!({ "rules": [] })),
        ("rolebinding/web-fsm", json!({ "subjects": [] })),
        ("poddisruptionbudget/web-fsm", json!({ "spec": { "maxUnavailable": 2 } })),
    ];
    let back = || (site.contents() == expected).then_some(());
    for (name, patch) in &patches {
        site.namespace.kubectl(&["patch", name, "--type=merge", "-p", &patch.to_string()]).unwrap();
        assert!(
            poll(SOON, back).is_some(),
            "{name} was changed: {:#?}\n{}",
            site.contents(),
            operator.log_end()
        );
    }
    for (name, _) in &patches {
        site.namespace.kubectl(&["delete", name]).unwrap();
        assert!(poll(SOON, back).is_some(), "{name} was deleted\n{}", operator.log_end());
    }
    site.await_said(&operator, "gateway/web", &["Accepted=True/Accepted"]);
    operator.stop().unwrap();
}

#[test]
fn config_maps_that_are_made_immutable_are_made_anew() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    let operator = site.operator();
    let expected = site.await_done(&operator);
    let names = ["configmap/web-fsm-config", "configmap/web-fsm-config-v1-0", "configmap/web-fsm-report"];
    for name in names {
        site.namespace.kubectl(&["patch", name, "--type=merge", "-p", r#"{"immutable":true}"#]).unwrap();
        let is_anew = || {
            let frozen = site.namespace.kubectl(&["get", name, "-o", "jsonpath={.immutable}"]).ok()?;
            (frozen.is_empty() && site.contents() == expected).then_some(())
        };
        assert!(poll(SOON, is_anew).is_some(), "{name}\n{}", operator.log_end());
    }
    site.lead_to("b");
    let before = generation(&expected, BASE);
    let moves = || (generation(&site.contents(), BASE) > before).then_some(());
    assert!(poll(SOON, moves).is_some(), "{}", operator.log_end());
    operator.stop().unwrap();
}

/// While nobody leads, nobody sees it happen.
#[test]
fn what_was_changed_while_no_operator_ran_is_put_right_and_generations_grow() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("a");
    site.settle();
    site.lead_to("b");
    let before = site.settle();
    let last = generation(&before, BASE).unwrap();
    let shard = json!({ "binaryData": { "part": "AAAA" } }).to_string();
    let patch = ["patch", "configmap/web-fsm-config-v1-0", "--type=merge", "-p", &shard];
    site.namespace.kubectl(&patch).unwrap();
    let after = site.settle();
    let now = generation(&after, BASE).unwrap();
    assert!(now >= last, "generation {now} after {last}: data planes have seen {last}");
    assert_eq!(without_generation(after, BASE), without_generation(before, BASE));
}

/// The ConfigMaps of a Gateway with all that a foreign writer does to each: patches, and at last it is deleted.
fn tamperings(traffic: &Traffic) -> Vec<(String, Option<Value>)> {
    let contents = traffic.contents();
    let maps = contents.iter().filter_map(|(name, map)| Some((name.strip_prefix("ConfigMap/")?, map)));
    let of_map = |map: &Value| match (&map["data"]["manifest"], &map["binaryData"]["part"]) {
        (Value::String(manifest), _) => of_manifest(manifest),
        (_, Value::String(part)) => of_shard(part),
        other => panic!("neither a manifest nor a shard: {other:?}"),
    };
    let configs = maps.map(|(name, map)| (name.to_owned(), of_map(map)));
    // The report at last: no news of the configuration makes the agent write it again.
    let all = configs.chain([(format!("{BASE}-report"), of_report(traffic.pod.name()))]);
    let each = |(name, patches): (String, Vec<Value>)| {
        let patches = patches.into_iter().map(Some).chain([None]);
        patches.map(move |patch| (name.clone(), patch)).collect::<Vec<_>>()
    };
    all.flat_map(each).collect()
}

fn of_manifest(text: &str) -> Vec<Value> {
    let later = text.replacen("\"generation\":", "\"generation\":9", 1);
    let wrong = ["", "{}", "\u{e9}\u{7f}", &text[..text.len() / 2], &later].map(Value::from);
    let wrong = wrong.into_iter().chain([Value::Null]).map(|text| json!({ "data": { "manifest": text } }));
    let unlabelled = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } });
    wrong.chain([unlabelled]).collect()
}

fn of_shard(part: &str) -> Vec<Value> {
    let wrong = ["", "AAAA", &part[..part.len() / 8 * 4]].map(Value::from);
    wrong.into_iter().chain([Value::Null]).map(|part| json!({ "binaryData": { "part": part } })).collect()
}

fn of_report(pod: &str) -> Vec<Value> {
    let wrong = [json!("served"), json!("{\"generation\":-1}"), Value::Null];
    wrong.into_iter().map(|word| json!({ "data": { pod: word } })).collect()
}

#[test]
fn a_foreign_writer_costs_no_request_and_the_same_bytes_come_back() {
    let operator = Operator::shared().unwrap();
    let traffic = Traffic::start(&Cluster::shared().unwrap(), operator);
    let (expected, generation) = (traffic.contents(), traffic.pod.generation().unwrap());
    let tamperings = tamperings(&traffic);
    let written = traffic.is_not_harmed_by(|| {
        let rounds = (0..ROUNDS).flat_map(|_| &tamperings);
        // What was deleted may not be back yet.
        rounds.filter(|(name, patch)| tamper(&traffic, name, patch.as_ref()).is_ok()).count()
    });
    assert!(written > tamperings.len(), "{written}");
    let back = || (traffic.contents() == expected).then_some(());
    assert!(poll(SOON, back).is_some(), "{:#?}\n{}", traffic.contents(), traffic.logs());
    assert_eq!(traffic.pod.generation().unwrap(), generation, "nothing that was written was meant for it");
    traffic.await_programmed();
    traffic.takes_up(Some("after"));
}

fn tamper(traffic: &Traffic, name: &str, patch: Option<&Value>) -> anyhow::Result<String> {
    match patch {
        Some(patch) => {
            traffic.namespace.kubectl(&["patch", "configmap", name, "--type=merge", "-p", &patch.to_string()])
        }
        None => traffic.namespace.kubectl(&["delete", "configmap", name]),
    }
}
