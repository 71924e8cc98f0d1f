//! What is answered to a review: allowed, warned about, or refused with every cause at once.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// The review of a request for a RetryPolicy, as an API server writes it.
fn review(operation: &str, spec: &Value, old: &Value) -> Value {
    let object = |spec: &Value| {
        let metadata = json!({ "name": "orders", "namespace": "shop", "uid": "1", "managedFields": [] });
        json!({ "apiVersion": "gateway.flomesh.io/v1alpha1", "kind": "RetryPolicy", "metadata": metadata, "spec": spec })
    };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "a-b-c",
            "kind": { "group": "gateway.flomesh.io", "version": "v1alpha1", "kind": "RetryPolicy" },
            "resource": { "group": "gateway.flomesh.io", "version": "v1alpha1", "resource": "retrypolicies" },
            "name": "orders",
            "namespace": "shop",
            "operation": operation,
            "userInfo": { "username": "kubernetes-admin" },
            "object": object(spec),
            "oldObject": if old.is_null() { Value::Null } else { object(old) },
            "dryRun": false,
        },
    })
}

fn spec(config: &Value) -> Value {
    json!({ "targetRef": { "kind": "Service", "name": "orders" }, "config": config })
}

/// Three mistakes.
fn wrong() -> Value {
    spec(&json!({ "retryOn": ["6xx", "5xx", "abc"], "perTryTimeout": "5s", "totalTimeout": "2s" }))
}

fn ask(review: &Value) -> Value {
    let answer = admit(&serde_json::to_vec(review).unwrap()).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "a-b-c");
    answer["response"].clone()
}

fn ask_to_create(spec: &Value) -> Value {
    ask(&review("CREATE", spec, &Value::Null))
}

