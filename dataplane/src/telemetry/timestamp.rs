//! Moments as logs write them.

use std::time::Duration;

use crate::http::h1::date::civil;

const TEXT_BYTES: usize = 24;
/// 9999-12-31 23:59:59, the last second that four digits can name.
const SECONDS_MAX: u64 = 253_402_300_799;

/// `2026-11-24T15:31:34.123Z` (RFC 3339).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp([u8; TEXT_BYTES]);

impl Timestamp {
    /// A time since 1970, to the millisecond; what lies beyond the year 9999 becomes its end.
    pub fn from_unix(since: Duration) -> Self {
        let seconds = since.as_secs().min(SECONDS_MAX);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let mut text = *b"1970-01-01T00:00:00.000Z";
        put(year, &mut text[0..4]);
        put(month, &mut text[5..7]);
        put(day, &mut text[8..10]);
        put(second / 3600, &mut text[11..13]);
        put(second / 60 % 60, &mut text[14..16]);
        put(second % 60, &mut text[17..19]);
        put(u64::from(since.subsec_millis()), &mut text[20..23]);
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It is made of digits and separators.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// As many digits as there is room for.
fn put(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_042, "1994-11-06T08:49:37.042Z"),
            (951_782_400_999, "2000-02-29T00:00:00.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.615Z"),
        ];
        for (ms, expected) in cases {
            assert_eq!(Timestamp::from_unix(Duration::from_millis(ms)).as_str(), expected);
        }
    }
}
