//! What is reported, and where to: flags of ours, and the standard variables of OpenTelemetry.
//!
//! Pure: variables are looked up by whoever calls. A variable that makes no sense is left out of account with a warning,
//! as its specification demands: a typing error must not keep traffic from flowing.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::access_log::Format;
use super::trace::Sampler;

/// How long spans and lines may wait on their core, unless [`variable::SCHEDULE_DELAY`] says otherwise.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How long the collector may take, unless its variable says otherwise.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the service, unless the environment has another.
const SERVICE: &str = "rebound-dataplane";

/// Variables of the OpenTelemetry specification.
pub mod variable {
    /// `true`: no traces.
    pub const DISABLED: &str = "OTEL_SDK_DISABLED";
    /// `none`: no traces.
    pub const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    /// The collector for traces, as it is.
    pub const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    /// The collector for everything; the path of traces is added.
    pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    /// `http/protobuf` is all that this build speaks.
    pub const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    /// Fields that requests to the collector carry: `name=value,…`.
    pub const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    /// Milliseconds that a request to the collector may take.
    pub const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    /// A file of certificates that the collector is checked against.
    pub const CERTIFICATES: [&str; 2] =
        ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
    /// Which traces are sampled.
    pub const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    /// The share of them, 0 to 1.
    pub const SAMPLER_ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    /// Milliseconds that a span may wait to be sent.
    pub const SCHEDULE_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
    /// The name of the service.
    pub const SERVICE: &str = "OTEL_SERVICE_NAME";
    /// What is known about this process: `name=value,…`.
    pub const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
}

/// What is reported, and where to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether durations are counted and `/metrics` answers.
    pub counts: bool,
    /// None: traces are off.
    pub traces: Option<Traces>,
    /// None: there is no access log.
    pub access_log: Option<AccessLog>,
    /// Whether there is a live page.
    pub live: bool,
    /// How long spans and lines may wait on their core.
    pub flush_every: Duration,
}

/// How requests are traced.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Where spans go, with the path.
    pub endpoint: String,
    /// Fields of every request there.
    pub headers: Secrets,
    /// How long such a request may take.
    pub timeout: Duration,
    /// A file of certificates that the collector is checked against; none: those that browsers trust.
    pub certificate: Option<PathBuf>,
    /// Which traces are sampled.
    pub sampler: Sampler,
    /// Keep what was retried or failed even if it was not sampled.
    pub keep_remarkable: bool,
    /// What is known about this process.
    pub resource: Vec<(String, String)>,
}

/// Names and values that are not for everybody: printing them shows the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub Vec<(String, String)>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// How requests are logged.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// What a line looks like.
    pub format: Format,
    /// None: standard output.
    pub file: Option<PathBuf>,
    /// The share of the requests that were neither retried nor failed, 0 to 1.
    pub share: f64,
}

/// A look at the environment. Empty variables are as good as none.
#[derive(Clone, Copy)]
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

/// The traces that the environment asks for; none: it asks for none.
pub fn traces(keep_remarkable: bool, look_up: &dyn Fn(&str) -> Option<String>) -> Option<Traces> {
    let environment = Environment(look_up);
    let says =
        |name, wanted: &str| environment.read(name).is_some_and(|said| said.eq_ignore_ascii_case(wanted));
    if says(variable::DISABLED, "true") || says(variable::EXPORTER, "none") {
        return None;
    }
    let endpoint = environment.endpoint()?;
    if let Some(protocol) = environment.first(variable::PROTOCOLS).filter(|said| said != "http/protobuf") {
        tracing::warn!(protocol, "traces are sent as http/protobuf, which is all that this build speaks");
    }
    Some(Traces {
        endpoint,
        headers: Secrets(environment.first(variable::HEADERS).map(|list| pairs(&list)).unwrap_or_default()),
        timeout: environment.first(variable::TIMEOUTS).and_then(|ms| millis(&ms)).unwrap_or(EXPORT_TIMEOUT),
        certificate: environment.first(variable::CERTIFICATES).map(PathBuf::from),
        sampler: environment.sampler(),
        keep_remarkable,
        resource: environment.resource(),
    })
}

