//! A number that one thread writes and others read.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number with one writer at a time and any number of readers.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The value.
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Overwrites the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds without the cost of an atomic addition: there is one writer.
    pub fn add(&self, count: u64) {
        self.set(self.load().wrapping_add(count));
    }

    /// Takes away what was added.
    pub fn sub(&self, count: u64) {
        self.set(self.load().saturating_sub(count));
    }
}
