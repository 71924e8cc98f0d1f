//! Connections to backends, all of one core: which endpoint, which connection, one exchange on it.

pub mod balance;
pub mod call;
pub mod pool;
