//! The scripts of the project, as a library: `cargo xtask <verb>` and the end-to-end tests call the same rooms.
//!
//! One module per verb, named after it (`generate` is the verb `gen`, which is a word of the language), and a few
//! rooms that several verbs share: `cleanup`, `say`, `programs`, `tools`, `debian`, `browser`, `sources`, `backend`, `http_client`,
//! `load`, `rig`, `scene`, `operator_rig`, `pod_rig`, `dataplane_rig`, `collector`, `fault_proxy`, `objects`, `statuses`,
//! `contents`, `conditions`, `canary`.
//! Development only: nothing here is shipped, and no shipped crate uses it.

pub mod apiserver;
pub mod backend;
pub mod bench;
pub mod browser;
pub mod bundle;
pub mod canary;
pub mod cleanup;
pub mod collector;
pub mod conditions;
pub mod contents;
pub mod dataplane_rig;
pub mod debian;
pub mod demo;
pub mod deny_io_uring;
pub mod fault_proxy;
pub mod generate;
pub mod http_client;
pub mod install;
pub mod load;
pub mod netns;
pub mod objects;
pub mod observability;
pub mod operator_rig;
pub mod pod_rig;
pub mod programs;
pub mod promises;
pub mod repro;
pub mod rig;
pub mod say;
pub mod scene;
pub mod screenshot;
pub mod sources;
pub mod statuses;
pub mod test;
pub mod tidy;
pub mod tools;
