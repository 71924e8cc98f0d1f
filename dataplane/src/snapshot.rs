//! From bytes to a plan that the cores can trust.
//!
//! A snapshot is read, checked and compiled on a thread of its own; only what has passed all of that is handed to
//! the cores, and that cannot fail. Whatever goes wrong, the last good plan stays in use and the failure is told.

pub mod plan;
pub mod publish;
pub mod watch;