#[test]
fn s82_every_mistake_is_a_cause_with_its_path() {
    let response = ask_to_create(&wrong());
    assert_eq!(response["allowed"], false);
    let status = &response["status"];
    assert_eq!((&status["code"], &status["reason"]), (&json!(422), &json!("Invalid")));
    assert_eq!(status["details"]["kind"], "RetryPolicy");
    assert_eq!(status["details"]["name"], "orders");
    let causes = status["details"]["causes"].as_array().unwrap();
    let fields: Vec<_> = causes.iter().map(|cause| cause["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["spec.config.perTryTimeout", "spec.config.retryOn[0]", "spec.config.retryOn[2]"]);
    for cause in causes {
        assert!(cause["reason"].as_str().unwrap().starts_with("FieldValue"), "{cause}");
        let line = format!("{}: {}", cause["field"].as_str().unwrap(), cause["message"].as_str().unwrap());
        assert!(status["message"].as_str().unwrap().contains(&line), "the message holds them all: {status}");
    }
}

#[test]
fn a_gateway_config_is_judged_too() {
    let mut config = review("CREATE", &json!({ "replicas": 2, "autoscaling": {} }), &Value::Null);
    config["request"]["kind"]["kind"] = json!("GatewayConfig");
    config["request"]["object"]["kind"] = json!("GatewayConfig");
    let response = ask(&config);
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["details"]["kind"], "GatewayConfig");
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    assert!(causes.iter().any(|cause| cause["field"] == "spec.replicas"), "{causes:?}");
    config["request"]["object"]["spec"] = json!({ "replicas": 2 });
    assert_eq!(ask(&config)["allowed"], true);
}

#[test]
fn one_mistake_reads_like_one() {
    let response = ask_to_create(&spec(&json!({ "retryOn": ["6xx"] })));
    let message = response["status"]["message"].as_str().unwrap();
    let start = "RetryPolicy.gateway.flomesh.io \"orders\" is invalid: spec.config.retryOn[0]: ";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn dangerous_arithmetic_is_allowed_with_a_warning() {
    let config = json!({ "retryOn": ["5xx"], "numRetries": 5, "backoffBaseInterval": 2 });
    let response = ask_to_create(&spec(&config));
    assert_eq!(response["allowed"], true);
    assert_eq!(response["status"], Value::Null);
    let warnings = response["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].as_str().unwrap().contains("2+4+8+16+20 = 50 s"), "{warnings:?}");
}

#[test]
fn what_is_not_ours_to_judge_is_let_through() {
    let mut delete = review("DELETE", &wrong(), &wrong());
    delete["request"]["object"] = Value::Null;
    let mut status = review("UPDATE", &wrong(), &spec(&json!({})));
    status["request"]["subResource"] = json!("status");
    let mut kind = review("CREATE", &wrong(), &Value::Null);
    kind["request"]["kind"]["kind"] = json!("RetryPolicyList");
    let mut group = review("CREATE", &wrong(), &Value::Null);
    group["request"]["kind"]["group"] = json!("gateway.example");
    for review in [delete, status, kind, group] {
        assert_eq!(ask(&review)["allowed"], true, "{review}");
    }
}

#[test]
fn a_dry_run_is_answered_like_any_other_request() {
    let mut dry = review("CREATE", &wrong(), &Value::Null);
    dry["request"]["dryRun"] = json!(true);
    assert_eq!(ask(&dry), ask_to_create(&wrong()));
}

#[test]
fn a_stored_mistake_does_not_keep_anybody_from_removing_a_finalizer() {
    let response = ask(&review("UPDATE", &wrong(), &wrong()));
    assert_eq!(response["allowed"], true);
    let warnings = response["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().starts_with("spec.config.perTryTimeout: "), "{warnings:?}");

    let changed = ask(&review("UPDATE", &wrong(), &spec(&json!({ "retryOn": ["5xx"] }))));
    assert_eq!(changed["allowed"], false);
}

#[test]
fn warnings_are_as_short_and_as_few_as_an_api_server_passes_on() {
    let long = "x".repeat(300);
    let warning = |n: usize| Violation::new(format!("spec.methods[{n}]"), Reason::Dangerous, &*long);
    let all: Vec<_> = (0..40).map(warning).collect();
    let shortened = shortened(&all);
    assert_eq!(shortened.len(), 16);
    assert!(shortened.iter().all(|it| it.chars().count() <= 256), "{shortened:?}");
    assert!(shortened[15].starts_with("and 25 more"), "{}", shortened[15]);
    assert_eq!(super::shortened(&all[..16]).len(), 16);
    assert!(super::shortened(&all[..16])[15].starts_with("spec.methods[15]"));
}

#[test]
fn what_is_no_review_has_no_answer() {
    let mut old = review("CREATE", &wrong(), &Value::Null);
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let mut empty = old.clone();
    empty["request"] = Value::Null;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bytes in [
        b"".to_vec(),
        b"null".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe".to_vec(),
        deep.into_bytes(),
        serde_json::to_vec(&old).unwrap(),
        serde_json::to_vec(&empty).unwrap(),
    ] {
        assert!(admit(&bytes).is_err());
    }
}

#[test]
fn an_object_of_any_shape_is_answered() {
    for object in [
        json!(null),
        json!(7),
        json!([]),
        json!("x"),
        json!({}),
        json!({ "spec": [] }),
        json!({ "metadata": 1 }),
    ] {
        let mut review = review("CREATE", &wrong(), &Value::Null);
        review["request"]["object"] = object;
        assert_eq!(ask(&review)["allowed"], false, "{review}");
    }
}

proptest! {
    /// The fuzz target `review` looks further.
    #[test]
    fn a_spoilt_review_is_answered_or_refused(spoilt in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut bytes = serde_json::to_vec(&review("UPDATE", &wrong(), &spec(&json!({})))).unwrap();
        for (at, byte) in spoilt {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(answer) = admit(&bytes) {
            let response = &answer["response"];
            let causes = response["status"]["details"]["causes"].as_array().map_or(0, Vec::len);
            prop_assert_eq!(response["allowed"] == false, causes > 0);
        }
    }
}

#[test]
fn of_a_hundred_thousand_mistakes_a_hundred_are_told() {
    let mut config = serde_json::Map::new();
    config.insert("retryOn".into(), vec!["6xx"; 100_000].into());
    config.extend((0..100_000).map(|number| (format!("retryon{number}"), json!([number]))));
    let response = ask_to_create(&spec(&config.into()));
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["details"]["causes"].as_array().unwrap().len(), 100);
}
