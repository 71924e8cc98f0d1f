//! Notices that the snapshot file was replaced, and reads it. A thread of its own; blocking calls are fine here.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use rebound_api::config::Snapshot;
use rebound_api::config::codec::{DecodeError, SNAPSHOT_MAX_BYTES, checksum};
use rebound_api::config::reader::Reader;

use crate::clock;

/// The file is read at least this often, whatever inotify says: a directory that is replaced, or a file system that
/// sends no events, must not freeze the configuration.
const POLL_MAX: Duration = Duration::from_secs(5);

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no snapshot, or one that no data plane could act on.
    #[error("{path}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DecodeError,
    },
}

/// What was read.
enum Content {
    Bytes(Vec<u8>),
    Missing,
    Unreadable(io::ErrorKind),
}

/// The file as it was last seen, to tell a new one from an old one.
#[derive(PartialEq, Eq)]
enum Seen {
    Bytes { checksum: u128 },
    Missing,
    Unreadable(io::ErrorKind),
}

/// Reports the file's content now and after each change, until the receiver is gone. A file that does not exist yet
/// is waited for in silence.
pub fn watch(path: &Path, mut report: impl FnMut(Result<Snapshot, LoadError>) -> bool) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (mut seen, mut reader) = (Seen::Missing, Reader::default());
    loop {
        // Adding the same watch again is free, and finds a directory that appeared late or was replaced. Before the
        // read: a change between the two wakes the next wait.
        let events = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_CREATE;
        inotify.add_watch(directory, events).ok();
        let content = Content::read(path);
        let now = content.seen();
        if now != seen {
            seen = now;
            let going_on = content.load(path, &mut reader).is_none_or(&mut report);
            if !going_on {
                return Ok(());
            }
        }
        wait(&inotify, path.file_name().unwrap_or_default())?;
    }
}

impl Content {
    /// Reads one byte more than is allowed at most: the decoder then says that it is too large.
    fn read(path: &Path) -> Self {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Missing,
            Err(error) => return Self::Unreadable(error.kind()),
        };
        let limit = SNAPSHOT_MAX_BYTES + 1;
        let length = file.metadata().map_or(0, |it| usize::try_from(it.len()).unwrap_or(limit));
        // One more, so that the end is found without growing.
        let mut bytes = Vec::with_capacity(length.saturating_add(1).min(limit));
        match file.take(limit as u64).read_to_end(&mut bytes) {
            Ok(_) => Self::Bytes(bytes),
            Err(error) => Self::Unreadable(error.kind()),
        }
    }

    fn seen(&self) -> Seen {
        match self {
            Self::Bytes(bytes) => Seen::Bytes { checksum: checksum(bytes) },
            Self::Missing => Seen::Missing,
            Self::Unreadable(kind) => Seen::Unreadable(*kind),
        }
    }

    fn load(self, path: &Path, reader: &mut Reader) -> Option<Result<Snapshot, LoadError>> {
        let path = path.to_path_buf();
        match self {
            Self::Missing => None,
            Self::Unreadable(kind) => Some(Err(LoadError::Read { path, source: kind.into() })),
            Self::Bytes(bytes) => {
                Some(reader.read(&bytes).map_err(|source| LoadError::Decode { path, source }))
            }
        }
    }
}

/// Ends when something happened that may concern the file, or after [`POLL_MAX`].
fn wait(inotify: &Inotify, file: &OsStr) -> io::Result<()> {
    let deadline = clock::now() + POLL_MAX;
    loop {
        let left = deadline.saturating_duration_since(clock::now());
        let limit = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut entry = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut entry, limit) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if concerns(inotify, file) || left.is_zero() {
            return Ok(());
        }
    }
}

/// Whether anything was moved into the directory, which may be what the file is a link to, or the file itself was
/// written. What is written beside it, such as the draft of the next one, is not read for that.
fn concerns(inotify: &Inotify, file: &OsStr) -> bool {
    let is_near = |event: &InotifyEvent| {
        event.mask.contains(AddWatchFlags::IN_MOVED_TO) || event.name.as_ref().is_none_or(|it| it == file)
    };
    let batches = std::iter::from_fn(|| inotify.read_events().ok().filter(|events| !events.is_empty()));
    // All of them are taken out: what has happened by now is seen by the one read that follows.
    batches.filter(|events| events.iter().any(is_near)).count() > 0
}
