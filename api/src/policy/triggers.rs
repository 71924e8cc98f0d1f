//! What `retryOn` may hold beside status codes, and what a whole list of it means.

use std::collections::HashSet;

use super::status_set::{self, StatusSet};
use crate::violation::{Reason, hint, nearest};

/// The most items of `retryOn`.
pub const TOKENS_MAX: usize = 16;

/// Every token with a name of its own.
const NAMED: [(&str, Token); 7] = [
    ("connect-failure", Token::Unsent),
    ("reset-before-request", Token::Unsent),
    ("refused-stream", Token::Unsent),
    ("reset", Token::Reset),
    ("per-try-timeout", Token::PerTryTimeout),
    ("gateway-error", Token::Statuses(502, 504)),
    ("invalid-response", Token::InvalidResponse),
];
/// The names of gRPC's status codes from 1 on; 0, `OK`, is no failure.
const GRPC_CODES: [&str; 16] = [
    "cancelled",
    "unknown",
    "invalid-argument",
    "deadline-exceeded",
    "not-found",
    "already-exists",
    "permission-denied",
    "resource-exhausted",
    "failed-precondition",
    "aborted",
    "out-of-range",
    "unimplemented",
    "internal",
    "unavailable",
    "data-loss",
    "unauthenticated",
];
const GRPC_PREFIX: &str = "grpc:";

/// Failures that are retried in addition to those where nothing was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Status codes of backends.
    pub statuses: StatusSet,
    /// The connection broke after the request was sent and before the response head was complete.
    pub reset: bool,
    /// The attempt took longer than its per-try timeout.
    pub per_try_timeout: bool,
    /// The backend answered with something that is not HTTP.
    pub invalid_response: bool,
}

/// One item of `retryOn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Token {
    /// Status codes, inclusive, within 400-599.
    Statuses(u16, u16),
    /// `5xx`: its codes, and the failures that a proxy would otherwise answer with one of them.
    ServerErrors,
    /// A failure before any byte was sent. Always retried, so the token changes nothing.
    Unsent,
    /// See [`Triggers::reset`].
    Reset,
    /// See [`Triggers::per_try_timeout`].
    PerTryTimeout,
    /// See [`Triggers::invalid_response`].
    InvalidResponse,
    /// A gRPC status by its name, such as `unavailable`.
    Grpc(&'static str),
}

/// An item of `retryOn` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadToken {
    /// Which item, from 0.
    pub index: usize,
    /// What kind of mistake.
    pub reason: Reason,
    /// What is wrong with it, and what was probably meant.
    pub message: String,
}

impl Triggers {
    /// Joins tokens; the order does not matter.
    pub fn from_tokens(tokens: &[Token]) -> Self {
        let ranges = tokens.iter().filter_map(|token| token.statuses());
        let any = |wanted: Token| tokens.contains(&wanted) || tokens.contains(&Token::ServerErrors);
        Self {
            statuses: StatusSet::from_ranges(ranges),
            reset: any(Token::Reset),
            per_try_timeout: any(Token::PerTryTimeout),
            invalid_response: tokens.contains(&Token::InvalidResponse),
        }
    }
}

impl Token {
    /// Reads one item; the error is the sentence for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "5xx" {
            return Ok(Self::ServerErrors);
        }
        if text.contains(',') {
            return Err(format!("`{text}` is a list in one text; write each part as an item of its own"));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return match status_set::parse_range(text) {
                Ok((low, high)) => Ok(Self::Statuses(low, high)),
                Err(bad) => Err(format!("`{text}` {bad}")),
            };
        }
        if let Some(code) = text.strip_prefix(GRPC_PREFIX) {
            return grpc(code);
        }
        let found = NAMED.iter().find(|(name, _)| *name == text).map(|(_, token)| *token);
        found.ok_or_else(|| unknown(text))
    }

    /// The status codes that the token stands for, inclusive.
    pub fn statuses(self) -> Option<(u16, u16)> {
        match self {
            Self::Statuses(low, high) => Some((low, high)),
            Self::ServerErrors => Some((500, 599)),
            Self::Unsent | Self::Reset | Self::PerTryTimeout | Self::InvalidResponse | Self::Grpc(_) => None,
        }
    }
}

