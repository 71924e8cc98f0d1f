//! Everything that an attempt can end in.

/// How one attempt ended.
#[derive(Debug)]
pub enum Outcome<R> {
    /// The backend answered with a response head; `R` is the rest of it.
    Response {
        /// The status code, 200-599.
        status: u16,
        /// Whether the whole request body had been sent by then.
        request_sent: bool,
        /// What it takes to pass the response on or to throw it away.
        response: R,
    },
    /// There is no response.
    Failed(Failure),
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The Service port has no ready endpoint.
    NoEndpoint,
    /// The connection was refused, or not made in time.
    Connect,
    /// The connection broke before it took a byte of the request.
    ResetBeforeRequest,
    /// A pooled connection ended before the first byte of a response: most likely closed while idle.
    Stale,
    /// The connection ended between the request and the end of the response head.
    Reset,
    /// The attempt took longer than its limit.
    PerTryTimeout,
    /// The backend said nothing for longer than any attempt may wait that has no limit of its own.
    Silence,
    /// What came back is not HTTP.
    InvalidResponse,
    /// The deadline of the whole request passed.
    Deadline,
    /// The client went away, or broke off or garbled its request body.
    ClientGone,
}

impl Failure {
    /// Whether it is certain that no byte of the request reached a backend (RFC 9110 9.2.2 does not bind then).
    pub fn is_unsent(self) -> bool {
        match self {
            Self::NoEndpoint | Self::Connect | Self::ResetBeforeRequest => true,
            Self::Stale
            | Self::Reset
            | Self::PerTryTimeout
            | Self::Silence
            | Self::InvalidResponse
            | Self::Deadline
            | Self::ClientGone => false,
        }
    }

    /// The status that the client gets when this was the last word and no backend ever answered.
    pub fn status(self) -> u16 {
        match self {
            Self::NoEndpoint | Self::Connect | Self::ResetBeforeRequest | Self::Stale | Self::Reset => 503,
            Self::PerTryTimeout | Self::Silence | Self::Deadline => 504,
            Self::InvalidResponse => 502,
            // Nobody reads it.
            Self::ClientGone => 499,
        }
    }

    /// The name in metrics, spans and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no_endpoint",
            Self::Connect => "connect_failure",
            Self::ResetBeforeRequest => "reset_before_request",
            Self::Stale => "stale_connection",
            Self::Reset => "reset",
            Self::PerTryTimeout => "per_try_timeout",
            Self::Silence => "silence",
            Self::InvalidResponse => "invalid_response",
            Self::Deadline => "deadline",
            Self::ClientGone => "client_gone",
        }
    }
}
