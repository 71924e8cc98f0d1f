//! Request methods, and what they allow (RFC 9110 section 9).

use std::fmt;

/// A request method. Names are case-sensitive: `get` is not GET.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// POST
    Post,
    /// PATCH (RFC 5789)
    Patch,
    /// QUERY (draft-ietf-httpbis-safe-method-w-body)
    Query,
    /// Any other token, of at most [`super::limits::METHOD_MAX_BYTES`] bytes. Nothing is assumed about it.
    Other(Box<str>),
}

impl Method {
    /// As it stands in the request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Query => "QUERY",
            Self::Other(token) => token,
        }
    }

    /// Whether the method only reads (RFC 9110 section 9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace | Self::Query)
    }

    /// Whether doing it twice has the effect of doing it once (RFC 9110 section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }

    /// `token` has been checked by the parser.
    pub(super) fn from_token(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "QUERY" => Self::Query,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s02_methods_that_may_be_repeated_are_those_of_rfc_9110_and_query() {
        for token in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"] {
            assert!(Method::from_token(token).is_idempotent(), "{token}");
        }
        for token in ["POST", "PATCH", "LOCK", "CONNECT", "PURGE"] {
            assert!(!Method::from_token(token).is_idempotent(), "{token}");
        }
        assert!(!Method::Put.is_safe() && !Method::Delete.is_safe());
    }

    #[test]
    fn s03_method_names_are_case_sensitive() {
        for token in ["get", "Get", "put", "dELETE"] {
            let method = Method::from_token(token);
            assert_eq!(method, Method::Other(token.into()));
            assert!(!method.is_idempotent() && !method.is_safe());
        }
    }

    #[test]
    fn every_method_prints_what_it_was_read_from() {
        for token in
            ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "QUERY", "M-SEARCH"]
        {
            assert_eq!(Method::from_token(token).as_str(), token);
        }
    }
}
