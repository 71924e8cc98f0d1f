//! What `validate` thinks of each object: the material of its status.

use std::sync::Arc;

use rebound_api::crd::condition::Reason;
use rebound_api::crd::parent_ref::ParentReference;
use rebound_api::crd::target_ref::Target;
use rebound_api::name::ObjectKey;
use rebound_api::violation::Violation;

/// One verdict for each object of ours, in the order of the world.
#[derive(Debug, Clone, Default)]
pub struct Verdicts {
    /// Who speaks.
    pub controller: String,
    pub classes: Vec<ClassVerdict>,
    pub gateways: Vec<GatewayVerdict>,
    pub routes: Vec<Arc<RouteVerdict>>,
    pub policies: Vec<PolicyVerdict>,
    /// Things that have no status to stand in, such as a parent that does not exist.
    pub notes: Vec<String>,
}

/// Why something is not in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct ClassVerdict {
    pub name: String,
    pub generation: Option<i64>,
    /// Against `Accepted`.
    pub refused: Option<Refusal>,
    pub warnings: Vec<Violation>,
}

#[derive(Debug, Clone)]
pub struct GatewayVerdict {
    pub key: ObjectKey,
    pub generation: Option<i64>,
    /// Against `Accepted`, whatever its listeners are worth.
    pub refused: Option<Refusal>,
    pub listeners: Vec<ListenerVerdict>,
    pub warnings: Vec<Violation>,
}

#[derive(Debug, Clone)]
pub struct ListenerVerdict {
    pub name: String,
    /// Whether HTTPRoutes may attach: the only kind there is.
    pub takes_http_routes: bool,
    pub attached_routes: usize,
    /// Against `Accepted`.
    pub refused: Option<Refusal>,
    /// For `Conflicted`.
    pub conflicted: Option<Refusal>,
    /// Against `ResolvedRefs`.
    pub unresolved: Option<Refusal>,
}

#[derive(Debug, Clone)]
pub struct RouteVerdict {
    pub key: ObjectKey,
    pub generation: Option<i64>,
    /// The Gateways of ours that the route names.
    pub parents: Vec<ParentVerdict>,
    /// What becomes of each rule.
    pub fates: Vec<Fate>,
    /// Mistakes for which a rule matches no request.
    pub dropped: Vec<Violation>,
    /// Mistakes for which a rule, or the share of one of its backends, is answered with 500.
    pub answered_500: Vec<Violation>,
    /// Against `ResolvedRefs`.
    pub unresolved: Option<Refusal>,
    pub warnings: Vec<Violation>,
}

/// What becomes of a rule, or of one of its backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody can say which requests it is for.
    Dropped,
    /// It cannot be carried out as written; its requests must not go on as if it said less.
    Answers500,
    /// It is carried out.
    Served,
}

#[derive(Debug, Clone)]
pub struct ParentVerdict {
    pub parent: ParentReference,
    /// The Gateway that `parent` means.
    pub gateway: ObjectKey,
    /// Against `Accepted`.
    pub refused: Option<Refusal>,
    /// Whether one of the listeners that the route attaches to is served.
    pub is_served: bool,
}

#[derive(Debug, Clone)]
pub struct PolicyVerdict {
    pub key: ObjectKey,
    pub generation: Option<i64>,
    /// Mistakes in the policy itself; any one takes all of it out of effect.
    pub violations: Vec<Violation>,
    pub warnings: Vec<Violation>,
    pub targets: Vec<TargetVerdict>,
}

/// A policy and one of its targets.
#[derive(Debug, Clone)]
pub struct TargetVerdict {
    pub target: Target,
    /// Nothing of the policy is in effect for this target.
    pub refused: Option<Refusal>,
    /// The ports that the policy holds.
    pub held: Vec<u16>,
    /// Why it does not get the other ports that it asks for.
    pub withheld: Vec<Refusal>,
    /// The Gateways of ours that lead to a port that the policy holds.
    pub ancestors: Vec<Ancestor>,
}

/// A Gateway that leads to a policy's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    pub gateway: ObjectKey,
    /// Backends of rules that lead there.
    pub backends: usize,
    /// Those among them whose rule has its own `retry`.
    pub overridden: usize,
}

impl Refusal {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl TargetVerdict {
    pub fn new(target: Target) -> Self {
        Self { target, refused: None, held: Vec::new(), withheld: Vec::new(), ancestors: Vec::new() }
    }

    /// Whether the policy is refused here or has a mistake: what there is to say is then about every port.
    pub fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }
}

impl ListenerVerdict {
    /// Whether connections can be accepted and requests answered.
    pub fn is_usable(&self) -> bool {
        self.refused.is_none() && self.conflicted.is_none()
    }
}
