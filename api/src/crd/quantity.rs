//! Amounts as Kubernetes writes them, as far as containers need them: `100m`, `1.5`, `256Mi`.
//!
//! Printed as the API server prints them: what it keeps then equals what it was given.

use std::fmt;

/// Suffixes of powers of 1024, the smallest first.
const BINARY: [&str; 5] = ["Ki", "Mi", "Gi", "Ti", "Pi"];
/// Suffixes of powers of 1000, the smallest first.
const DECIMAL: [&str; 5] = ["k", "M", "G", "T", "P"];
/// Digits before or after the point; what is longer is refused unread.
const DIGITS_MAX: usize = 12;

/// An amount. Compares by its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Amount {
    thousandths: u128,
    /// Whether it was written in powers of 1024.
    is_binary: bool,
}

/// The text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an amount, such as `500m`, `2` or `256Mi`")]
pub(super) struct BadAmount;

impl Amount {
    /// Reads an amount of whole thousandths; one in powers of 1024, which counts bytes, must be whole.
    pub(super) fn parse(text: &str) -> Result<Self, BadAmount> {
        let (number, factor, is_binary) = suffix(text);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let (whole, parts) = (digits(whole)?, digits(fraction)?);
        // As many as there are digits: at most 12, and the power fits, as does every product here.
        let scale = (0..fraction.len()).fold(1_u128, |scale, _| scale * 10);
        let step = if is_binary { scale * 1000 } else { scale };
        if !(parts * factor).is_multiple_of(step) {
            return Err(BadAmount);
        }
        Ok(Self { thousandths: whole * factor + parts * factor / scale, is_binary })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.thousandths.is_multiple_of(1000) {
            return write!(f, "{}m", self.thousandths);
        }
        let (base, suffixes) = if self.is_binary { (1024, BINARY) } else { (1000, DECIMAL) };
        let (mut number, mut suffix) = (self.thousandths / 1000, "");
        for larger in suffixes {
            if number == 0 || !number.is_multiple_of(base) {
                break;
            }
            (number, suffix) = (number / base, larger);
        }
        write!(f, "{number}{suffix}")
    }
}

/// The number, its factor in thousandths, and whether that is a power of 1024.
fn suffix(text: &str) -> (&str, u128, bool) {
    for (suffixes, base, is_binary) in [(BINARY, 1024, true), (DECIMAL, 1000, false)] {
        let mut factor = 1000;
        for suffix in suffixes {
            factor *= base;
            if let Some(number) = text.strip_suffix(suffix) {
                return (number, factor, is_binary);
            }
        }
    }
    text.strip_suffix('m').map_or((text, 1000, false), |number| (number, 1, false))
}

fn digits(text: &str) -> Result<u128, BadAmount> {
    let fits = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().map_err(|_| BadAmount) } else { Err(BadAmount) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_printed_as_the_api_server_prints_them() {
        for (text, printed) in [
            ("0", "0"),
            ("1", "1"),
            ("0.5", "500m"),
            ("100m", "100m"),
            ("2000m", "2"),
            ("1500m", "1500m"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("2000M", "2G"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000Ki", "1000Ki"),
            ("0.5Ki", "512"),
            ("0Mi", "0"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), printed, "{text}");
        }
        assert!(Amount::parse("999999999999.5Pi").is_ok());
    }

    #[test]
    fn amounts_compare_by_size() {
        let amount = |text| Amount::parse(text).unwrap();
        assert!(amount("1500m") < amount("2"));
        assert!(amount("1G") < amount("1Gi"));
        assert!(amount("999Mi") < amount("1Gi"));
    }

    #[test]
    fn anything_else_is_refused() {
        let texts = [
            "",
            "m",
            "-1",
            "1 Mi",
            "1mi",
            "1.",
            ".5",
            "1e3",
            "1KiB",
            "1234567890123",
            "1,5",
            "0.0001",
            "0.1Ki",
        ];
        for text in texts {
            assert_eq!(Amount::parse(text), Err(BadAmount), "{text}");
        }
    }
}