/// Reads a list of items and reports every bad one, so that users mend their policy in one go.
pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Vec<Token>, Vec<BadToken>> {
    let mut seen = HashSet::new();
    let (mut tokens, mut bad) = (Vec::new(), Vec::new());
    for (index, text) in items.into_iter().enumerate() {
        match Token::parse(text) {
            Err(message) => bad.push(BadToken { index, reason: Reason::NotSupported, message }),
            Ok(_) if !seen.insert(text) => {
                let message = format!("`{text}` stands in the list twice; remove one");
                bad.push(BadToken { index, reason: Reason::Duplicate, message });
            }
            Ok(token) => tokens.push(token),
        }
    }
    if bad.is_empty() { Ok(tokens) } else { Err(bad) }
}

fn grpc(code: &str) -> Result<Token, String> {
    if let Some(name) = GRPC_CODES.iter().find(|name| **name == code) {
        return Ok(Token::Grpc(name));
    }
    let by_number =
        code.parse().ok().and_then(|number: usize| GRPC_CODES.get(number.checked_sub(1)?).copied());
    let meant = by_number.or_else(|| nearest(&code.replace('_', "-"), GRPC_CODES));
    let hint = meant.map_or_else(String::new, |name| format!("; did you mean `{GRPC_PREFIX}{name}`?"));
    Err(format!("`{GRPC_PREFIX}{code}` names no failure of gRPC{hint}"))
}

fn unknown(text: &str) -> String {
    let known = NAMED.iter().map(|(name, _)| *name).chain(["4xx", "5xx"]);
    let hint = hint(text, known.clone());
    if hint.is_empty() {
        let known: Vec<_> = NAMED.iter().map(|(name, _)| *name).collect();
        return format!(
            "`{text}` is not known; allowed are codes and ranges from 400 to 599, `4xx`, `5xx`, `grpc:CODE`, {}",
            known.join(", ")
        );
    }
    format!("`{text}` is not known{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(items: &[&str]) -> Triggers {
        Triggers::from_tokens(&parse(items.iter().copied()).unwrap())
    }

    #[test]
    fn each_token_switches_on_its_failure_and_no_other() {
        let nothing = Triggers::default();
        assert_eq!(meaning(&["reset"]), Triggers { reset: true, ..nothing.clone() });
        assert_eq!(meaning(&["per-try-timeout"]), Triggers { per_try_timeout: true, ..nothing.clone() });
        assert_eq!(meaning(&["invalid-response"]), Triggers { invalid_response: true, ..nothing.clone() });
        assert_eq!(meaning(&["gateway-error"]).statuses.to_string(), "502-504");
        for unsent in ["connect-failure", "reset-before-request", "refused-stream", "grpc:unavailable"] {
            assert_eq!(meaning(&[unsent]), nothing, "{unsent}");
        }
    }

    #[test]
    fn class_5xx_implies_the_failures_that_a_proxy_answers_with_5xx() {
        let triggers = meaning(&["5xx"]);
        assert!(triggers.reset && triggers.per_try_timeout && !triggers.invalid_response);
        for narrower in ["500-599", "503", "4xx", "gateway-error"] {
            let triggers = meaning(&[narrower]);
            assert!(!triggers.reset && !triggers.per_try_timeout, "{narrower}");
        }
    }

    #[test]
    fn s82_every_bad_item_is_reported_at_once() {
        let bad = parse(["6xx", "5xx", "abc", "5xx", "503"]).unwrap_err();
        let found: Vec<_> = bad.iter().map(|bad| (bad.index, bad.reason)).collect();
        let expected = [(0, Reason::NotSupported), (2, Reason::NotSupported), (3, Reason::Duplicate)];
        assert_eq!(found, expected);
    }
}
