//! One question of the API server and its answer. Pure: bytes in, a document out.
//!
//! The same `check` as that of the command line and the reconciler; here its findings are only put into
//! Kubernetes' words.

use rebound_api::crd::gateway_config::{self, GROUP};
use rebound_api::crd::retry_policy;
use rebound_api::violation::{Reason, Report, Violation};
use serde::Deserialize;
use serde_json::{Value, json};

/// The version of the questions, and of the answers.
const REVIEW_VERSION: &str = "admission.k8s.io/v1";
/// An API server may cut longer warnings.
const WARNING_MAX_CHARS: usize = 256;
/// More warnings than these are only counted: together they stay within what an API server passes on, 4096 characters.
const WARNINGS_MAX: usize = 16;
/// Unprocessable Content: the code that goes with reason `Invalid`.
const INVALID: u16 = 422;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BadReview {
    /// Not JSON, or not of the form of a review with a request.
    #[error("not an AdmissionReview: {0}")]
    Form(#[from] serde_json::Error),
    /// A review of another version.
    #[error("`{0}` is not served; the configuration of the webhook asks for {REVIEW_VERSION}")]
    Version(String),
}

/// What is read of a review.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    kind: Kind,
    operation: String,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

#[derive(Deserialize)]
struct Kind {
    group: String,
    kind: String,
}

/// The answer to an `AdmissionReview` (`admission.k8s.io/v1`), itself one. A dry run is answered as any other request:
/// an answer changes nothing.
pub fn admit(review: &[u8]) -> Result<Value, BadReview> {
    let review: Review = serde_json::from_slice(review)?;
    if review.api_version != REVIEW_VERSION {
        return Err(BadReview::Version(review.api_version));
    }
    let request = review.request;
    let Report { violations, warnings } = judge(&request);
    let mut response = json!({ "uid": request.uid, "allowed": violations.is_empty() });
    if !violations.is_empty() {
        response["status"] = refusal(&request, &violations);
    }
    if !warnings.is_empty() {
        response["warnings"] = shortened(&warnings).into();
    }
    Ok(json!({ "apiVersion": REVIEW_VERSION, "kind": "AdmissionReview", "response": response }))
}

/// What there is to say. Whatever is not ours to judge is let through: deletions, subresources, other kinds.
fn judge(request: &Request) -> Report {
    let is_written = matches!(request.operation.as_str(), "CREATE" | "UPDATE");
    if !is_written || request.sub_resource.as_deref().is_some_and(|it| !it.is_empty()) {
        return Report::default();
    }
    let report = match (request.kind.group.as_str(), request.kind.kind.as_str()) {
        (GROUP, "RetryPolicy") => retry_policy::check(&request.object).report,
        (GROUP, gateway_config::KIND) => gateway_config::check(&request.object).report,
        _ => Report::default(),
    };
    if leaves_spec(request) { as_warnings(report) } else { report }
}

/// Whether an object that is stored already keeps its spec.
fn leaves_spec(request: &Request) -> bool {
    request.operation == "UPDATE" && request.object["spec"] == request.old_object["spec"]
}

/// An object may be older than a rule, or have come while the webhook was off. Its labels can still be changed and its
/// finalizers removed: the mistake is told, and is not the fault of this request. (The API server does the same with
/// what the schema refuses.)
fn as_warnings(report: Report) -> Report {
    let Report { violations, mut warnings } = report;
    warnings.splice(0..0, violations);
    Report { violations: Vec::new(), warnings }
}

/// A `Status` as the API server itself makes it for an object that its schema refuses; kubectl prints a line for each
/// cause.
fn refusal(request: &Request, violations: &[Violation]) -> Value {
    let Kind { group, kind } = &request.kind;
    let name = request.object["metadata"]["name"].as_str().unwrap_or_default();
    let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    let all = match lines.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    json!({
        "status": "Failure",
        "code": INVALID,
        "reason": "Invalid",
        "message": format!("{kind}.{group} \"{name}\" is invalid: {all}"),
        "details": {
            "group": group,
            "kind": kind,
            "name": name,
            "causes": violations.iter().map(cause).collect::<Vec<_>>(),
        },
    })
}

fn cause(violation: &Violation) -> Value {
    let Violation { path, reason, message } = violation;
    json!({ "reason": cause_type(*reason), "field": path, "message": message })
}

/// Kubernetes' name for the kind of mistake (`CauseType` of meta/v1).
fn cause_type(reason: Reason) -> &'static str {
    match reason {
        Reason::Required => "FieldValueRequired",
        Reason::Duplicate => "FieldValueDuplicate",
        Reason::NotSupported => "FieldValueNotSupported",
        Reason::Conflict => "FieldValueForbidden",
        Reason::Invalid | Reason::OutOfRange | Reason::NotInEffect | Reason::Dangerous => "FieldValueInvalid",
    }
}

/// Warnings as short and as few as an API server passes on.
fn shortened(warnings: &[Violation]) -> Vec<String> {
    if warnings.len() <= WARNINGS_MAX {
        return warnings.iter().map(short).collect();
    }
    let shown = &warnings[..WARNINGS_MAX - 1];
    let rest = warnings.len() - shown.len();
    let note = format!("and {rest} more; `rebound-operator validate` prints all of them");
    shown.iter().map(short).chain([note]).collect()
}

fn short(warning: &Violation) -> String {
    let text = warning.to_string();
    if text.chars().count() <= WARNING_MAX_CHARS {
        return text;
    }
    let kept: String = text.chars().take(WARNING_MAX_CHARS - 3).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests;
