//! The contracts of Rebound: everything that two parties must agree on.
//!
//! | module | between | form |
//! | --- | --- | --- |
//! | `crd` (feature `crd`) | users and operator | Kubernetes objects, generated CRDs |
//! | [`policy`] | the rooms of the operator | checked domain values, not serialisable |
//! | [`config`] | operator and data plane | one versioned snapshot file for each Gateway |
//!
//! Arrows inside: `crd` uses [`policy`], [`violation`] and [`name`]; [`config`] uses [`name`].
//! Never `policy` to `crd`, never `policy` to `config`. Without the feature `crd` nothing here knows
//! Kubernetes: that is how the data plane is built.
#![warn(missing_docs)]

pub mod config;
#[cfg(feature = "crd")]
pub mod crd;
pub mod name;
pub mod policy;
pub mod violation;
