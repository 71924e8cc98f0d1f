//! The one parser of GEP-2257 durations: `1h30m`, `250ms`.

use std::time::Duration;

/// The longest duration that a policy may name, a day. What is longer is a typing mistake.
pub const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// GEP-2257: one to four pairs of number and unit.
const PAIRS_MAX: usize = 4;
/// GEP-2257: each number has one to five digits.
const DIGITS_MAX: usize = 5;

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// Not of the form that GEP-2257 defines.
    #[error(
        "is not a duration: up to 4 whole numbers of at most 5 digits, each with h, m, s or ms, such as `1m30s`"
    )]
    Form,
    /// Longer than [`DURATION_MAX`].
    #[error("is longer than 24h")]
    TooLong,
}

/// Reads a duration; `0s` is one.
pub fn parse(text: &str) -> Result<Duration, BadDuration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut pairs = 0;
    while !rest.is_empty() && pairs < PAIRS_MAX {
        let (pair, after) = pair(rest).ok_or(BadDuration::Form)?;
        total += pair;
        rest = after;
        pairs += 1;
    }
    match () {
        () if pairs == 0 || !rest.is_empty() => Err(BadDuration::Form),
        () if total > DURATION_MAX => Err(BadDuration::TooLong),
        () => Ok(total),
    }
}

/// Writes a duration in whole milliseconds as GEP-2257 has it, in seconds and milliseconds.
pub fn format(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (seconds, 0) => format!("{seconds}s"),
        (0, millis) => format!("{millis}ms"),
        (seconds, millis) => format!("{seconds}s{millis}ms"),
    }
}

fn pair(text: &str) -> Option<(Duration, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=DIGITS_MAX).contains(&digits) {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let (millis, unit) = unit(rest)?;
    Some((Duration::from_millis(number * millis), &rest[unit..]))
}

/// Milliseconds and length of the unit in front; `ms` before `m`, which it starts with.
fn unit(text: &str) -> Option<(u64, usize)> {
    let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    units.iter().find(|(name, _)| text.starts_with(name)).map(|(name, millis)| (*millis, name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_gep_2257_has_them() {
        for (text, millis) in [
            ("0s", 0),
            ("1ms", 1),
            ("2s", 2000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("99999ms", 99_999),
            ("1s2s3s4s", 10_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "5", "s", "1.5s", "-1s", "1d", "1 s", "100000ms", "1s1s1s1s1s", "1S", "1s ", "١s", "1us"]
        {
            assert_eq!(parse(text), Err(BadDuration::Form), "{text}");
        }
        assert_eq!(parse("24h1ms"), Err(BadDuration::TooLong));
        assert_eq!(parse("24h"), Ok(DURATION_MAX));
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 999, 1000, 1500, 90_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
