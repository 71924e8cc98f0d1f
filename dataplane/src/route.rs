//! From a request to the rule that answers it. Pure lookup over compiled tables.

pub mod matcher;
pub mod router;
