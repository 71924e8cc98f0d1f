//! What the process tells about itself and about requests. Nothing here ever waits on a core.
//!
//! Each core writes its own numbers, and a scrape adds them. A request is written down on its stack (`record`) and told
//! when it is over (`passage`): as spans, as a line, for the live page. What is told gathers on the core and is handed
//! to threads that send it (`outbox`); these lose what they cannot pass on and count it.

pub mod access_log;
pub mod address;
pub mod attribute;
pub mod export;
pub mod exposition;
pub mod metrics;
pub mod observer;
pub mod outbox;
pub mod passage;
pub mod phrases;
pub mod protobuf;
pub mod recent;
pub mod record;
mod remembered;
pub mod reporting;
pub mod schema;
pub mod settings;
pub mod span;
pub mod timestamp;
pub mod trace;
pub mod write;
