//! Every statement that a status can make, with what to do about it: one list for the reference page and for the test
//! that produces each of them on a real API server.
//!
//! Data only. What a reason means stands with the reason, in `api`.

use rebound_api::crd::condition::ConditionType::{
    self, Accepted, Conflicted, PartiallyInvalid, Programmed, ResolvedRefs,
};
use rebound_api::crd::condition::Reason;
use rebound_api::crd::condition::Status::{self, False, True};

/// One statement about one kind of object.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The kind; a listener is a part of a Gateway.
    pub kind: &'static str,
    /// What the statement is about.
    pub condition: ConditionType,
    /// Whether it holds.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What whoever reads it can do; empty when nothing has to be done.
    pub remedy: &'static str,
}

impl Row {
    /// As tests write it: `Listener: Accepted=False/UnsupportedProtocol`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}: {:?}={:?}/{:?}", self.kind, self.condition, self.status, self.reason)
    }
}

const CLASS: &str = "GatewayClass";
const GATEWAY: &str = "Gateway";
const LISTENER: &str = "Listener";
const ROUTE: &str = "HTTPRoute";
const POLICY: &str = "RetryPolicy";

/// All of them, in the order of the reference page.
pub const ROWS: &[Row] = &[
    row(CLASS, Accepted, True, Reason::Accepted, ""),
    row(
        CLASS,
        Accepted,
        False,
        Reason::InvalidParameters,
        "create or correct the GatewayConfig; Gateways of the class keep what they have",
    ),
    row(GATEWAY, Accepted, True, Reason::Accepted, ""),
    row(
        GATEWAY,
        Accepted,
        True,
        Reason::ListenersNotValid,
        "look at the conditions of the listeners that the message names; the others are served",
    ),
    row(
        GATEWAY,
        Accepted,
        False,
        Reason::ListenersNotValid,
        "look at the conditions of the listeners: none is served",
    ),
    row(
        GATEWAY,
        Accepted,
        False,
        Reason::InvalidParameters,
        "create or correct the GatewayConfig that the message names",
    ),
    row(
        GATEWAY,
        Accepted,
        False,
        Reason::UnsupportedAddress,
        "ask for one IPAddress, and for a Service of type LoadBalancer",
    ),
    row(
        GATEWAY,
        Accepted,
        False,
        Reason::Invalid,
        "rename the Gateway: its objects would have the names of an older one's",
    ),
    row(GATEWAY, Programmed, True, Reason::Programmed, ""),
    row(
        GATEWAY,
        Programmed,
        False,
        Reason::Pending,
        "wait; if it stays, look at the Deployment of the Gateway and at the logs of its pods",
    ),
    row(
        GATEWAY,
        Programmed,
        False,
        Reason::AddressNotAssigned,
        "wait for the load balancer; where there is none, ask for another `service.type` in a GatewayConfig",
    ),
    row(
        GATEWAY,
        Programmed,
        False,
        Reason::Invalid,
        "do what `Accepted` asks for, or make the configuration smaller where the message says that it is too large",
    ),
    row(LISTENER, Accepted, True, Reason::Accepted, ""),
    row(
        LISTENER,
        Accepted,
        False,
        Reason::UnsupportedProtocol,
        "use HTTP, or end TLS in front of the Gateway",
    ),
    row(LISTENER, Accepted, False, Reason::PortUnavailable, "choose another port"),
    row(LISTENER, Accepted, False, Reason::ProtocolConflict, "give one of the listeners another port"),
    row(LISTENER, Accepted, False, Reason::HostnameConflict, "give one of the listeners another hostname"),
    row(LISTENER, Accepted, False, Reason::Invalid, "correct the field that the message names"),
    row(LISTENER, Programmed, True, Reason::Programmed, ""),
    row(LISTENER, Programmed, False, Reason::Pending, "as for the Gateway"),
    row(LISTENER, Programmed, False, Reason::Invalid, "do what `Accepted` asks for"),
    row(LISTENER, ResolvedRefs, True, Reason::ResolvedRefs, ""),
    row(LISTENER, ResolvedRefs, False, Reason::InvalidRouteKinds, "allow HTTPRoute only"),
    row(LISTENER, Conflicted, False, Reason::NoConflicts, ""),
    row(LISTENER, Conflicted, True, Reason::ProtocolConflict, "give one of the listeners another port"),
    row(LISTENER, Conflicted, True, Reason::HostnameConflict, "give one of the listeners another hostname"),
    row(ROUTE, Accepted, True, Reason::Accepted, ""),
    row(
        ROUTE,
        Accepted,
        False,
        Reason::NotAllowedByListeners,
        "allow the namespace of the route in `allowedRoutes` of a listener",
    ),
    row(ROUTE, Accepted, False, Reason::NoMatchingParent, "name a listener or port that the Gateway has"),
    row(
        ROUTE,
        Accepted,
        False,
        Reason::NoMatchingListenerHostname,
        "give route and listener a hostname in common",
    ),
    row(
        ROUTE,
        Accepted,
        False,
        Reason::UnsupportedValue,
        "correct the rules that the message names: none is served",
    ),
    row(ROUTE, ResolvedRefs, True, Reason::ResolvedRefs, ""),
    row(
        ROUTE,
        ResolvedRefs,
        False,
        Reason::BackendNotFound,
        "create the Service or its port; until then its share is answered with 500",
    ),
    row(ROUTE, ResolvedRefs, False, Reason::InvalidKind, "name a Service"),
    row(
        ROUTE,
        ResolvedRefs,
        False,
        Reason::RefNotPermitted,
        "create a ReferenceGrant in the namespace of the Service",
    ),
    row(
        ROUTE,
        PartiallyInvalid,
        True,
        Reason::UnsupportedValue,
        "correct the rules that the message names; the others are served",
    ),
    row(POLICY, Accepted, True, Reason::Accepted, ""),
    row(
        POLICY,
        Accepted,
        False,
        Reason::Invalid,
        "correct every field that the message names; the policy is out of effect",
    ),
    row(
        POLICY,
        Accepted,
        False,
        Reason::TargetNotFound,
        "create the Service or its port; the policy takes effect by itself then",
    ),
    row(
        POLICY,
        Accepted,
        False,
        Reason::Conflicted,
        "delete one of the two policies; the older one holds the port",
    ),
    row(
        POLICY,
        Accepted,
        False,
        Reason::RefNotPermitted,
        "create a ReferenceGrant in the namespace of the Service",
    ),
    row(POLICY, Programmed, True, Reason::Programmed, ""),
    row(POLICY, Programmed, True, Reason::PartiallyProgrammed, "look at the parts that the message names"),
    row(
        POLICY,
        Programmed,
        False,
        Reason::Reconciling,
        "wait; if it stays, look at `Programmed` of the Gateway",
    ),
    row(
        POLICY,
        Programmed,
        False,
        Reason::Overridden,
        "take `retry` out of the rules that lead to the Service, or leave it so",
    ),
];

const fn row(
    kind: &'static str,
    condition: ConditionType,
    status: Status,
    reason: Reason,
    remedy: &'static str,
) -> Row {
    Row { kind, condition, status, reason, remedy }
}
