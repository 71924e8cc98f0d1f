//! Standard output: what commands print for their user. A closed pipe is no error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Prints one line at once.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The same for a command that goes on: a full disk behind its output is no reason to stop serving.
pub(super) fn tell(text: impl Display) {
    if let Err(error) = line(&text) {
        tracing::warn!(%error, "cannot print: {text}");
    }
}
