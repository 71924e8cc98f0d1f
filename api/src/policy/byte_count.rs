//! The one parser of byte counts: the part of Kubernetes' Quantity that makes sense for them.

/// Factors of the suffixes, as Kubernetes writes them.
const SUFFIXES: [(&str, u64); 6] =
    [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000)];

/// Digits before or after the point; what is longer is refused unread.
const DIGITS_MAX: usize = 12;

/// The text is not a count of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a whole number of bytes, such as `65536`, `64Ki` or `1.5Mi`")]
pub struct BadByteCount;

/// Reads a count such as `65536`, `64Ki`, `1M` or `0.5Mi`. It must come to whole bytes.
pub fn parse(text: &str) -> Result<u64, BadByteCount> {
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|number| (number, *factor)))
        .unwrap_or((text, 1));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok().filter(|len| *len <= 12).ok_or(BadByteCount)?);
    let bytes = digits(whole)? * u128::from(factor) * scale + digits(fraction)? * u128::from(factor);
    if !bytes.is_multiple_of(scale) {
        return Err(BadByteCount);
    }
    u64::try_from(bytes / scale).map_err(|_| BadByteCount)
}

fn digits(text: &str) -> Result<u128, BadByteCount> {
    let fits = (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().map_err(|_| BadByteCount) } else { Err(BadByteCount) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_kubernetes_writes_them() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64Ki", 65536),
            ("16Mi", 16 << 20),
            ("1M", 1_000_000),
            ("0.5Ki", 512),
            ("1.25k", 1250),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn parts_of_bytes_signs_and_other_units_are_refused() {
        for text in [
            "",
            "Ki",
            "-1",
            "+1",
            "1e3",
            "100m",
            "0.3",
            "0.0001Ki",
            "1 Ki",
            "1KB",
            ".5Ki",
            "1.Ki",
            "1..5",
            "1234567890123",
        ] {
            assert_eq!(parse(text), Err(BadByteCount), "{text}");
        }
    }
}
