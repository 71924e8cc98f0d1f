//! Whether an object may refer to a Service of another namespace (ReferenceGrant).

use rebound_api::crd::reference_grant::{ReferenceGrant, ReferenceGrantFrom, ReferenceGrantTo};
use rebound_api::name::ObjectKey;
use rebound_api::violation::Report;

use super::place::Place;
use crate::observe::world::Surroundings;

/// A kind that refers to Services.
#[derive(Debug, Clone, Copy)]
pub(super) struct Referrer {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
}

pub(super) const HTTP_ROUTE: Referrer = Referrer { group: "gateway.networking.k8s.io", kind: "HTTPRoute" };
pub(super) const RETRY_POLICY: Referrer = Referrer { group: "gateway.flomesh.io", kind: "RetryPolicy" };

/// Everything in one grant that has no effect.
pub(super) fn report(grant: &ReferenceGrant) -> Report {
    let mut report = Report::default();
    let mut spec = Place::new(&mut report, "spec");
    spec.unread(&grant.spec.unread);
    for (index, from) in grant.spec.from.iter().enumerate() {
        spec.item("from", index).unread(&from.unread);
    }
    for (index, to) in grant.spec.to.iter().enumerate() {
        spec.item("to", index).unread(&to.unread);
    }
    report
}

/// Within a namespace always; across namespaces only if the Service's namespace grants it.
pub(super) fn permits(around: &Surroundings, from: Referrer, namespace: &str, service: &ObjectKey) -> bool {
    if namespace == service.namespace() {
        return true;
    }
    let is_from =
        |it: &ReferenceGrantFrom| it.group == from.group && it.kind == from.kind && it.namespace == namespace;
    let is_to = |it: &ReferenceGrantTo| {
        it.group.is_empty()
            && it.kind == "Service"
            && it.name.as_deref().is_none_or(|name| name.is_empty() || name == service.name())
    };
    let grants = around.grants.iter().filter(|grant| grant.key.namespace() == service.namespace());
    grants
        .map(|grant| &grant.object.spec)
        .any(|spec| spec.from.iter().any(is_from) && spec.to.iter().any(is_to))
}

/// What to do about a reference that is not permitted.
pub(super) fn advice(from: Referrer, namespace: &str, service: &ObjectKey) -> String {
    format!(
        "Service {service} lies in another namespace; it needs a ReferenceGrant in `{}` from {} of `{namespace}`",
        service.namespace(),
        from.kind,
    )
}
