//! The only place in the product that knows what `5xx`, `503` and `502-504` mean.

use std::fmt;

/// The lowest status code that can be retried; anything below is not a failure.
pub const STATUS_MIN: u16 = 400;
/// The highest status code of HTTP (RFC 9110 15).
pub const STATUS_MAX: u16 = 599;

/// A set of status codes, kept as sorted ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    /// Joins inclusive ranges in any order. Ranges outside 400-599 are the caller's mistake and are cut off.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let clamp = |(low, high): (u16, u16)| (low.max(STATUS_MIN), high.min(STATUS_MAX));
        let mut sorted: Vec<_> = ranges.into_iter().map(clamp).filter(|(low, high)| low <= high).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(sorted.len());
        for (low, high) in sorted {
            match joined.last_mut() {
                Some(last) if low <= last.1 + 1 => last.1 = last.1.max(high),
                _ => joined.push((low, high)),
            }
        }
        Self(joined)
    }

    /// Whether `code` is in the set.
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&code))
    }

    /// The ranges, inclusive, sorted, not touching.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if low == high { write!(f, "{comma}{low}")? } else { write!(f, "{comma}{low}-{high}")? }
        }
        Ok(())
    }
}
