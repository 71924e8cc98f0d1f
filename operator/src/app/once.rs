//! The commands that look once: `render`, `validate`, `crds`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use futures::executor::block_on;
use serde_json::json;

use super::{NOT_VALID, USAGE_OR_IO, refuse_loop, screen, settings};
use crate::apply::Sink;
use crate::apply::files::Folder;
use crate::build::{Desired, Install};
use crate::cli::{Objects, Output, Render, Validate};
use crate::controller::Walk;
use crate::observe::Source;
use crate::observe::files::Files;
use crate::observe::files::finding::{Finding, Severity};
use crate::status::Board;
use crate::status::file::StatusFile;
use crate::validate::object;

/// Writes snapshots and status of whatever is valid, and tells about the rest.
pub(super) fn render(args: Render) -> anyhow::Result<ExitCode> {
    refuse_loop(&args.out, &args.paths)?;
    let settings = settings(args.paths, args.objects);
    let board = Board::File(StatusFile::open(&args.out));
    let mut walk = Walk::new(
        Source::Files(Box::new(Files::new(settings))),
        Sink::Files(Folder::open(args.out)?),
        board,
        Install::default(),
        Arc::default(),
    );
    let round = block_on(walk.reconcile())?;
    round.lines.iter().try_for_each(screen::line)?;
    if walk.applied().iter().any(Desired::is_refused) {
        return Ok(ExitCode::from(NOT_VALID));
    }
    Ok(exit_code(&round.findings))
}

/// Prints every violation and warning.
pub(super) fn validate(args: Validate) -> anyhow::Result<ExitCode> {
    let paths: Vec<_> = args.paths.into_iter().chain(args.filename).collect();
    let mut files = Files::new(settings(paths, Objects { namespace: args.namespace, backends: Vec::new() }));
    let findings = files.observe(object::admit).findings;
    match args.output {
        Output::Text => findings.iter().try_for_each(screen::line)?,
        Output::Json => screen::line(as_json(&findings))?,
    }
    if files.is_empty() && is_fine(&findings) {
        bail!("there is nothing to validate: no object stands in any file");
    }
    Ok(exit_code(&findings))
}

/// Prints the CustomResourceDefinitions as one YAML stream.
pub(super) fn crds() -> anyhow::Result<ExitCode> {
    for crd in rebound_api::crd::all() {
        screen::line(format_args!("---\n{}", serde_saphyr::to_string(&crd)?.trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn exit_code(findings: &[Finding]) -> ExitCode {
    let worst = findings.iter().map(|it| it.severity).min();
    match worst {
        Some(Severity::Unreadable) => ExitCode::from(USAGE_OR_IO),
        Some(Severity::Error) => ExitCode::from(NOT_VALID),
        Some(Severity::Warning | Severity::Skipped) | None => ExitCode::SUCCESS,
    }
}

fn is_fine(findings: &[Finding]) -> bool {
    findings.iter().all(|it| it.severity > Severity::Error)
}

fn as_json(findings: &[Finding]) -> serde_json::Value {
    let finding = |it: &Finding| {
        json!({
            "severity": it.severity.as_str(),
            "file": it.file.display().to_string(),
            "line": it.line,
            "path": it.path,
            "message": it.message,
        })
    };
    json!({ "valid": is_fine(findings), "findings": findings.iter().map(finding).collect::<Vec<_>>() })
}
