//! Notices that the files have changed. What has changed is not asked: they are all read again.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Watches the folders in which files can change, appear or be replaced.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
    followed: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches nothing until [`Self::follow`] is called.
    pub fn new(paths: Vec<PathBuf>) -> notify::Result<Self> {
        // One place is enough: a change that finds it taken is covered by the one that took it.
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(event.kind)) {
                let _ = sender.try_send(());
            }
        })?;
        Ok(Self { paths, watcher, changes, followed: BTreeSet::new() })
    }

    /// Watches the folders of all files as they are now. Links are followed to where they end, and watched where they
    /// stand as well: either may be replaced.
    pub fn follow(&mut self) {
        let folders: BTreeSet<_> = self.paths.iter().flat_map(|path| folders(path)).collect();
        for gone in self.followed.difference(&folders) {
            // A folder that is gone is not watched any more anyway.
            let _ = self.watcher.unwatch(gone);
        }
        for folder in &folders {
            // Again even if known: the path may lead to another folder than before.
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, folder = %folder.display(), "changes in this folder go unnoticed");
            }
        }
        self.followed = folders;
    }

    /// True after a change and `debounce` more; false when `stop` comes first.
    pub async fn changed_or(&mut self, stop: impl Future<Output = ()>, debounce: Duration) -> bool {
        tokio::select! {
            change = self.changes.recv() => change.is_some() && {
                tokio::time::sleep(debounce).await;
                let _ = self.changes.try_recv();
                true
            },
            () = stop => false,
        }
    }
}

/// Reading is not a change: it would answer itself for ever.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
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
