//! Labels and their values. Each value is an enum's, but for the kinds of objects: those are as many as we know.

use std::fmt::{Error, Write};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Enums whose variants are label values.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($(#[$why:meta])* $variant:ident = $value:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$why])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As it is written in a label.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $value,)* }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
                encoder.write_str(self.name())
            }
        }
    )*};
}

values! {
    /// What a walk covered.
    Scope {
        /// Everything.
        All = "all",
        /// Only the endpoints of backends have changed.
        Endpoints = "endpoints",
        /// Only what is seen of data planes has changed, or an object of ours was changed by somebody else.
        Rest = "rest",
    }
    /// How something ended.
    Outcome {
        /// As it should.
        Success = "success",
        /// With an error; it is tried again.
        Failure = "failure",
        /// Somebody else wrote first; it is tried again.
        Conflict = "conflict",
    }
    /// A part of a walk.
    Stage {
        /// Objects to one world.
        Observe = "observe",
        /// What is valid, and what is attached to what.
        Validate = "validate",
        /// The snapshots.
        Translate = "translate",
        /// The objects as they should be.
        Build = "build",
        /// Writing what differs.
        Apply = "apply",
        /// Writing conditions that differ.
        Status = "status",
    }
    /// What a write asks for.
    Verb {
        /// Server-side apply.
        Apply = "apply",
        /// Anything else that changes an object.
        Patch = "patch",
        /// Removal.
        Delete = "delete",
    }
    /// The answer to an admission review.
    Review {
        /// The object may be stored.
        Allowed = "allowed",
        /// It may not.
        Denied = "denied",
        /// The review itself could not be read.
        Unreadable = "unreadable",
    }
    /// What became of a span.
    Spans {
        /// A collector has it.
        Exported = "exported",
        /// No collector took it.
        Failed = "failed",
        /// It was thrown away because too many were waiting.
        Dropped = "dropped",
    }
}

/// One label and its value.
pub(super) type Of<T> = [(&'static str, T); 1];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRound {
    pub(super) scope: Scope,
    pub(super) result: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfWrite {
    pub(super) kind: String,
    pub(super) verb: Verb,
    pub(super) result: Outcome,
}

/// How a request to the API server ended.
impl<T> From<&kube::Result<T>> for Outcome {
    fn from(result: &kube::Result<T>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(kube::Error::Api(status)) if status.code == 409 => Self::Conflict,
            Err(_) => Self::Failure,
        }
    }
}
