//! The promises of retrying, on the real binary: one file for each kind of promise.

mod answers;
mod budget;
mod chaos;
mod counting;
mod deadlines;
mod endpoints;
mod methods;
#[path = "../support/mod.rs"]
mod support;
