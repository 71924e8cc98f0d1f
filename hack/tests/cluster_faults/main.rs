//! What can go wrong between the operator and a real API server, and that everything is as it should be afterwards:
//! killed operators, lost requests, refusals, ended watches, an API server that is away, two leaders, meddling.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod away;
mod killed;
mod meddling;
mod network;
mod reports;
mod site;
mod traffic;
