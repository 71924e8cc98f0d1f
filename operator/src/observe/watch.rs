//! Notices that the files have changed. What has changed is not asked: they are all read again.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The files are read at least this often: a file system that sends no events must not freeze the configuration.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A file that was written less than this ago may be written on.
const SETTLED: Duration = Duration::from_secs(1);

/// Watches the folders in which files can change, appear or be replaced.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    inotify: Arc<Inotify>,
    changes: Receiver<()>,
}

impl Watch {
    /// Watches nothing until [`Self::follow`] is called.
    pub fn new(paths: Vec<PathBuf>) -> io::Result<Self> {
        let inotify = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC)?);
        // One place is enough: a change that finds it taken is covered by the one that took it.
        let (sender, changes) = mpsc::channel(1);
        let queue = inotify.clone();
        std::thread::Builder::new().name("watch".into()).spawn(move || pass_on(&queue, &sender))?;
        Ok(Self { paths, inotify, changes })
    }

    /// Watches the folders of all files as they are now. Links are followed to where they end, and watched where they
    /// stand as well: either may be replaced. A folder that is gone takes its watch along.
    pub fn follow(&self) {
        let folders: BTreeSet<_> = self.paths.iter().flat_map(|path| folders(path)).collect();
        for folder in folders {
            // Again even if known: the path may lead to another folder than before, and if not it costs nothing.
            if let Err(error) = self.inotify.add_watch(&folder, changes()) {
                tracing::debug!(%error, folder = %folder.display(), "changes here are noticed late");
            }
        }
    }

    /// True after a change and `debounce` more, or when it is time to look again; false when `stop` comes first.
    pub async fn changed_or(&mut self, stop: impl Future<Output = ()>, debounce: Duration) -> bool {
        tokio::select! {
            Some(()) = self.changes.recv() => {
                tokio::time::sleep(debounce).await;
                // What came meanwhile is seen by the look that follows.
                let _ = self.changes.try_recv();
                true
            }
            () = time_to_look(&self.paths) => true,
            () = stop => false,
        }
    }
}

/// Nobody has said that the files are complete: waits until they look so, at most for another [`LOOK_AGAIN`].
async fn time_to_look(paths: &[PathBuf]) {
    tokio::time::sleep(LOOK_AGAIN).await;
    let latest = Instant::now() + LOOK_AGAIN;
    while is_being_written(paths) && Instant::now() < latest {
        tokio::time::sleep(SETTLED).await;
    }
}

fn is_being_written(paths: &[PathBuf]) -> bool {
    let is_young = |path: &Path| {
        let written = std::fs::metadata(path).and_then(|it| it.modified());
        // One from the future says nothing.
        written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < SETTLED))
    };
    let inside = |path: &PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    paths.iter().any(|path| is_young(path) || inside(path).any(|it| is_young(&it.path())))
}

/// Blocks on the kernel's queue, on a thread of its own that ends with the program.
fn pass_on(queue: &Inotify, changes: &Sender<()>) {
    loop {
        match queue.read_events() {
            Ok(_) if matches!(changes.try_send(()), Err(TrySendError::Closed(()))) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return tracing::error!(%error, "changes of files are noticed late from now on"),
        }
    }
}

/// Files that are complete, come, go or change their owner. Not each single write: half a file is none.
fn changes() -> AddWatchFlags {
    AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
}

fn folders(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let files = std::fs::read_dir(path).into_iter().flatten().flatten();
        let linked = files.map(|it| it.path()).filter(|it| it.is_symlink()).filter_map(|it| end_folder(&it));
        return linked.chain([path.to_owned()]).collect();
    }
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    end_folder(path).into_iter().chain([parent.to_owned()]).collect()
}

/// The folder in which a path ends when all links are followed.
fn end_folder(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()?.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_file_that_was_just_written_may_be_half_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gw.yaml");
        let file = File::create(&path).unwrap();
        let paths = [folder.path().to_owned()];
        let long_ago = SystemTime::now() - 2 * SETTLED;
        File::open(folder.path()).unwrap().set_modified(long_ago).unwrap();
        assert!(is_being_written(&paths) && is_being_written(std::slice::from_ref(&path)));
        file.set_modified(long_ago).unwrap();
        assert!(!is_being_written(&paths) && !is_being_written(&[path]));
    }
}
