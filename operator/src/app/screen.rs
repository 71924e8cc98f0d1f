//! Standard output: what commands print for their user. A closed pipe is no error.

use std::fmt::Display;
use std::io::Write;

/// Prints one line at once.
pub(super) fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe has seen enough.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
