//! The one shape of "your input is wrong": the same value becomes a cause of an admission answer, a condition
//! message and a line of `rebound-operator validate`.

mod nearest;

use std::fmt;

pub use nearest::{hint, nearest};

/// One thing that is wrong with an object, or that will hurt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Where, as the user wrote it: `spec.ports[0].config.retryOn[1]`; empty: the object itself.
    pub path: String,
    /// What kind of mistake.
    pub reason: Reason,
    /// What is wrong and how to put it right, in one sentence.
    pub message: String,
}

/// Kinds of mistakes; the names are Kubernetes' `StatusCause` reasons where one fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A field is missing.
    Required,
    /// A value that the field does not take.
    Invalid,
    /// A number or a size outside its bounds.
    OutOfRange,
    /// The same thing twice.
    Duplicate,
    /// A name that is not one of a closed set.
    NotSupported,
    /// Fields that exclude each other, or whose relation is wrong.
    Conflict,
    /// A field that this version accepts but does not act on.
    NotInEffect,
    /// Legal, but the arithmetic says that it will hurt.
    Dangerous,
}

/// Everything that there is to say about one object: what makes it invalid, and what is legal but deserves a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Mistakes; an object with any is refused.
    pub violations: Vec<Violation>,
    /// Remarks; they refuse nothing.
    pub warnings: Vec<Violation>,
}

impl Report {
    /// Whether the object is valid.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl Violation {
    /// A violation at `path`.
    pub fn new(path: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self { path: path.into(), reason, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}
