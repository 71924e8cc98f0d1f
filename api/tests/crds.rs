//! The generated definitions are structural (the API server refuses others), bounded, and say no more than they mean.
#![cfg(feature = "crd")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use rebound_api::crd;
use serde_json::{Value, json};

/// The schema of every version of every kind.
fn schemas() -> Vec<(String, Value)> {
    let schema = |definition: &Value| {
        let versions = definition["spec"]["versions"].as_array().unwrap().clone();
        let name = definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        versions.into_iter().map(move |version| (name.clone(), version["schema"]["openAPIV3Schema"].clone()))
    };
    crd::all().iter().flat_map(|definition| schema(&serde_json::to_value(definition).unwrap())).collect()
}

/// Visits every node of a schema with its path.
fn walk(path: &str, node: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, node);
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), child, visit);
    }
    if node["items"].is_object() {
        walk(&format!("{path}[]"), &node["items"], visit);
    }
    if node["additionalProperties"].is_object() {
        walk(&format!("{path}{{}}"), &node["additionalProperties"], visit);
    }
}

fn every_node(mut visit: impl FnMut(&str, &Value)) {
    let schemas = schemas();
    assert!(!schemas.is_empty());
    for (kind, schema) in &schemas {
        walk(kind, schema, &mut visit);
    }
}

#[test]
fn every_node_has_one_type() {
    every_node(|path, node| {
        let int_or_string = node["x-kubernetes-int-or-string"] == true;
        assert_ne!(node["type"].is_string(), int_or_string, "{path}: {node}");
        let keywords = ["$ref", "anyOf", "oneOf", "allOf", "not", "nullable", "definitions"];
        for keyword in keywords {
            assert!(node.get(keyword).is_none(), "{path} has {keyword}");
        }
        let entries = &node["additionalProperties"];
        assert!(entries.is_null() || entries.is_object() && node["properties"].is_null(), "{path}: {node}");
    });
}

#[test]
fn every_list_map_text_and_number_of_a_spec_is_bounded() {
    every_node(|path, node| {
        let bounded = |keyword: &str| assert!(node[keyword].is_number(), "{path} lacks {keyword}");
        match node["type"].as_str() {
            Some("array") => bounded("maxItems"),
            Some("object") if !node["additionalProperties"].is_null() => bounded("maxProperties"),
            Some("string") if node["enum"].is_null() => bounded("maxLength"),
            Some("integer" | "number") if path.contains(".spec.") => {
                bounded("minimum");
                bounded("maximum");
            }
            _ => {}
        }
    });
}

#[test]
fn formats_are_those_that_kubernetes_knows() {
    let known = [Value::Null, json!("int32"), json!("int64"), json!("double"), json!("date-time")];
    every_node(|path, node| assert!(known.contains(&node["format"]), "{path}: {}", node["format"]));
}

/// A default in the schema beats the configuration that a port inherits: FSM's inheritance never worked for that.
#[test]
fn only_the_group_of_a_target_has_a_default() {
    every_node(|path, node| {
        let expected =
            if path.ends_with(".group") && path.contains(".spec.") { json!("") } else { Value::Null };
        assert_eq!(node["default"], expected, "{path}");
    });
}

/// A pattern would answer a mistyped item before `validate` can say what was meant.
#[test]
fn the_schema_holds_no_grammar() {
    every_node(|path, node| assert!(node.get("pattern").is_none(), "{path}"));
}

#[test]
fn every_field_is_documented() {
    let status = |path: &str| path.contains(".status.");
    every_node(|path, node| {
        let named = !path.ends_with("[]") && !path.ends_with("{}") && path.contains('.');
        assert!(!named || status(path) || node["description"].is_string(), "{path}");
    });
}

#[test]
fn the_rules_in_cel_compile_and_name_fields_that_exist() {
    let mut rules = 0;
    every_node(|path, node| {
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let field = rule["fieldPath"].as_str().unwrap().trim_start_matches('.');
            assert!(node["properties"][field].is_object(), "{path} has no {field}");
            rules += 1;
        }
    });
    for (_, schema) in schemas() {
        assert!(!kube::core::cel::compile_schema(&schema).has_errors());
    }
    assert!(rules >= 7, "{rules}");
}

#[test]
fn a_retry_policy_is_what_users_and_tools_expect() {
    let definition = &serde_json::to_value(crd::all()).unwrap()[0];
    assert_eq!(definition["metadata"]["name"], "retrypolicies.gateway.flomesh.io");
    assert_eq!(definition["metadata"]["labels"]["gateway.networking.k8s.io/policy"], "Direct");
    assert_eq!(definition["spec"]["scope"], "Namespaced");
    assert_eq!(definition["spec"]["names"]["shortNames"], json!(["rtpolicy"]));
    assert_eq!(definition["spec"]["names"]["categories"], json!(["gateway-api"]));
    let [version] = &definition["spec"]["versions"].as_array().unwrap()[..] else { panic!("one version") };
    assert_eq!(
        (&version["name"], &version["served"], &version["storage"]),
        (&json!("v1alpha1"), &json!(true), &json!(true))
    );
    assert_eq!(version["subresources"], json!({ "status": {} }));
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    assert_eq!(spec["ports"]["x-kubernetes-list-type"], "map");
    assert_eq!(spec["ports"]["x-kubernetes-list-map-keys"], json!(["port"]));
    assert_eq!(spec["targetRef"]["required"], json!(["kind", "name"]));
}

#[test]
fn a_gateway_config_is_what_users_and_tools_expect() {
    let definition = &serde_json::to_value(crd::all()).unwrap()[1];
    assert_eq!(definition["metadata"]["name"], "gatewayconfigs.gateway.flomesh.io");
    assert_eq!(definition["spec"]["scope"], "Namespaced");
    assert_eq!(definition["spec"]["names"]["shortNames"], json!(["gwconfig"]));
    let [version] = &definition["spec"]["versions"].as_array().unwrap()[..] else { panic!("one version") };
    assert_eq!(
        (&version["name"], &version["served"], &version["storage"], &version["subresources"]),
        (&json!("v1alpha1"), &json!(true), &json!(true), &Value::Null)
    );
    let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let opaque =
        |node: &Value| node["x-kubernetes-preserve-unknown-fields"] == true && node["properties"].is_null();
    assert!(opaque(&spec["placement"]["properties"]["affinity"]), "{spec}");
    assert!(opaque(&spec["placement"]["properties"]["tolerations"]["items"]), "{spec}");
    let size = serde_json::to_string(version).unwrap().len();
    assert!(size < 16 * 1024, "what Kubernetes defines is not spelt out again: {size} bytes");
}
