//! Says what is wrong with the type of a value, and what to write in its place.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::schema::bounds;
use crate::policy::duration;
use crate::violation::{Reason, hint};

/// Why `value` cannot stand where `schema` is; none if it can.
pub(super) fn complaint(schema: &JSONSchemaProps, value: &Value) -> Option<(Reason, String)> {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return integer_or_text(value);
    }
    match (schema.type_.as_deref(), value) {
        (Some("object"), Value::Object(_)) | (Some("array"), Value::Array(_)) => None,
        (Some("boolean"), Value::Bool(_)) | (Some("number"), Value::Number(_)) => None,
        (Some("string"), Value::String(text)) => unknown_value(schema, text),
        (Some("integer"), Value::Number(number)) => match number.as_i64() {
            Some(whole) if i32::try_from(whole).is_ok() => None,
            _ if number.is_f64() => Some((Reason::Invalid, format!("is {number}; must be a whole number"))),
            _ => Some((Reason::OutOfRange, format!("is {number}; {}", bounds(schema)))),
        },
        (Some(wanted), _) => Some((Reason::Invalid, wrong(wanted, schema, value))),
        (None, _) => None,
    }
}

fn integer_or_text(value: &Value) -> Option<(Reason, String)> {
    match value {
        Value::String(_) => None,
        Value::Number(number) if number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok()) => None,
        Value::Number(number) if !number.is_f64() => {
            Some((Reason::OutOfRange, format!("is {number}; that is too much")))
        }
        other => Some((Reason::Invalid, format!("is {}; must be a whole number or text", name(other)))),
    }
}

fn unknown_value(schema: &JSONSchemaProps, text: &str) -> Option<(Reason, String)> {
    let allowed: Vec<&str> = schema.enum_.as_ref()?.iter().filter_map(|value| value.0.as_str()).collect();
    if allowed.contains(&text) {
        return None;
    }
    let message = match hint(text, allowed.iter().copied()) {
        none if none.is_empty() => format!("`{text}` is not one of {}", allowed.join(", ")),
        hint => format!("`{text}` is not one of {}{hint}", allowed.join(", ")),
    };
    Some((Reason::NotSupported, message))
}

/// The sentence for a value of another type. Where the value shows what was meant, it says what to write.
fn wrong(wanted: &str, schema: &JSONSchemaProps, value: &Value) -> String {
    let meant = match (wanted, value) {
        ("number", Value::String(text)) => seconds(text).or_else(|| unquoted(text)),
        ("integer", Value::String(text)) => unquoted(text),
        ("boolean", Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            Some(format!("write {text}, without quotes"))
        }
        ("string", Value::Number(_) | Value::Bool(_)) => schema
            .example
            .as_ref()
            .map(|example| format!("write it like `{}`", example.0.as_str().unwrap_or_default())),
        ("array", _) => Some("put `- ` in front of each item".into()),
        _ => None,
    };
    let article = match wanted {
        "object" => "a block of fields",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "true or false",
    };
    let meant = meant.map_or_else(String::new, |meant| format!("; {meant}"));
    format!("is {}; must be {article}{meant}", name(value))
}

/// FSM's last version took durations where this field takes seconds.
fn seconds(text: &str) -> Option<String> {
    let seconds = duration::parse(text).ok()?.as_secs_f64();
    Some(format!("it counts seconds: write {seconds}"))
}

fn unquoted(text: &str) -> Option<String> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some(format!("write {text}, without quotes"))
}

fn name(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text `{}`", text.chars().take(64).collect::<String>()),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a block of fields".into(),
    }
}
