//! What the data plane knows about HTTP.
//!
//! `h1` and `hop` are pure: bytes in, values out, no socket and no clock. The others carry one exchange: `connection`
//! loops over requests, `request` answers one, `destination` says where it leads, `exchange` makes its attempts,
//! `relay` passes the answer on, `aside` keeps one that may not be the last.

pub mod aside;
pub mod body;
pub mod connection;
mod destination;
mod exchange;
pub mod h1;
pub mod hop;
pub mod relay;
mod request;
