//! The small grammars that Gateway API objects hold: hostnames, tokens, expressions.
//!
//! The checks are at least as strict as those of `config`, so that nothing which passes here can be refused when it is encoded.

use std::net::Ipv4Addr;

use rebound_api::config::route::REGEX_MAX_BYTES;
use rebound_api::name::NAME_MAX_CHARS;
use regex::bytes::RegexBuilder;

/// The longest expression that is compiled.
pub(super) const REGEX_MAX_CHARS: usize = 1024;

/// A host of RFC 1123 in any case, `*.` at most once in front. An address is no hostname (Gateway API).
pub(super) fn is_hostname(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    text.len() <= NAME_MAX_CHARS
        && is_subdomain(&host.to_ascii_lowercase())
        && host.parse::<Ipv4Addr>().is_err()
}

/// The name of a listener and of everything else that Gateway API calls a section (RFC 1123).
pub(super) fn is_section_name(text: &str) -> bool {
    text.len() <= NAME_MAX_CHARS && is_subdomain(text)
}

fn is_subdomain(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    text.split('.').all(is_label)
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
    fn hostnames_and_listener_names_are_those_of_gateway_api() {
        for text in ["a", "example.com", "*.example.com", "A.example.com", "1.example.com", "a-b.c", "1.2.3"]
        {
            assert!(is_hostname(text), "{text}");
        }
        let long = "a".repeat(NAME_MAX_CHARS + 1);
        for text in
            ["", "*", "*.", "1.2.3.4", "-x.com", "x-.com", "foo_bar.com", "a..b", "*.*.com", "a:80", &long]
        {
            assert!(!is_hostname(text), "{text}");
        }
        assert!(is_section_name("http-8080"));
        for text in ["", "HTTP", "a_b", "-a", "a b", &long] {
            assert!(!is_section_name(text), "{text}");
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
