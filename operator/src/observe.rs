//! What exists: the one place where objects come in.
//!
//! IO happens here and in `apply`, nowhere between. Every source ends in the same [`world::World`], and plays the
//! API server's part where there is none. Absent: decisions about what objects mean.

pub mod admission;
pub mod files;
pub mod service;
pub mod watch;
pub mod world;

/// Where objects come from.
#[derive(Debug)]
pub enum Source {
    /// Files and folders.
    Files(files::Files),
}

impl Source {
    /// Looks at everything once. `admit` stands for admission where the source has none of its own.
    pub fn observe(&mut self, admit: admission::Admit) -> files::Observation {
        match self {
            Self::Files(files) => files.observe(admit),
        }
    }
}
