//! What the process tells about itself. Counting never waits: each core writes its own numbers, a scrape adds them.

pub mod exposition;
pub mod metrics;
