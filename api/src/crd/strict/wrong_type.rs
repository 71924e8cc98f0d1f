//! Says what is wrong with the type of a value, and what to write in its place.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Number, Value};

use super::schema::bounds;
use crate::policy::duration;
use crate::violation::{Reason, hint};

/// Why `value` cannot stand where `schema` is; none if it can.
pub(super) fn complaint(schema: &JSONSchemaProps, value: &Value) -> Option<(Reason, String)> {
    let int_or_string = schema.x_kubernetes_int_or_string == Some(true);
    let wanted = if int_or_string { "integer" } else { schema.type_.as_deref()? };
    match (wanted, value) {
        ("object", Value::Object(_)) | ("array", Value::Array(_)) => None,
        ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => None,
        ("string", Value::String(text)) => unknown_value(schema, text),
        ("integer", Value::String(_)) if int_or_string => None,
        ("integer", Value::Number(number)) => match integer(number) {
            Some(_) => None,
            None if number.is_f64() && int_or_string => {
                Some((Reason::Invalid, format!("is {number}; write \"{number}\", with quotes")))
            }
            None if number.is_f64() => {
                Some((Reason::Invalid, format!("is {number}; must be a whole number")))
            }
            None => Some((Reason::OutOfRange, bounds(schema))),
        },
        _ => Some((Reason::Invalid, wrong(wanted, schema, value))),
    }
}

/// A number as the types hold it. The API server takes `5.0` for 5.
pub(super) fn integer(number: &Number) -> Option<i32> {
    let whole =
        |float: &f64| float.fract() == 0.0 && f64::from(i32::MIN) <= *float && *float <= f64::from(i32::MAX);
    match number.as_i64() {
        Some(integer) => i32::try_from(integer).ok(),
        // Exact: the number is whole and fits.
        None => number.as_f64().filter(whole).map(|float| float as i32),
    }
}

fn unknown_value(schema: &JSONSchemaProps, text: &str) -> Option<(Reason, String)> {
    if schema.enum_.is_none() || allowed(schema).any(|value| value == text) {
        return None;
    }
    let message = format!("`{text}` is not {}{}", one_of(schema), hint(text, allowed(schema)));
    Some((Reason::NotSupported, message))
}

fn one_of(schema: &JSONSchemaProps) -> String {
    format!("one of {}", allowed(schema).collect::<Vec<_>>().join(", "))
}

fn allowed(schema: &JSONSchemaProps) -> impl Iterator<Item = &str> {
    schema.enum_.iter().flatten().filter_map(|value| value.0.as_str())
}

/// The sentence for a value of another type. Where the value shows what was meant, it says what to write.
fn wrong(wanted: &str, schema: &JSONSchemaProps, value: &Value) -> String {
    let meant = meant(wanted, schema, value).map_or_else(String::new, |meant| format!("; {meant}"));
    format!("is {}; must be {}{meant}", name(value), expected(wanted, schema))
}

fn expected(wanted: &str, schema: &JSONSchemaProps) -> String {
    match wanted {
        "object" => "a block of fields".into(),
        "array" => "a list".into(),
        "string" if schema.enum_.is_some() => one_of(schema),
        "string" => "text".into(),
        "integer" => "a whole number".into(),
        "number" => "a number".into(),
        _ => "true or false".into(),
    }
}

fn meant(wanted: &str, schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    match (wanted, value) {
        ("number", Value::String(text)) => seconds(text).or_else(|| unquoted(text)),
        ("integer", Value::String(text)) => unquoted(text),
        ("boolean", Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            Some(format!("write {text}, without quotes"))
        }
        ("string", Value::Number(number)) if schema.enum_.is_none() => Some(match &schema.example {
            Some(example) => format!("write it with its unit, such as {}", example.0),
            None => format!("write \"{number}\", with quotes"),
        }),
        // YAML 1.1, which kubectl reads, takes a bare `Off` for false.
        ("string", Value::Bool(false)) if allowed(schema).any(|value| value == "Off") => {
            Some("write \"Off\", with quotes".into())
        }
        ("array", Value::String(_) | Value::Object(_)) => Some("put `- ` in front of each item".into()),
        _ => None,
    }
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
