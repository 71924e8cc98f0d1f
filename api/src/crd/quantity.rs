//! Amounts as Kubernetes writes them, as far as they can be compared: `100m`, `1.5`, `256Mi`.

/// Factors of the suffixes, in thousandths.
const SUFFIXES: [(&str, u128); 11] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
];
/// Digits before or after the point; what is longer is refused unread.
const DIGITS_MAX: usize = 12;

/// The text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an amount, such as `500m`, `2` or `256Mi`")]
pub(super) struct BadQuantity;

/// Reads an amount, in thousandths, rounded down.
pub(super) fn parse(text: &str) -> Result<u128, BadQuantity> {
    let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (number, factor) = suffix.unwrap_or((text, 1000));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // At most 12 digits: the power fits.
    let scale = 10_u128.pow(u32::try_from(fraction.len().min(DIGITS_MAX)).unwrap_or(0));
    Ok(digits(whole)? * factor + digits(fraction)? * factor / scale)
}

fn digits(text: &str) -> Result<u128, BadQuantity> {
    let fits = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().map_err(|_| BadQuantity) } else { Err(BadQuantity) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        for (text, thousandths) in [
            ("0", 0),
            ("1", 1000),
            ("100m", 100),
            ("0.5", 500),
            ("1.5Ki", 1_536_000),
            ("2M", 2_000_000_000),
            ("1Gi", 1_073_741_824_000),
        ] {
            assert_eq!(parse(text), Ok(thousandths), "{text}");
        }
        assert!(parse("999999999999.999999999999P").is_ok());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "m", "-1", "1 Mi", "1mi", "1.", ".5", "1e3", "1KiB", "1234567890123", "1,5"] {
            assert_eq!(parse(text), Err(BadQuantity), "{text}");
        }
    }
}
