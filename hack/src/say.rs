//! How the verbs talk: progress on stderr with the time since the start, results on stdout.
//!
//! The only place of this crate that prints, so that a last line stays the last line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static STARTED: OnceLock<Instant> = OnceLock::new();

/// Starts the clock that the lines show.
pub fn start() {
    elapsed();
}

fn elapsed() -> Duration {
    STARTED.get_or_init(Instant::now).elapsed()
}

/// One line per step, before it is taken.
pub fn step(what: &str) {
    eprintln!("[{:6.1} s] {what}", elapsed().as_secs_f64());
}

/// Something the reader must not miss.
pub fn warn(what: &str) {
    eprintln!("[{:6.1} s] WARNING: {what}", elapsed().as_secs_f64());
}

/// A line of the result.
pub fn result(line: &str) {
    println!("{line}");
}

/// A line that somebody else wrote.
pub fn quote(line: &str) {
    eprintln!("    | {line}");
}
