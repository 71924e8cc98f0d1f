//! Flags, each also as an environment variable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::io::driver::Choice;
use crate::telemetry::access_log::Format;
use crate::telemetry::settings::{self, AccessLog, Settings, variable};
use crate::worker::limits::Limits;

/// An HTTP proxy that retries what is safe to retry. Serves one Gateway, as a snapshot file describes it.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "rebound-dataplane", version)]
pub struct Cli {
    /// The snapshot file; it is replaced by rename and may appear later.
    #[arg(long, env = "REBOUND_SNAPSHOT", value_name = "PATH")]
    pub snapshot: PathBuf,
    /// The address that listeners are bound to; their ports stand in the snapshot.
    #[arg(long, env = "REBOUND_BIND", value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub bind: IpAddr,
    /// Where /livez, /readyz, /metrics and /generation are served; port 0 takes a free one.
    #[arg(long, env = "REBOUND_ADMIN", value_name = "ADDR:PORT", default_value = "0.0.0.0:9901")]
    pub admin: SocketAddr,
    /// Cores to use; by default one for each that the process may run on.
    #[arg(long, env = "REBOUND_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// The kernel interface: io_uring where it is allowed, else epoll.
    #[arg(long, env = "REBOUND_DRIVER", value_enum, default_value_t)]
    pub driver: Choice,
    /// Where the live page is served: an address of this machine alone, such as 127.0.0.1:9902; by default nowhere.
    #[arg(long, env = "REBOUND_LIVE", value_name = "ADDR:PORT", value_parser = loopback)]
    pub live: Option<SocketAddr>,
    /// What clients may take.
    #[command(flatten)]
    pub limits: Limits,
    /// Whether durations are counted and /metrics answers.
    #[arg(long, env = "REBOUND_METRICS", value_enum, default_value_t = Switch::On)]
    pub metrics: Switch,
    /// A line for each request.
    #[arg(long, env = "REBOUND_ACCESS_LOG", value_enum, default_value_t)]
    pub access_log: AccessLogFormat,
    /// The file of the access log, which is opened anew when it was moved or removed; by default standard output.
    #[arg(long, env = "REBOUND_ACCESS_LOG_FILE", value_name = "PATH")]
    pub access_log_file: Option<PathBuf>,
    /// The share of the requests that get a line, 0 to 1; those that were retried or failed always get one.
    #[arg(long, env = "REBOUND_ACCESS_LOG_SAMPLE", value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub access_log_sample: f64,
    /// The OpenTelemetry collector, such as http://collector:4318; by default there are no traces. The other
    /// OTEL_ variables are read too: docs/reference/telemetry.md.
    #[arg(long, env = variable::ENDPOINT, hide_env_values = true, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Export the spans of requests that were retried or failed even when they were not sampled.
    #[arg(long, env = "REBOUND_TRACE_RETRIED", value_enum, default_value_t = Switch::On)]
    pub trace_retried: Switch,
    /// Drain when the process that started this one dies, so that no proxy outlives `rebound-operator run`.
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
    /// What to log, as in RUST_LOG: `debug`, or `info,rebound_dataplane::snapshot=debug`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// What a line of the access log looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AccessLogFormat {
    /// There is none.
    #[default]
    Off,
    /// An object.
    Json,
    /// Words.
    Text,
}

impl Cli {
    /// What is to be reported. Reads the variables of OpenTelemetry.
    pub fn telemetry(&self) -> Settings {
        let look_up = |name: &str| match name {
            variable::ENDPOINT => self.otlp_endpoint.clone(),
            _ => std::env::var(name).ok(),
        };
        let format = match self.access_log {
            AccessLogFormat::Off => None,
            AccessLogFormat::Json => Some(Format::Json),
            AccessLogFormat::Text => Some(Format::Text),
        };
        let access_log =
            |format| AccessLog { format, file: self.access_log_file.clone(), share: self.access_log_sample };
        Settings {
            counts: self.metrics == Switch::On,
            traces: settings::traces(self.trace_retried == Switch::On, &look_up),
            access_log: format.map(access_log),
            live: self.live.is_some(),
            flush_every: settings::flush_every(&look_up),
        }
    }
}

/// What the live page shows is for those who may log in to the pod.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.ip().is_loopback() { Ok(address) } else { Err("not an address of this machine alone".into()) }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("not between 0 and 1".into()) }
}
