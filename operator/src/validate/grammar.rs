//! The small grammars that Gateway API objects hold: hostnames, tokens, expressions.
//!
//! The checks are those of `config`, so that nothing which passes here can be refused when it is encoded.

use rebound_api::config::route::REGEX_MAX_BYTES;
use regex::bytes::RegexBuilder;

/// The longest expression that is compiled.
pub(super) const REGEX_MAX_CHARS: usize = 1024;

const HOSTNAME_MAX_CHARS: usize = 253;

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

pub(super) fn not_a_field_name(name: &str) -> String {
    format!("`{name}` is not the name of a header field")
}

/// RFC 9110 5.5, without the obsolete bytes above 0x7f.
pub(super) fn is_field_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
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
    let compiled = RegexBuilder::new(text).size_limit(REGEX_MAX_BYTES).build();
    compiled.map(|_| ()).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("takes more than {REGEX_MAX_BYTES} bytes compiled")
        }
        error => {
            let explained = error.to_string();
            let last = explained.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("`{text}` is not a regular expression: {last}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_would_fill_the_memory_is_refused() {
        assert!(regex("/v[0-9]+/.*").is_ok());
        for text in ["(", "a)|(b", "[z-a]"] {
            assert!(regex(text).unwrap_err().contains("is not a regular expression"), "{text}");
        }
        assert!(regex(r"(\w{50}){50}").unwrap_err().contains("bytes"));
    }
}
