//! What users read back.

pub mod conditions;
pub mod document;
