//! The small grammars that Gateway API objects hold: hostnames, tokens, durations, expressions.
//!
//! The checks are those of `config`, so that nothing which passes here can be refused when it is encoded.

use std::time::Duration;

use regex::RegexBuilder;

/// The longest expression that is compiled.
pub(super) const REGEX_MAX_CHARS: usize = 1024;
/// The most memory that one compiled expression may take.
pub(super) const REGEX_COMPILED_MAX_BYTES: usize = 256 * 1024;
/// The longest timeout or wait: a day.
pub(super) const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const HOSTNAME_MAX_CHARS: usize = 253;
/// GEP-2257: at most four parts of at most five digits.
const DURATION_PARTS_MAX: usize = 4;
const DURATION_DIGITS_MAX: usize = 5;

/// `*.` at most once, in front.
pub(super) fn is_hostname(text: &str) -> bool {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    labels.len() <= HOSTNAME_MAX_CHARS
        && labels.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

/// RFC 9110 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// RFC 9110 5.5, without the obsolete bytes above 0x7f.
pub(super) fn is_field_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

/// GEP-2257: `1h30m`, `10s`, `250ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration such as `10s`, `1m30s` or `250ms` (GEP-2257)");
    let mut rest = text;
    let mut total = Duration::ZERO;
    for part in 0.. {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        if part == DURATION_PARTS_MAX || !(1..=DURATION_DIGITS_MAX).contains(&digits) {
            return Err(wrong());
        }
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let (unit_ms, unit_chars) = unit(&rest[digits..]).ok_or_else(wrong)?;
        total += Duration::from_millis(number * unit_ms);
        rest = &rest[digits + unit_chars..];
        if rest.is_empty() {
            break;
        }
    }
    if total > DURATION_MAX {
        return Err(format!("`{text}` is longer than a day"));
    }
    Ok(total)
}

/// Compiles as the data plane will: the whole text must match.
pub(super) fn regex(text: &str) -> Result<(), String> {
    if text.chars().count() > REGEX_MAX_CHARS {
        return Err(format!("has more than {REGEX_MAX_CHARS} characters"));
    }
    // By itself first: `a)|(b` is an expression only between the parentheses that anchor it.
    compile(text)?;
    compile(&format!("^(?:{text})$"))
}

fn compile(text: &str) -> Result<(), String> {
    let compiled = RegexBuilder::new(text).size_limit(REGEX_COMPILED_MAX_BYTES).build();
    compiled.map(|_| ()).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("takes more than {REGEX_COMPILED_MAX_BYTES} bytes compiled")
        }
        error => {
            let explained = error.to_string();
            let last = explained.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("`{text}` is not a regular expression: {last}")
        }
    })
}

fn unit(text: &str) -> Option<(u64, usize)> {
    let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    units.into_iter().find(|(unit, _)| text.starts_with(unit)).map(|(unit, ms)| (ms, unit.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, millis: Option<u64>) {
        assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_are_those_of_gep_2257() {
        check("0s", Some(0));
        check("250ms", Some(250));
        check("1h30m5s7ms", Some(5_405_007));
        check("24h", Some(86_400_000));
        for text in ["", "1", "s", "1.5s", "-1s", "1d", "1s ", "100000s", "1s1s1s1s1s", "25h"] {
            check(text, None);
        }
    }

    #[test]
    fn an_expression_that_would_fill_the_memory_is_refused() {
        assert!(regex("/v[0-9]+/.*").is_ok());
        for text in ["(", "a)|(b", "[z-a]"] {
            assert!(regex(text).unwrap_err().contains("is not a regular expression"), "{text}");
        }
        assert!(regex(r"(\w{50}){50}").unwrap_err().contains("bytes"));
    }
}
