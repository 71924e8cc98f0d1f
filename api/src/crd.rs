//! The kinds that users write, with everything that can be checked about one object alone.

pub mod retry_policy;
