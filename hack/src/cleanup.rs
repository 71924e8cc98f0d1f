//! What must not outlive a verb: child processes and temporary folders.
//!
//! Values clean up after themselves when they are dropped. A signal, or a deadline that passes, drops nothing: for
//! those every child and folder is also on a list of the process, and leaving goes through [`leave`].

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::say;

/// How long a child may take to leave after SIGTERM: it may have children of its own to wait for.
pub const LEAVE_MAX: Duration = Duration::from_secs(10);

struct Owned {
    groups: Vec<Group>,
    folders: Vec<PathBuf>,
}

/// A child with its descendants.
#[derive(Debug, Clone, Copy)]
struct Group {
    id: Pid,
    /// How long it may take to leave; zero when it is killed without being asked.
    patience: Duration,
}

static OWNED: Mutex<Owned> = Mutex::new(Owned { groups: Vec::new(), folders: Vec::new() });

fn owned() -> MutexGuard<'static, Owned> {
    static SIGNALS: Once = Once::new();
    // Whoever owns something must not be ended without a word: also a test executable, whose main is not ours.
    SIGNALS.call_once(|| {
        let handled = ctrlc::set_handler(|| {
            say::warn("stopped by a signal");
            leave(130)
        });
        if let Err(error) = handled {
            say::warn(&format!("signals end this process before it can clean up: {error}"));
        }
    });
    OWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child process with its descendants, in a process group of its own; ended when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Group,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        // On the list under the same lock: a signal between the two would leave the child behind.
        let mut owned = owned();
        let child = command.process_group(0).spawn();
        let child = child.with_context(|| format!("start {}", command.get_program().display()))?;
        let id = Pid::from_raw(i32::try_from(child.id()).context("process id")?);
        let group = Group { id, patience: LEAVE_MAX };
        owned.groups.push(group);
        Ok(Self { child, group })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for the end, at most `limit`; `None` when it still runs.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Process {
    /// Signals it and its descendants. One that is gone already is no error.
    pub fn signal(&self, what: Signal) {
        signal(self.group.id, what);
    }

    /// With nothing to lose: killed when dropped, and not asked to leave first.
    #[must_use]
    pub fn expendable(mut self) -> Self {
        self.group.patience = Duration::ZERO;
        let mut owned = owned();
        owned.groups.retain(|group| group.id != self.group.id);
        owned.groups.push(self.group);
        drop(owned);
        self
    }

    /// Ends it: SIGTERM, and SIGKILL when it has not left after `grace`, which may be zero.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn end(&mut self, grace: Duration) -> anyhow::Result<ExitStatus> {
        if !grace.is_zero() {
            self.signal(Signal::SIGTERM);
            if let Some(status) = self.wait(grace)? {
                return Ok(status);
            }
        }
        self.signal(Signal::SIGKILL);
        Ok(self.child.wait()?)
    }

    /// Lets it run on when this process has gone.
    pub fn release(self) {
        owned().groups.retain(|group| group.id != self.group.id);
        // Dropping it would end it.
        std::mem::forget(self);
    }
}

impl Group {
    /// How it is told to leave.
    fn farewell(&self) -> Signal {
        if self.patience.is_zero() { Signal::SIGKILL } else { Signal::SIGTERM }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Group { id, patience } = self.group;
        signal(id, self.group.farewell());
        if !matches!(self.wait(patience), Ok(Some(_))) && !patience.is_zero() {
            say::warn(&format!("process {id} does not leave: killed"));
        }
        // Also when it left: what it started may have stayed.
        signal(id, Signal::SIGKILL);
        drop(self.child.wait());
        owned().groups.retain(|group| group.id != id);
    }
}

/// A temporary folder, removed when dropped.
#[derive(Debug)]
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    /// Makes an empty folder.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new() -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("rebound-").tempdir().context("make a temporary folder")?;
        owned().folders.push(folder.path().to_path_buf());
        Ok(Self { folder })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        owned().folders.retain(|path| path != self.folder.path());
    }
}

/// Leaves through [`leave`] when `limit` has passed, whatever the verb is doing then. Dropping it calls that off.
#[derive(Debug)]
pub struct Deadline {
    _called_off: Sender<()>,
}

impl Deadline {
    /// Starts the clock.
    #[must_use]
    pub fn start(limit: Duration, what: &'static str) -> Self {
        let (called_off, wait) = mpsc::channel();
        thread::spawn(move || {
            if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                say::warn(&format!("{what} took longer than {} s: stopped", limit.as_secs()));
                leave(1);
            }
        });
        Self { _called_off: called_off }
    }
}

/// Signals a whole process group. One that is gone already is what was wanted.
fn signal(group: Pid, signal: Signal) {
    killpg(group, signal).unwrap_or_default();
}

/// Whether a child has ended; takes its exit status away, which nobody waits for any more.
fn has_left(child: Pid) -> bool {
    !matches!(waitpid(child, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
}

/// Ends every child, also those of other threads, removes every folder, then ends the process.
pub fn leave(code: i32) -> ! {
    let owned = owned();
    for group in &owned.groups {
        signal(group.id, group.farewell());
    }
    let deadline = Instant::now() + LEAVE_MAX;
    while owned.groups.iter().any(|group| !has_left(group.id)) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    for group in &owned.groups {
        signal(group.id, Signal::SIGKILL);
    }
    for folder in &owned.folders {
        drop(std::fs::remove_dir_all(folder));
    }
    std::process::exit(code)
}
