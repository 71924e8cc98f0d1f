//! What a policy means once it has been checked: plain values, not serialisable, no Kubernetes, no clock.
//!
//! Everything here is built by a constructor that refuses nonsense, so that nothing further in has to check again.

pub mod backoff;
pub mod byte_count;
pub mod duration;
pub mod policy_rules;
pub mod retry;
pub mod status_set;
pub mod triggers;
