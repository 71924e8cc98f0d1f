//! How many items the lists of Gateway API kinds may hold: the bounds of their schemas.

use rebound_api::violation::{Reason, Violation};
use serde_json::Value;

/// A list, by its path from the root (`[]`: in every item), and how few and how many items it takes.
type Size = (&'static str, usize, usize);

const GATEWAY: [Size; 2] = [("spec.listeners", 1, 64), ("spec.listeners[].allowedRoutes.kinds", 0, 8)];

const HTTP_ROUTE: [Size; 21] = [
    ("spec.parentRefs", 0, 32),
    ("spec.hostnames", 0, 16),
    ("spec.rules", 0, 16),
    ("spec.rules[].matches", 0, 64),
    ("spec.rules[].matches[].headers", 0, 16),
    ("spec.rules[].matches[].queryParams", 0, 16),
    ("spec.rules[].filters", 0, 16),
    ("spec.rules[].filters[].requestHeaderModifier.set", 0, 16),
    ("spec.rules[].filters[].requestHeaderModifier.add", 0, 16),
    ("spec.rules[].filters[].requestHeaderModifier.remove", 0, 16),
    ("spec.rules[].filters[].responseHeaderModifier.set", 0, 16),
    ("spec.rules[].filters[].responseHeaderModifier.add", 0, 16),
    ("spec.rules[].filters[].responseHeaderModifier.remove", 0, 16),
    ("spec.rules[].backendRefs", 0, 16),
    ("spec.rules[].backendRefs[].filters", 0, 16),
    ("spec.rules[].backendRefs[].filters[].requestHeaderModifier.set", 0, 16),
    ("spec.rules[].backendRefs[].filters[].requestHeaderModifier.add", 0, 16),
    ("spec.rules[].backendRefs[].filters[].requestHeaderModifier.remove", 0, 16),
    ("spec.rules[].backendRefs[].filters[].responseHeaderModifier.set", 0, 16),
    ("spec.rules[].backendRefs[].filters[].responseHeaderModifier.add", 0, 16),
    ("spec.rules[].backendRefs[].filters[].responseHeaderModifier.remove", 0, 16),
];

const REFERENCE_GRANT: [Size; 2] = [("spec.from", 1, 16), ("spec.to", 1, 16)];

/// Every list of an object that holds too few items or too many.
pub(super) fn check(object: &Value) -> Vec<Violation> {
    let sizes: &[Size] = match object["kind"].as_str().unwrap_or_default() {
        "Gateway" => &GATEWAY,
        "HTTPRoute" => &HTTP_ROUTE,
        "ReferenceGrant" => &REFERENCE_GRANT,
        _ => &[],
    };
    let mut violations = Vec::new();
    for (path, min, max) in sizes {
        each(object, path, "", &mut |path, list| {
            violations.extend(violation(path, list, *min, *max));
        });
    }
    violations
}

/// Visits what stands at `rest` below `value`, which itself stands at `path`. What is missing counts as null.
fn each(value: &Value, rest: &str, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    if rest.is_empty() {
        return visit(path, value);
    }
    let (step, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let field = step.trim_end_matches("[]");
    let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    let inner = &value[field];
    if field == step {
        return each(inner, rest, &path, visit);
    }
    for (index, item) in inner.as_array().into_iter().flatten().enumerate() {
        each(item, rest, &format!("{path}[{index}]"), visit);
    }
}

fn violation(path: &str, list: &Value, min: usize, max: usize) -> Option<Violation> {
    let length = match list {
        Value::Null => 0,
        list => list.as_array()?.len(),
    };
    let message = if length < min {
        format!("must hold at least {min} item")
    } else if length > max {
        format!("holds {length} items, more than {max}")
    } else {
        return None;
    };
    Some(Violation::new(path, Reason::OutOfRange, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_that_is_too_long_is_told_with_its_own_path() {
        let backends = vec![json!({"name": "web"}); 17];
        let spec = json!({"rules": [{}, {"backendRefs": backends}]});
        let found = check(&json!({"kind": "HTTPRoute", "spec": spec}));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["spec.rules[1].backendRefs: holds 17 items, more than 16"]);
    }

    #[test]
    fn a_gateway_needs_a_listener() {
        for spec in [json!({}), json!({"listeners": []}), json!(null)] {
            let found = check(&json!({"kind": "Gateway", "spec": spec}));
            assert_eq!(found.len(), 1, "{spec}");
        }
        assert!(check(&json!({"kind": "Gateway", "spec": {"listeners": [{}]}})).is_empty());
    }
}
