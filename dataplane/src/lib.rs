//! The Rebound data plane as a library, so that tests and fuzz targets reach its rooms.

pub mod http;
