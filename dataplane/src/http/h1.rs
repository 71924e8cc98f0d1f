//! HTTP/1.1 on the wire (RFC 9112): strict parsers of heads and bodies, and the encoders that fit them.
//!
//! Pure and sans-IO: bytes in, values out. No socket, no clock, no lenient mode, no repaired message. Whatever two
//! readers could understand differently is refused, and framing is always written anew: see [`super::hop`].
//! The same code serves both sides: requests from clients, responses from backends.

pub mod body;
pub mod date;
pub mod encode;
pub mod fields;
pub mod framing;
pub mod limits;
pub mod method;
mod name;
pub mod request;
pub mod response;
mod scan;
pub mod target;
pub mod version;

pub(in crate::http) use name::Known;
