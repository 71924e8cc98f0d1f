//! The only place in the product that knows what `5xx`, `503` and `502-504` mean.

use std::fmt;

/// The lowest status code that can be retried; anything below is not a failure.
pub const STATUS_MIN: u16 = 400;
/// The highest status code of HTTP (RFC 9110 15).
pub const STATUS_MAX: u16 = 599;

/// Why a text is not a set of status codes. Each message follows the text that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStatus {
    /// Not three digits, a class or a range.
    #[error(
        "is neither a status code such as `503`, nor a class such as `5xx`, nor a range such as `502-504`"
    )]
    Form,
    /// `5XX`.
    #[error("must be written `{0}xx`")]
    UpperCase(char),
    /// `50x`.
    #[error("stands for no class; write `{0}-{1}` for these ten codes, or `4xx` or `5xx` for a whole class")]
    HalfClass(u16, u16),
    /// `6xx`.
    #[error("is no class of HTTP; the classes that can be retried are `4xx` and `5xx`")]
    NoClass,
    /// Below [`STATUS_MIN`].
    #[error("is not a failure and cannot be retried; the lowest code is 400")]
    NotAFailure,
    /// Above [`STATUS_MAX`].
    #[error("is beyond HTTP's status codes, which end at 599")]
    TooHigh,
    /// `504-502`.
    #[error("runs backwards; write `{1}-{0}`")]
    Backwards(u16, u16),
}

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

/// Reads `503`, `5xx` or `502-504` as an inclusive range within 400-599.
pub fn parse_range(text: &str) -> Result<(u16, u16), BadStatus> {
    if let Some((low, high)) = text.split_once('-') {
        return range(code(low)?, code(high)?);
    }
    let &[class, tens, units] = text.as_bytes() else {
        return Err(code(text).err().unwrap_or(BadStatus::Form));
    };
    match (class, tens, units) {
        (b'1'..=b'3', b'x', b'x') => Err(BadStatus::NotAFailure),
        (b'4' | b'5', b'x', b'x') => Ok((hundreds(class), hundreds(class) + 99)),
        (b'0' | b'6'..=b'9', b'x', b'x') => Err(BadStatus::NoClass),
        (b'4' | b'5', b'x' | b'X', b'x' | b'X') => Err(BadStatus::UpperCase(class.into())),
        (b'4' | b'5', b'0'..=b'9', b'x') => {
            let low = hundreds(class) + u16::from(tens - b'0') * 10;
            Err(BadStatus::HalfClass(low, low + 9))
        }
        _ => code(text).and_then(|code| range(code, code)),
    }
}

fn range(low: u16, high: u16) -> Result<(u16, u16), BadStatus> {
    match (low, high) {
        _ if low > high => Err(BadStatus::Backwards(low, high)),
        _ if low < STATUS_MIN => Err(BadStatus::NotAFailure),
        _ if high > STATUS_MAX => Err(BadStatus::TooHigh),
        _ => Ok((low, high)),
    }
}

fn code(text: &str) -> Result<u16, BadStatus> {
    let three_digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    if three_digits { text.parse().map_err(|_| BadStatus::Form) } else { Err(BadStatus::Form) }
}

fn hundreds(digit: u8) -> u16 {
    u16::from(digit - b'0') * 100
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(u16, u16), BadStatus>) {
        assert_eq!(parse_range(text), expected, "{text}");
    }

    #[test]
    fn codes_classes_and_ranges_are_read() {
        check("503", Ok((503, 503)));
        check("4xx", Ok((400, 499)));
        check("5xx", Ok((500, 599)));
        check("502-504", Ok((502, 504)));
        check("400-599", Ok((400, 599)));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for text in [
            "",
            "5",
            "50",
            "0503",
            "xx5",
            "5x",
            "5xxx",
            "5xx-599",
            "500-",
            "-500",
            "500-502-504",
            "+50",
            "5０3",
        ] {
            check(text, Err(BadStatus::Form));
        }
        check("6xx", Err(BadStatus::NoClass));
        check("0xx", Err(BadStatus::NoClass));
        check("2xx", Err(BadStatus::NotAFailure));
        check("399", Err(BadStatus::NotAFailure));
        check("399-404", Err(BadStatus::NotAFailure));
        check("600", Err(BadStatus::TooHigh));
        check("500-999", Err(BadStatus::TooHigh));
        check("504-502", Err(BadStatus::Backwards(504, 502)));
        check("5XX", Err(BadStatus::UpperCase('5')));
        check("4xX", Err(BadStatus::UpperCase('4')));
        check("50x", Err(BadStatus::HalfClass(500, 509)));
    }

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        let set = StatusSet::from_ranges([(503, 504), (429, 429), (502, 502), (504, 510)]);
        assert_eq!(set.ranges(), [(429, 429), (502, 510)]);
        assert_eq!(set.to_string(), "429,502-510");
        let held: Vec<u16> = (0..=1000).filter(|code| set.contains(*code)).collect();
        assert_eq!(held, [429, 502, 503, 504, 505, 506, 507, 508, 509, 510]);
    }

    #[test]
    fn s24_class_5xx_is_500_to_599_only() {
        let (low, high) = parse_range("5xx").unwrap();
        let set = StatusSet::from_ranges([(low, high)]);
        assert!((0..=u16::MAX).all(|code| set.contains(code) == (500..600).contains(&code)));
    }
}
