//! What a container asks for and may use: amounts that Kubernetes can read, and no request above its limit.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fields::{Amounts, Resources};
use crate::crd::quantity::Amount;
use crate::violation::{Reason, Violation};

const PATH: &str = "spec.resources";

/// The requirements of the data plane's container.
pub(super) fn read(resources: &Resources, found: &mut Vec<Violation>) -> ResourceRequirements {
    let requests = resources.requests.as_ref().map(|it| amounts("requests", it, found));
    let limits = resources.limits.as_ref().map(|it| amounts("limits", it, found));
    for (name, request) in requests.iter().flatten() {
        let limit = limits.as_ref().and_then(|limits| limits.get(name));
        if let Some(limit) = limit.filter(|limit| *limit < request) {
            let message = format!("`{request}` is more than the limit, `{limit}`");
            found.push(Violation::new(format!("{PATH}.requests.{name}"), Reason::Conflict, message));
        }
    }
    ResourceRequirements {
        requests: requests.map(quantities),
        limits: limits.map(quantities),
        ..ResourceRequirements::default()
    }
}

fn amounts(part: &str, amounts: &Amounts, found: &mut Vec<Violation>) -> BTreeMap<&'static str, Amount> {
    let written = [("cpu", &amounts.cpu), ("memory", &amounts.memory)].into_iter();
    let written = written.filter_map(|(name, amount)| Some((name, amount.as_ref()?)));
    let read = |(name, amount): (&'static str, &IntOrString)| {
        let text = text(amount);
        match Amount::parse(&text) {
            Ok(amount) => Some((name, amount)),
            Err(bad) => {
                let path = format!("{PATH}.{part}.{name}");
                found.push(Violation::new(path, Reason::Invalid, format!("`{text}` {bad}")));
                None
            }
        }
    };
    written.filter_map(read).collect()
}

fn text(amount: &IntOrString) -> String {
    match amount {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    }
}

fn quantities(amounts: BTreeMap<&'static str, Amount>) -> BTreeMap<String, Quantity> {
    amounts.into_iter().map(|(name, amount)| (name.into(), Quantity(amount.to_string()))).collect()
}
