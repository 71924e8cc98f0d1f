//! What a rule demands of a request besides its host and path.

use std::borrow::Cow;

use rebound_api::config::route::{Match, REGEX_MAX_BYTES, ValueMatch, ValuePattern};
use regex::bytes::{Regex, RegexBuilder};

/// A request as routing sees it.
pub trait RequestView {
    /// The method as sent.
    fn method(&self) -> &str;
    /// The path as sent, without the query.
    fn path(&self) -> &[u8];
    /// What follows the first `?`.
    fn query(&self) -> Option<&[u8]>;
    /// The value of a header field; several fields of one name are joined by commas (RFC 9110 5.3). The name is in
    /// lower case.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;
}

/// The method, headers and query parameters that a rule demands.
#[derive(Debug)]
pub struct Matcher {
    method: Option<String>,
    headers: Vec<(String, Pattern)>,
    query: Vec<(String, Pattern)>,
}

/// What a value must look like.
#[derive(Debug)]
enum Pattern {
    Exact(String),
    Regex(Regex),
}

impl Matcher {
    /// Compiles the parts of a match; the error is that of a regular expression.
    pub fn compile(from: &Match) -> Result<Self, regex::Error> {
        let values =
            |values: &[ValueMatch]| values.iter().map(Pattern::compile).collect::<Result<Vec<_>, _>>();
        Ok(Self { method: from.method.clone(), headers: values(&from.headers)?, query: values(&from.query)? })
    }

    /// Whether the request has all that is demanded.
    pub fn holds(&self, request: &impl RequestView) -> bool {
        self.method.as_ref().is_none_or(|method| method == request.method())
            && self
                .headers
                .iter()
                .all(|(name, pattern)| request.header(name).is_some_and(|value| pattern.matches(&value)))
            && self.query.iter().all(|(name, pattern)| {
                request
                    .query()
                    .and_then(|query| parameter(query, name))
                    .is_some_and(|value| pattern.matches(&value))
            })
    }

    /// More demanding matches go first: with a method, then with more headers, then with more query parameters
    /// (Gateway API, HTTPRouteRule).
    pub fn precedence(&self) -> (bool, usize, usize) {
        (self.method.is_some(), self.headers.len(), self.query.len())
    }
}

impl Pattern {
    fn compile(from: &ValueMatch) -> Result<(String, Self), regex::Error> {
        let pattern = match &from.value {
            ValuePattern::Exact(text) => Self::Exact(text.clone()),
            ValuePattern::Regex(text) => Self::Regex(compile_regex(text)?),
        };
        Ok((from.name.clone(), pattern))
    }

    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => text.as_bytes() == value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// Compiles an expression that must match the whole value. Matching takes time linear in the value.
pub fn compile_regex(text: &str) -> Result<Regex, regex::Error> {
    // Alone first: `a)|(b` is no expression, but would become one inside the group.
    RegexBuilder::new(text).size_limit(REGEX_MAX_BYTES).build()?;
    RegexBuilder::new(&format!("^(?:{text})$")).size_limit(REGEX_MAX_BYTES).build()
}

/// The first value of a query parameter, with `+` and percent escapes decoded.
fn parameter<'q>(query: &'q [u8], name: &str) -> Option<Cow<'q, [u8]>> {
    query.split(|b| *b == b'&').find_map(|pair| {
        let (key, value) = match pair.iter().position(|b| *b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        (*decoded(key) == *name.as_bytes()).then(|| decoded(value))
    })
}

/// Undoes `application/x-www-form-urlencoded`; an escape that is none stays as it is.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%').then(|| tail.get(..2).and_then(hex_pair)).flatten();
        out.push(escape.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escape.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(out)
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(pair[0])? << 4 | digit(pair[1])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_decoded_and_the_first_of_a_name_counts() {
        let value = |query: &str, name: &str| {
            parameter(query.as_bytes(), name).map(|v| String::from_utf8(v.into()).unwrap())
        };
        assert_eq!(value("a=1&b=2&a=3", "a").as_deref(), Some("1"));
        assert_eq!(value("a%20b=c+d%2F", "a b").as_deref(), Some("c d/"));
        assert_eq!(value("a=%zz%4", "a").as_deref(), Some("%zz%4"));
        assert_eq!(value("flag&b=", "flag").as_deref(), Some(""));
        assert_eq!(value("A=1", "a"), None);
        assert_eq!(value("", "a"), None);
    }
}
