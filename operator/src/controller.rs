//! One round of the walk. The table of contents of this crate: each line is a room.

use crate::apply::{ApplyError, Sink};
use crate::build::{self, Applied, Config, Desired};
use crate::observe::Source;
use crate::observe::files::finding::Finding;
use crate::status::conditions;
use crate::status::document::StatusList;
use crate::telemetry::metrics::{Scope, Stage};
use crate::telemetry::spans::{self, within};
use crate::translate;
use crate::validate;

/// What a round did.
#[derive(Debug)]
pub struct Round {
    pub gateways: Vec<Desired<Applied>>,
    pub status: StatusList,
    pub findings: Vec<Finding>,
    /// What has neither an object nor a file to stand beside.
    pub notes: Vec<String>,
}

impl Round {
    /// Everything that the user should be told, a line for each.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let refused = self.gateways.iter().filter_map(|it| match &it.config {
            Config::Refused { message } => {
                Some(format!("Gateway {} keeps what it has: {message}", it.gateway))
            }
            Config::Unchanged(_) | Config::Changed { .. } => None,
        });
        self.findings.iter().map(ToString::to_string).chain(self.notes.iter().cloned()).chain(refused)
    }
}

/// Looks at what exists and makes everything so.
pub fn reconcile(source: &mut Source, sink: &mut Sink) -> Result<Round, ApplyError> {
    let _trace = spans::reconcile(Scope::All).entered();
    let seen = within(Stage::Observe, || source.observe(validate::object::admit));
    let (accepted, verdicts) = within(Stage::Validate, || validate::decide(&seen.world));
    let snapshots = within(Stage::Translate, || translate::snapshots(&seen.world, &accepted));
    let prepared = within(Stage::Build, || build::resources(snapshots, &accepted.refused, sink.current()));
    let applied = within(Stage::Apply, || sink.apply(prepared));
    let statuses = conditions::statuses(&verdicts, &applied);
    let status = StatusList::new(statuses, &seen.findings, &verdicts.notes);
    within(Stage::Status, || sink.write_status(&status))?;
    Ok(Round { gateways: applied, status, findings: seen.findings, notes: verdicts.notes })
}
