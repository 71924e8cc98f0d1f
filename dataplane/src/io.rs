//! Sockets, timers and tasks of one core: the only room that names monoio.
//!
//! What is used of the runtime is small on purpose, so that another one could take its place: a listener, a stream
//! in two halves, timers, spawn. Nothing here knows routes, retries or configuration.

pub mod driver;
pub mod listener;
mod pace;
pub mod race;
pub mod socket;
pub mod spawn;
pub mod stop;
pub mod stream;
pub mod timer;
