//! The fields that this version accepts and does not act on. Whoever makes one work takes it out of the table here.

use super::config::RetryConfig;
use super::{RetryPolicySpec, Written};
use crate::violation::{Reason, Violation};

/// Where in a configuration something stands that has no effect yet.
type Find = fn(&RetryConfig) -> Vec<String>;

const TABLE: [Find; 4] = [
    |config| at("retryAfter", config.retry_after.is_some()),
    |config| at("responseHeaders", config.response_headers.is_some()),
    |config| {
        let written = config.host_selection.as_ref().is_some_and(|hosts| hosts.persistence.is_some());
        at("hostSelection.persistence", written)
    },
    |config| {
        let items = config.retry_on.iter().flatten().enumerate();
        items
            .filter(|(_, item)| item.starts_with("grpc:"))
            .map(|(index, _)| format!("retryOn[{index}]"))
            .collect()
    },
];

/// One warning for each such field that the user wrote, whether or not a port inherits it.
pub(super) fn check(spec: &RetryPolicySpec, found: &mut Vec<Violation>) {
    for (path, target) in spec.target_refs_with_paths().filter(|(_, it)| it.kind == "ServiceImport") {
        let message = format!("a policy for ServiceImport `{}` has no effect in this version", target.name);
        found.push(Violation::new(format!("{path}.kind"), Reason::NotInEffect, message));
    }
    let ports = spec.ports().flat_map(|port| port.configs);
    for Written { path, config } in spec.configs().chain(ports) {
        let fields = TABLE.iter().flat_map(|find| find(config));
        found.extend(fields.map(|field| {
            let message = "is accepted, but this version does not act on it";
            Violation::new(format!("{path}.{field}"), Reason::NotInEffect, message)
        }));
    }
}

fn at(field: &str, written: bool) -> Vec<String> {
    if written { vec![field.into()] } else { Vec::new() }
}
