//! What is retried and what never is.
//!
//! `decide` is a total function over everything that an attempt can end in; `attempts` only carries it out. Pure but
//! for `attempts`, which sees the world through two traits. Nothing here knows sockets or HTTP framing.

pub mod attempts;
pub mod backoff;
pub mod budget;
pub mod decide;
pub mod outcome;
