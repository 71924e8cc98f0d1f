//! A place in an object while it is looked at: knows its path, and where to report.

use std::fmt;

use rebound_api::crd::Unread;
use rebound_api::violation::{Reason, Report, Violation};

/// A field, such as `spec.rules[0].matches[1]`.
#[derive(Debug)]
pub(super) struct Place<'r> {
    report: &'r mut Report,
    path: Path<'r>,
}

/// The way to a field. Written out only when there is something to say about it: most fields are in order.
#[derive(Debug, Clone, Copy)]
struct Path<'r> {
    parent: Option<&'r Self>,
    field: &'r str,
    index: Option<usize>,
}

impl<'r> Place<'r> {
    pub(super) fn new(report: &'r mut Report, field: &'r str) -> Self {
        Self { report, path: Path { parent: None, field, index: None } }
    }

    /// A field of this one.
    pub(super) fn at<'s>(&'s mut self, field: &'s str) -> Place<'s> {
        Place { path: Path { parent: Some(&self.path), field, index: None }, report: self.report }
    }

    /// An item of a field that is a list.
    pub(super) fn item<'s>(&'s mut self, field: &'s str, index: usize) -> Place<'s> {
        Place { path: Path { parent: Some(&self.path), field, index: Some(index) }, report: self.report }
    }

    /// The value breaks a rule.
    pub(super) fn wrong(&mut self, message: impl Into<String>) {
        self.violation(Reason::Invalid, message);
    }

    /// The value is not one of those that this build acts on.
    pub(super) fn unknown(&mut self, value: &str, what: &str) {
        self.violation(Reason::NotSupported, format!("`{value}` is not {what}"));
    }

    /// The value breaks a rule unless it `holds`.
    pub(super) fn ensure(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.wrong(message());
        }
    }

    /// The value is accepted, and the user should know something about it.
    pub(super) fn warn(&mut self, reason: Reason, message: impl Into<String>) {
        self.report.warnings.push(Violation::new(self.path.to_string(), reason, message));
    }

    /// Tells about every field that has no effect.
    pub(super) fn unread(&mut self, fields: &Unread) {
        for name in fields.keys() {
            self.at(name).warn(Reason::NotInEffect, format!("`{name}` has no effect in this version"));
        }
    }

    /// How much was wrong so far, here and anywhere else in the report.
    pub(super) fn mistakes(&self) -> usize {
        self.report.violations.len()
    }

    fn violation(&mut self, reason: Reason, message: impl Into<String>) {
        self.report.violations.push(Violation::new(self.path.to_string(), reason, message));
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.field)?;
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}
