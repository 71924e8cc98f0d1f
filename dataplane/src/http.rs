//! What the data plane knows about HTTP: the codecs and the rules for passing a message on.
//!
//! `h1` and `hop` are pure: bytes in, values out, no socket and no clock.

pub mod h1;
pub mod hop;
