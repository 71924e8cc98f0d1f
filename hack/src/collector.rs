//! Receivers of spans that share no code with ours: OpenTelemetry's collector, and Python with the published messages.
//!
//! Both print what they receive; here it becomes the same [`Span`], so that a test asserts once and asks both.

mod otlp_json;
mod python;
mod span;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

pub use self::span::{Event, Span};
use crate::cleanup::{Folder, Process};
use crate::rig::poll;
use crate::tools::Program;

/// How long a receiver may take to listen.
const START_MAX: Duration = Duration::from_secs(30);

/// Which program receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// OpenTelemetry's collector, in Go.
    Otelcol,
    /// `hack/receiver/receiver.py`, which refuses whatever the protocol does not allow.
    Python,
}

/// How a collector answers, good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Accept,
    /// Never.
    Slow,
    /// With a status that refuses.
    Status(u16),
    /// By resetting the connection.
    Reset,
    /// With a body of hundreds of megabytes.
    Huge,
}

/// A running receiver on a port of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    receiver: Receiver,
    // Before the folder: the program must be gone when its output goes.
    _process: Process,
    folder: Folder,
}

impl Receiver {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Otelcol, Self::Python];
}

impl Answer {
    /// As `receiver.py` is told.
    fn argument(self) -> String {
        match self {
            Self::Accept => "accept".to_owned(),
            Self::Slow => "slow".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::Reset => "reset".to_owned(),
            Self::Huge => "huge".to_owned(),
        }
    }
}

impl Collector {
    /// A collector that takes every span.
    ///
    /// # Errors
    /// When the program can neither be found nor built, or does not listen.
    pub fn start(receiver: Receiver) -> anyhow::Result<Self> {
        match receiver {
            Receiver::Otelcol => {
                let address = free_address()?;
                let mut command = Command::new(Program::Otelcol.build()?);
                command.arg(configuration(address));
                Self::run(command, receiver, Some(address))
            }
            Receiver::Python => Self::answering(Answer::Accept),
        }
    }

    /// A collector that answers like this.
    ///
    /// # Errors
    /// When Python or the published messages are missing, or it does not listen.
    pub fn answering(answer: Answer) -> anyhow::Result<Self> {
        let mut command = python::receiver()?;
        command.args(["--answer", &answer.argument()]);
        Self::run(command, Receiver::Python, None)
    }

    fn run(mut command: Command, receiver: Receiver, address: Option<SocketAddr>) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        command.stdin(Stdio::null()).stdout(File::create(folder.path().join("lines"))?);
        let process = Process::start(&mut command)?.expendable();
        let listens = || match address {
            Some(address) => TcpStream::connect(address).is_ok().then_some(address),
            None => python::listening(lines(&folder).first()?),
        };
        let address = poll(START_MAX, listens).with_context(|| format!("{receiver:?} does not listen"))?;
        Ok(Self { address, receiver, _process: process, folder })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that it has printed so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        lines(&self.folder)
    }

    /// The spans received so far.
    ///
    /// # Errors
    /// When it was sent something that is not a span, or that the protocol does not allow.
    pub fn spans(&self) -> anyhow::Result<Vec<Span>> {
        let lines = self.lines();
        let read = |line: &String| match self.receiver {
            Receiver::Otelcol => otlp_json::spans(line),
            Receiver::Python => python::spans(line),
        };
        let spans = lines.iter().map(|line| read(line).with_context(|| line.clone()));
        Ok(spans.collect::<anyhow::Result<Vec<_>>>()?.concat())
    }

    /// Waits for at least so many spans of kind SERVER, and returns all spans then.
    ///
    /// # Errors
    /// When they have not come after `limit`, or as [`spans`](Self::spans).
    pub fn await_requests(&self, wanted: usize, limit: Duration) -> anyhow::Result<Vec<Span>> {
        let servers = |spans: &[Span]| spans.iter().filter(|span| is_whole(span, spans)).count();
        let come = poll(limit, || match self.spans() {
            Ok(spans) if servers(&spans) < wanted => None,
            spans => Some(spans),
        });
        match come {
            Some(spans) => spans,
            None => bail!("not {wanted} requests within {} s:\n{}", limit.as_secs(), self.lines().join("\n")),
        }
    }
}

/// Whether it is a request whose attempts have all come.
fn is_whole(request: &Span, spans: &[Span]) -> bool {
    let attempts = spans.iter().filter(|span| span.parent_id == request.span_id).count();
    let told = request.attributes.get("rebound.retry.attempts");
    request.kind == "SERVER" && told.is_some_and(|told| *told == attempts)
}

/// Whole lines only: the program may be writing.
fn lines(folder: &Folder) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join("lines")).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

/// A receiver, no processors, one exporter: what is printed is what came.
fn configuration(address: SocketAddr) -> String {
    serde_json::json!({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": address}}}},
        "exporters": {"lines": {}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["lines"]}},
        },
    })
    .to_string()
}

/// A port of a loopback address that nobody else uses: the collector does not say which one it took.
fn free_address() -> anyhow::Result<SocketAddr> {
    let part = || fastrand::u8(1..=254);
    let listener =
        TcpListener::bind((Ipv4Addr::new(127, part(), part(), part()), 0)).context("find a free port")?;
    Ok(listener.local_addr()?)
}