/// How long spans and lines may wait on their core.
pub fn flush_every(look_up: &dyn Fn(&str) -> Option<String>) -> Duration {
    let said = Environment(look_up).read(variable::SCHEDULE_DELAY).and_then(|ms| millis(&ms));
    said.filter(|delay| !delay.is_zero()).unwrap_or(FLUSH_EVERY)
}

impl Environment<'_> {
    fn read(self, name: &str) -> Option<String> {
        self.0(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The variable for traces comes before the one for everything.
    fn first(self, names: [&str; 2]) -> Option<String> {
        names.into_iter().find_map(|name| self.read(name))
    }

    fn endpoint(self) -> Option<String> {
        let general = || Some(format!("{}/v1/traces", self.read(variable::ENDPOINT)?.trim_end_matches('/')));
        let endpoint = self.read(variable::TRACES_ENDPOINT).or_else(general)?;
        let known = ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
        if !known {
            // Not the address itself: it may hold a password.
            tracing::error!("no traces: the collector's address begins with neither http:// nor https://");
        }
        known.then_some(endpoint)
    }

    fn sampler(self) -> Sampler {
        let name = self.read(variable::SAMPLER);
        let share = || match self.read(variable::SAMPLER_ARGUMENT).map(|text| (text.parse::<f64>(), text)) {
            None => 1.0,
            Some((Ok(share), _)) if (0.0..=1.0).contains(&share) => share,
            Some((_, text)) => {
                tracing::warn!(share = text, "not a share between 0 and 1: every trace is sampled");
                1.0
            }
        };
        match name.as_deref() {
            None | Some("parentbased_always_on") => Sampler::new(true, 1.0),
            Some("always_on") => Sampler::new(false, 1.0),
            Some("always_off") => Sampler::new(false, 0.0),
            Some("traceidratio") => Sampler::new(false, share()),
            Some("parentbased_always_off") => Sampler::new(true, 0.0),
            Some("parentbased_traceidratio") => Sampler::new(true, share()),
            Some(unknown) => {
                tracing::warn!(sampler = unknown, "unknown sampler: parentbased_always_on takes its place");
                Sampler::new(true, 1.0)
            }
        }
    }

    /// A name said by itself wins over one among the attributes, and both over ours.
    fn resource(self) -> Vec<(String, String)> {
        let said = self.read(variable::RESOURCE).map(|list| pairs(&list)).unwrap_or_default();
        let own = [("service.name", SERVICE), ("service.version", env!("CARGO_PKG_VERSION"))];
        let mut resource: Vec<_> = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let name = self.read(variable::SERVICE).map(|name| ("service.name".to_owned(), name));
        for (key, value) in said.into_iter().chain(name) {
            match resource.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => resource.push((key, value)),
            }
        }
        resource
    }
}

/// `name=value,…` with values in percent encoding. What has no name is left out.
fn pairs(list: &str) -> Vec<(String, String)> {
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned())).filter(|(name, _)| !name.is_empty())
    };
    let items = list.split(',').filter(|item| !item.trim().is_empty());
    items
        .filter_map(|item| {
            let read = pair(item);
            if read.is_none() {
                // The item itself may be a secret.
                tracing::warn!(
                    "an item of OTEL_EXPORTER_OTLP_HEADERS or OTEL_RESOURCE_ATTRIBUTES is not name=value"
                );
            }
            read
        })
        .collect()
}

fn millis(text: &str) -> Option<Duration> {
    let read = text.parse().map(Duration::from_millis);
    if read.is_err() {
        tracing::warn!(value = text, "not a number of milliseconds");
    }
    read.ok()
}
