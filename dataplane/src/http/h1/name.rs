//! The field names that mean something to this proxy, recognised once, when a head is read.

/// What a field is to us. Everything that is not listed is end-to-end and passed on untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Known {
    Attempt,
    Connection,
    ContentLength,
    Date,
    /// A name with `_` where one of the others has `-`. Backends behind CGI-like interfaces cannot tell the two apart.
    Disguised,
    Expect,
    Host,
    KeepAlive,
    Other,
    ProxyConnection,
    Te,
    TraceParent,
    TraceState,
    Trailer,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
}

impl Known {
    /// Compares without regard to case. Length and first letter leave one candidate at most, or two.
    pub(in crate::http) fn of(name: &[u8]) -> Self {
        let Some(first) = name.first() else { return Self::Other };
        let candidates: &[(&[u8], Self)] = match (name.len(), first.to_ascii_lowercase()) {
            (2, b't') => &[(b"te", Self::Te)],
            (3, b'v') => &[(b"via", Self::Via)],
            (4, b'd') => &[(b"date", Self::Date)],
            (4, b'h') => &[(b"host", Self::Host)],
            (6, b'e') => &[(b"expect", Self::Expect)],
            (7, b't') => &[(b"trailer", Self::Trailer)],
            (7, b'u') => &[(b"upgrade", Self::Upgrade)],
            (10, b'c') => &[(b"connection", Self::Connection)],
            (10, b't') => &[(b"tracestate", Self::TraceState)],
            (11, b't') => &[(b"traceparent", Self::TraceParent)],
            (10, b'k') => &[(b"keep-alive", Self::KeepAlive)],
            (14, b'c') => &[(b"content-length", Self::ContentLength)],
            (15, b'x') => &[(b"x-forwarded-for", Self::XForwardedFor)],
            (16, b'p') => &[(b"proxy-connection", Self::ProxyConnection)],
            (16, b'x') => &[(b"x-forwarded-host", Self::XForwardedHost)],
            (17, b't') => &[(b"transfer-encoding", Self::TransferEncoding)],
            (17, b'x') => {
                &[(b"x-forwarded-proto", Self::XForwardedProto), (b"x-rebound-attempt", Self::Attempt)]
            }
            _ => return Self::Other,
        };
        match candidates.iter().find(|(known, _)| resembles(name, known)) {
            Some(_) if name.contains(&b'_') => Self::Disguised,
            Some((_, known)) => *known,
            None => Self::Other,
        }
    }

    /// Fields that belong to one connection (RFC 9110 section 7.6.1) or frame one message: never passed on as they
    /// are, and never edited. A disguise makes no difference.
    pub(in crate::http) fn is_per_hop(self) -> bool {
        match self {
            Self::Connection
            | Self::ContentLength
            | Self::Disguised
            | Self::KeepAlive
            | Self::ProxyConnection
            | Self::Te
            | Self::TransferEncoding
            | Self::Upgrade => true,
            Self::Attempt
            | Self::Date
            | Self::Expect
            | Self::Host
            | Self::Other
            | Self::TraceParent
            | Self::TraceState
            | Self::Trailer
            | Self::Via
            | Self::XForwardedFor
            | Self::XForwardedHost
            | Self::XForwardedProto => false,
        }
    }

    /// Whether a trailer section may hold the field: not if it frames, routes or belongs to the hop (RFC 9110
    /// section 6.5.1), nor if this proxy vouches for it in heads.
    pub(super) fn is_trailer(self) -> bool {
        matches!(self, Self::Other | Self::Date | Self::Via)
    }
}

/// Whether the names, which are of the same length, differ in case and underscores at most. `known` has neither.
fn resembles(name: &[u8], known: &[u8]) -> bool {
    let same = |(a, b): (&u8, &u8)| a.to_ascii_lowercase() == *b || (*a == b'_' && *b == b'-');
    name.iter().zip(known).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_case() {
        let known = [
            ("Connection", Known::Connection),
            ("CONTENT-LENGTH", Known::ContentLength),
            ("date", Known::Date),
            ("Expect", Known::Expect),
            ("hOST", Known::Host),
            ("Keep-Alive", Known::KeepAlive),
            ("Proxy-Connection", Known::ProxyConnection),
            ("TE", Known::Te),
            ("TraceParent", Known::TraceParent),
            ("tracestate", Known::TraceState),
            ("Trailer", Known::Trailer),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("Upgrade", Known::Upgrade),
            ("Via", Known::Via),
            ("X-Forwarded-For", Known::XForwardedFor),
            ("X-Forwarded-Host", Known::XForwardedHost),
            ("X-Forwarded-Proto", Known::XForwardedProto),
            ("X-Rebound-Attempt", Known::Attempt),
            ("X-Rebound-Attempts", Known::Other),
            ("Content_Length", Known::Disguised),
            ("X-Forwarded_For", Known::Disguised),
            ("User_Agent", Known::Other),
            ("", Known::Other),
        ];
        for (name, expected) in known {
            assert_eq!(Known::of(name.as_bytes()), expected, "{name}");
        }
    }
}
