//! Everything that a status can say: condition types and their reasons, in one list for the operator and the docs.
//!
//! Names and meanings are Gateway API's where it has them, and GEP-713's for policies. A condition here has no
//! transition time: whoever writes it has a clock and the previous status to compare with.

use serde::{Deserialize, Serialize};

/// The longest message that Kubernetes takes (`metav1.Condition`); what is longer is cut.
pub const MESSAGE_MAX_CHARS: usize = 32_768;

/// One statement about an object, as it stands in `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the statement is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Status,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people. Names every field that has no effect.
    pub message: String,
    /// The `metadata.generation` that the statement is about; files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a statement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// GatewayClass, Gateway, listener, route, policy: the object is valid and may take effect.
    Accepted,
    /// Gateway, listener, policy: the data plane has been given the configuration that the object asks for.
    Programmed,
    /// Listener, route: everything that the object refers to exists and may be referred to.
    ResolvedRefs,
    /// Listener: another listener claims the same port in a way that excludes this one.
    Conflicted,
    /// Route: some rules, or shares of them, are not in effect as written; the message names them.
    PartiallyInvalid,
}

/// Why a condition has its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// `Accepted` is true.
    Accepted,
    /// `Programmed` is true.
    Programmed,
    /// `ResolvedRefs` is true.
    ResolvedRefs,
    /// `Conflicted` is false.
    NoConflicts,
    /// The object breaks a rule of its kind; the message says where and how to put it right.
    Invalid,
    /// GatewayClass, Gateway: the GatewayConfig that it names does not exist or is not valid. A Gateway keeps what it has.
    InvalidParameters,
    /// Gateway: an address is asked for that the traffic Service cannot get. The Gateway keeps what it has.
    UnsupportedAddress,
    /// Gateway: at least one listener is not valid; its own conditions say why.
    ListenersNotValid,
    /// Listener: this build does not speak the protocol.
    UnsupportedProtocol,
    /// Listener: the address and port belong to an older Gateway, or the port to the data plane itself.
    PortUnavailable,
    /// Listener: `allowedRoutes` names a kind of route that does not fit the protocol.
    InvalidRouteKinds,
    /// Listener: another listener of the Gateway speaks another protocol on the same port.
    ProtocolConflict,
    /// Listener: another listener of the Gateway has the same port and hostname.
    HostnameConflict,
    /// Route: no listener of the parent lets routes of this kind or namespace in.
    NotAllowedByListeners,
    /// Route: the parent has no listener of that name or port.
    NoMatchingParent,
    /// Route: the hostnames of route and listener have nothing in common.
    NoMatchingListenerHostname,
    /// Route: a value that is wrong or that this build does not act on; `PartiallyInvalid` if rules are left.
    UnsupportedValue,
    /// Route: a Service or its port does not exist; its share of requests is answered with 500.
    BackendNotFound,
    /// Route: a backend of a kind that is not routed to; its share of requests is answered with 500.
    InvalidKind,
    /// Route, policy: the object referred to lies in another namespace, where no ReferenceGrant allows it.
    RefNotPermitted,
    /// Policy: the Service or its port does not exist.
    TargetNotFound,
    /// Policy: an older policy holds the Service port.
    Conflicted,
    /// Policy: every rule that leads to the target has its own `retry`; only the policy's ceilings bind.
    Overridden,
    /// Policy: in effect for a part of what it asks for; the message names the rest.
    PartiallyProgrammed,
    /// Policy: the configuration is on its way.
    Reconciling,
    /// Gateway, listener: the configuration is on its way, or no data plane is ready.
    Pending,
    /// Gateway: data planes serve the configuration, and its Service has no address yet that clients could reach.
    AddressNotAssigned,
}

impl Condition {
    /// `kind` holds.
    pub fn holds(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, Status::True, reason, message.into())
    }

    /// `kind` does not hold.
    pub fn fails(kind: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, Status::False, reason, message.into())
    }

    /// The same statement, made about this `metadata.generation`.
    #[must_use]
    pub fn observed(mut self, generation: Option<i64>) -> Self {
        self.observed_generation = generation;
        self
    }

    fn new(kind: ConditionType, status: Status, reason: Reason, mut message: String) -> Self {
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX_CHARS) {
            message.truncate(end);
        }
        Self { kind, status, reason, message, observed_generation: None }
    }
}
