//! The lines that our build of OpenTelemetry's collector prints: OTLP in JSON, a batch a line.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::span::{Event, Span};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    resource_spans: Vec<OfResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfResource {
    #[serde(default)]
    resource: Described,
    scope_spans: Vec<OfScope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfScope {
    #[serde(default)]
    scope: Described,
    spans: Vec<Sent>,
}

/// A resource has attributes, a scope a name.
#[derive(Deserialize, Default)]
struct Described {
    #[serde(default)]
    name: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    value: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sent {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    trace_state: String,
    #[serde(default)]
    flags: u32,
    name: String,
    kind: u8,
    // 64-bit integers are strings in protobuf's JSON.
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    events: Vec<Happened>,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Happened {
    name: String,
    time_unix_nano: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Status {
    #[serde(default)]
    code: u8,
    #[serde(default)]
    message: String,
}

/// The spans of a line.
pub(super) fn spans(line: &str) -> anyhow::Result<Vec<Span>> {
    let batch: Batch = serde_json::from_str(line).context("read a batch of spans")?;
    let mut spans = Vec::new();
    for OfResource { resource, scope_spans } in batch.resource_spans {
        let resource = values(resource.attributes)?;
        for OfScope { scope, spans: sent } in scope_spans {
            for sent in sent {
                spans.push(span(sent, &resource, &scope.name)?);
            }
        }
    }
    Ok(spans)
}

fn span(sent: Sent, resource: &BTreeMap<String, Value>, scope: &str) -> anyhow::Result<Span> {
    Ok(Span {
        resource: resource.clone(),
        scope: scope.to_owned(),
        trace_id: sent.trace_id,
        span_id: sent.span_id,
        parent_id: sent.parent_span_id,
        trace_state: sent.trace_state,
        flags: sent.flags,
        name: sent.name,
        kind: named(&["", "INTERNAL", "SERVER", "CLIENT"], sent.kind)?,
        start: sent.start_time_unix_nano.parse()?,
        end: sent.end_time_unix_nano.parse()?,
        attributes: values(sent.attributes)?,
        events: sent.events.into_iter().map(event).collect::<anyhow::Result<_>>()?,
        status: named(&["unset", "ok", "error"], sent.status.code)?,
        message: sent.status.message,
    })
}

fn event(sent: Happened) -> anyhow::Result<Event> {
    let time = sent.time_unix_nano.parse()?;
    Ok(Event { name: sent.name, time, attributes: values(sent.attributes)? })
}

fn named(names: &[&str], number: u8) -> anyhow::Result<String> {
    let name = names.get(usize::from(number)).with_context(|| format!("number {number}"))?;
    Ok((*name).to_owned())
}

fn values(attributes: Vec<Attribute>) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    for Attribute { key, value } in attributes {
        let value = plain(&value).with_context(|| key.clone())?;
        ensure!(values.insert(key.clone(), value).is_none(), "{key} stands twice");
    }
    Ok(values)
}

/// `{"intValue": "5"}` is 5.
fn plain(value: &BTreeMap<String, Value>) -> anyhow::Result<Value> {
    match value.first_key_value() {
        Some((kind, value)) if matches!(kind.as_str(), "stringValue" | "boolValue" | "doubleValue") => {
            Ok(value.clone())
        }
        Some((kind, Value::String(digits))) if kind == "intValue" => Ok(digits.parse::<i64>()?.into()),
        other => bail!("an attribute that is {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_collector_is_read() {
        let line = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}]},
            "scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"5b","spanId":"ee","flags":257,"name":"a","kind":2,
            "startTimeUnixNano":"1","endTimeUnixNano":"2","attributes":[{"key":"n","value":{"intValue":"5"}}],
            "status":{}}]}]}]}"#;
        let spans = spans(line).unwrap();
        assert_eq!(spans[0].attributes["n"], 5);
        assert_eq!(spans[0].resource["service.name"], "x");
        assert_eq!((spans[0].kind.as_str(), spans[0].status.as_str()), ("SERVER", "unset"));
    }

    #[test]
    fn an_attribute_that_stands_twice_is_found() {
        let twice =
            || Attribute { key: "a".to_owned(), value: [("boolValue".to_owned(), true.into())].into() };
        assert!(values(vec![twice(), twice()]).is_err());
    }
}
