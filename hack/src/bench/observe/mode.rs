//! What is switched on.

/// One thing at a time, so that its cost is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing.
    Off,
    /// Counting.
    Metrics,
    /// The spans of one request in a hundred.
    OnePercent,
    /// The spans of every request.
    Traced,
    /// A line of JSON for every request.
    AccessLog,
}

impl Mode {
    /// Everything that costs something.
    pub(super) const ON: [Self; 4] = [Self::Metrics, Self::OnePercent, Self::Traced, Self::AccessLog];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Off => "everything off",
            Self::Metrics => "metrics",
            Self::OnePercent => "1 % of requests traced",
            Self::Traced => "every request traced",
            Self::AccessLog => "access log",
        }
    }

    /// How much it may cost, as a ratio; none: nothing is promised.
    pub(super) fn max(self) -> Option<f64> {
        match self {
            Self::Off | Self::AccessLog => None,
            Self::Metrics | Self::OnePercent => Some(1.02),
            Self::Traced => Some(1.10),
        }
    }

    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Metrics => &["--metrics", "on"],
            Self::Off | Self::OnePercent | Self::Traced => &["--metrics", "off"],
            Self::AccessLog => &["--metrics", "off", "--access-log", "json"],
        }
    }

    /// Variables, for a collector that listens at `endpoint`.
    pub(super) fn variables(self, endpoint: &str) -> Vec<(&'static str, &str)> {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        match self {
            Self::Off | Self::Metrics | Self::AccessLog => Vec::new(),
            Self::Traced => vec![endpoint],
            Self::OnePercent => vec![
                endpoint,
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.01"),
            ],
        }
    }
}
