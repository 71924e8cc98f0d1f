//! `run`: the walk again after every change of the files, and a data plane beside it for each Gateway.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::fleet::{Fleet, Program};
use super::stop::Stop;
use super::{USAGE_OR_IO, refuse_loop, screen, settings};
use crate::apply::Sink;
use crate::apply::files::Folder;
use crate::build::Install;
use crate::cli::Run;
use crate::controller::{Round, Walk};
use crate::observe::Source;
use crate::observe::files::Files;
use crate::observe::files::finding::Severity;
use crate::observe::watch::Watch;
use crate::status::Board;
use crate::status::file::StatusFile;

const DATAPLANE: &str = "rebound-dataplane";
/// An edit often comes as several events; this long after the first one the files are read.
const DEBOUNCE: Duration = Duration::from_millis(5);

/// Serves until SIGTERM or SIGINT, then drains.
pub(super) fn run(args: Run) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: Run) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new()?;
    let out = Out::new(args.out)?;
    refuse_loop(out.path(), &args.paths)?;
    let program = Program { path: find_dataplane(args.dataplane)?, bind: args.bind, admin: args.admin };
    let mut watch = Watch::new(args.paths.clone())?;
    let settings = settings(args.paths, args.objects);
    let source = Source::Files(Box::new(Files::new(settings)));
    let sink = Sink::Files(Folder::open(out.path().into())?);
    let mut walk = Walk::new(
        source,
        sink,
        Board::File(StatusFile::open(out.path())),
        Install::default(),
        Arc::default(),
    );
    screen::line(format_args!("out={}", out.path().display()))?;
    let mut fleet = Fleet::new(program);
    let mut told = Vec::new();
    // Before the first look, as before each later one: what changes while we look is another change.
    watch.follow();
    let first = walk.reconcile().await?;
    tell(&mut told, &first);
    if first.findings.iter().any(|it| it.severity == Severity::Unreadable) {
        return Ok(ExitCode::from(USAGE_OR_IO));
    }
    fleet.adjust(&walk.sink);
    while watch.changed_or(stop.wanted(), DEBOUNCE).await {
        watch.follow();
        match walk.reconcile().await {
            Ok(round) => tell(&mut told, &round),
            Err(error) => tracing::error!("{:#}", anyhow::Error::new(error)),
        }
        fleet.adjust(&walk.sink);
    }
    tracing::info!("draining");
    fleet.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints what was found, once for each time that it changes.
fn tell(told: &mut Vec<String>, round: &Round) {
    let lines = &round.lines;
    lines.iter().filter(|it| !told.contains(it)).for_each(screen::tell);
    told.clone_from(lines);
}

fn find_dataplane(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path,
        None => std::env::current_exe().context("cannot find this program")?.with_file_name(DATAPLANE),
    };
    if !path.is_file() {
        bail!("no data plane at {}; name it with --dataplane or REBOUND_DATAPLANE", path.display());
    }
    Ok(path)
}

/// The folder for snapshots and status.
enum Out {
    Given(PathBuf),
    /// Removed when dropped.
    Temporary(tempfile::TempDir),
}

impl Out {
    fn new(given: Option<PathBuf>) -> anyhow::Result<Self> {
        match given {
            Some(path) => Ok(Self::Given(path)),
            None => Ok(Self::Temporary(tempfile::Builder::new().prefix("rebound-").tempdir()?)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
