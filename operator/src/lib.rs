//! The operator: turns Gateway API objects and RetryPolicies into data planes and their snapshots.
//!
//! ```text
//! observe -> validate -> translate -> build -> apply (+ status)
//! ```
//!
//! IO at the two ends, plain values between; `controller` is the table of contents. Absent: request handling of any
//! kind. The data plane is another program, and all it gets from here is a snapshot file.

pub mod admin;
pub mod agent;
pub mod app;
pub mod apply;
pub mod build;
pub mod cli;
pub mod client;
pub mod controller;
pub mod lease;
pub mod live;
mod memo;
pub mod observe;
pub mod rbac;
pub mod serve;
pub mod shards;
pub mod status;
pub mod telemetry;
pub mod translate;
pub mod validate;
pub mod webhook;
