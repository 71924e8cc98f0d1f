//! `run`: the walk again after every change of the files, and a data plane beside it for each Gateway.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::fleet::{Fleet, Program};
use super::{USAGE_OR_IO, refuse_loop, screen, settings};
use crate::apply::Sink;
use crate::apply::files::Folder;
use crate::cli::Run;
use crate::controller::{self, Round};
use crate::observe::Source;
use crate::observe::files::Files;
use crate::observe::files::finding::Severity;
use crate::observe::watch::Watch;

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
    let mut source = Source::Files(Files::new(settings));
    let mut sink = Sink::Files(Folder::open(out.path().into())?);
    screen::line(format_args!("out={}", out.path().display()))?;
    let mut fleet = Fleet::new(program);
    let mut told = Vec::new();
    // Before the first look, as before each later one: what changes while we look is another change.
    watch.follow();
    let first = controller::reconcile(&mut source, &mut sink)?;
    tell(&mut told, &first);
    if first.findings.iter().any(|it| it.severity == Severity::Unreadable) {
        return Ok(ExitCode::from(USAGE_OR_IO));
    }
    fleet.adjust(&sink);
    while watch.changed_or(stop.wanted(), DEBOUNCE).await {
        watch.follow();
        match controller::reconcile(&mut source, &mut sink) {
            Ok(round) => tell(&mut told, &round),
            Err(error) => tracing::error!("{:#}", anyhow::Error::new(error)),
        }
        fleet.adjust(&sink);
    }
    tracing::info!("draining");
    fleet.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints what was found, once for each time that it changes.
fn tell(told: &mut Vec<String>, round: &Round) {
    let lines: Vec<_> = round.lines().collect();
    lines.iter().filter(|it| !told.contains(it)).for_each(screen::tell);
    *told = lines;
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

/// The signals that end the program: from a supervisor, from the keyboard, from a terminal that closes. Left to
/// themselves the last two would end the operator and leave its data planes behind.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wanted(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
