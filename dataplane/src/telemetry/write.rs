//! The thread that writes the access log, to standard output or to a file that others may rotate.

use std::fs::{File, OpenOptions, metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::metrics::Metrics;
use super::outbox::{Errand, Parcel};
use super::settings::AccessLog;

/// Where lines go.
enum Sink {
    Stdout,
    File { path: PathBuf, open: Option<File> },
}

/// Writes until the end is called.
pub fn run(settings: &AccessLog, metrics: &Metrics, errands: &flume::Receiver<Errand>) {
    let mut sink = Sink::of(settings);
    let mut works = true;
    while let Ok(Errand::Parcel(Parcel { bytes, items })) = errands.recv() {
        // What failed may have left half a line.
        let ended = if works { Ok(()) } else { sink.write(b"\n") };
        match ended.and_then(|()| sink.write(&bytes)) {
            Ok(()) => {
                metrics.lines_written.add(items);
                works = true;
            }
            Err(error) => {
                metrics.lines_failed.add(items);
                if works {
                    tracing::error!(%error, "the access log cannot be written");
                }
                works = false;
            }
        }
    }
}

impl Sink {
    fn of(settings: &AccessLog) -> Self {
        match &settings.file {
            None => Self::Stdout,
            Some(path) => Self::File { path: path.clone(), open: None },
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            // Locked until all of it is written: whoever else prints a line must not do so in the middle of another.
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File { path, open } => {
                // Whoever rotates logs moves the file away or removes it: the next lines belong to a new one.
                let file = match open.take().filter(|file| is_at(file, path)) {
                    Some(file) => file,
                    None => OpenOptions::new().create(true).append(true).open(path)?,
                };
                open.insert(file).write_all(bytes)
            }
        }
    }
}

/// Whether the open file is the one that has the name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log.1"));
        let mut sink = Sink::File { path: path.clone(), open: None };
        sink.write(b"one\n").unwrap();
        sink.write(b"two\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        sink.write(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
    }
}
