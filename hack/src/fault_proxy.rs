//! A network between one client and the API server that can be told to misbehave: it counts requests, answers them
//! itself, loses them or their answers, and ends connections.
//!
//! HTTP without TLS towards the client, whose token is passed on; `kubectl proxy` speaks TLS to the API server, as the
//! same client. Each request has a connection of its own behind the proxy, so that framing is nobody's
//! business. Absent: which fault when, which is the test's [`Judge`].

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::apiserver::Cluster;
use crate::cleanup::{Folder, Process};
use crate::rig::poll;
use crate::tools::Program;

const READY_MAX: Duration = Duration::from_secs(20);
/// The most bytes of a request's head.
const HEAD_MAX: u64 = 64 * 1024;

/// A request as its fate is decided by.
#[derive(Debug, Clone)]
pub struct Request {
    /// `PATCH`, `GET`, …
    pub method: String,
    /// Path and query.
    pub target: String,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is passed on, and so is its answer.
    Passed,
    /// It is passed on after a while.
    Delayed(Duration),
    /// It is never heard of.
    Lost,
    /// It is passed on, and its answer is never heard of.
    AnswerLost,
    /// The API server is not asked: this status, further header fields (each with its line end), and JSON.
    Answered(u16, &'static str, String),
}

/// Decides on every request.
type Judge = Box<dyn FnMut(&Request) -> Fate + Send>;

/// A running proxy. Dropping it ends `kubectl proxy`, and with it every connection.
pub struct FaultProxy {
    address: SocketAddr,
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    _upstream: Process,
    _folder: Folder,
}

struct Shared {
    upstream: SocketAddr,
    judge: Mutex<Judge>,
    /// Connections on which a watch runs.
    watches: Mutex<Vec<TcpStream>>,
}

impl FaultProxy {
    /// Starts one before the API server that `client` sees; until told otherwise it passes everything.
    ///
    /// # Errors
    /// When `kubectl proxy` does not start.
    pub fn start(client: &Cluster) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let (process, upstream) = kubectl_proxy(client, &folder)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let judge: Judge = Box::new(|_: &Request| Fate::Passed);
        let shared = Arc::new(Shared { upstream, judge: Mutex::new(judge), watches: Mutex::default() });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                thread::spawn(move || shared.serve(&connection));
            }
        });
        let kubeconfig = folder.path().join("client");
        let text = fs::read_to_string(client.kubeconfig())?;
        fs::write(&kubeconfig, replace_server(&text, &format!("http://{address}")))?;
        Ok(Self { address, kubeconfig, shared, _upstream: process, _folder: folder })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The client's kubeconfig, through here.
    #[must_use]
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// From now on this decides.
    pub fn judge(&self, judge: impl FnMut(&Request) -> Fate + Send + 'static) {
        *self.shared.judge.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(judge);
    }

    /// From now on everything is passed. Returns the writes that go through, as they come: `PATCH /api/v1/…`.
    pub fn list_writes(&self) -> Arc<Mutex<Vec<String>>> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&writes);
        self.judge(move |request: &Request| {
            if request.is_write() && !request.is_beside() {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push(format!("{} {}", request.method, request.target));
            }
            Fate::Passed
        });
        writes
    }

    /// Ends every watch that runs, in the middle of it.
    pub fn cut_watches(&self) {
        let mut watches = self.shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in watches.drain(..) {
            watch.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }
}

impl std::fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultProxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Request {
    /// Whether it changes something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
    }

    /// Whether it is a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.target.contains("watch=true")
    }

    /// Whether it is about leader election or an event, which are beside the walk.
    #[must_use]
    pub fn is_beside(&self) -> bool {
        self.target.contains("/leases") || self.target.contains("/events")
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) {
        // What breaks is the client's to notice.
        self.exchange(client).unwrap_or_default();
    }

    /// One request, after which the connection ends.
    fn exchange(&self, client: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let (request, head) = read_head(&mut reader)?;
        let mut body = vec![0; content_length(&head)];
        reader.read_exact(&mut body)?;
        let fate = (self.judge.lock().unwrap_or_else(PoisonError::into_inner))(&request);
        let answer_to = match fate {
            Fate::Lost => return Ok(()),
            Fate::Answered(status, fields, text) => return answer(client, status, fields, &text),
            Fate::AnswerLost => None,
            Fate::Passed => Some(client),
            Fate::Delayed(time) => {
                thread::sleep(time);
                Some(client)
            }
        };
        if request.is_watch() {
            self.watches.lock().unwrap_or_else(PoisonError::into_inner).push(client.try_clone()?);
        }
        let mut upstream = TcpStream::connect(self.upstream)?;
        upstream.write_all(with_close(&head).as_bytes())?;
        upstream.write_all(&body)?;
        let Some(mut client) = answer_to else {
            io::copy(&mut upstream, &mut io::sink())?;
            return Ok(());
        };
        io::copy(&mut upstream, &mut client)?;
        client.shutdown(Shutdown::Both)
    }
}

fn kubectl_proxy(client: &Cluster, folder: &Folder) -> anyhow::Result<(Process, SocketAddr)> {
    let (log, said) = (fs::File::create(folder.path().join("log"))?, folder.path().join("log"));
    let mut command = Command::new(Program::Kubectl.build()?);
    command.args(["proxy", "--port=0"]).env("KUBECONFIG", client.kubeconfig());
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let process = Process::start(&mut command)?.expendable();
    let address = || {
        let said = fs::read_to_string(&said).ok()?;
        said.lines().find_map(|line| line.strip_prefix("Starting to serve on ")?.trim().parse().ok())
    };
    let address = poll(READY_MAX, address).context("kubectl proxy does not start")?;
    Ok((process, address))
}

fn replace_server(kubeconfig: &str, server: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().split_once(": ") {
            Some(("server", _)) => format!("{}server: {server}\n", " ".repeat(indent)),
            Some(("certificate-authority", _)) => String::new(),
            _ => format!("{line}\n"),
        }
    };
    kubeconfig.lines().map(line).collect()
}

fn read_head(reader: &mut BufReader<TcpStream>) -> io::Result<(Request, String)> {
    let mut head = String::new();
    let mut limited = reader.take(HEAD_MAX);
    while !head.ends_with("\r\n\r\n") {
        if limited.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut first = head.split(' ');
    let mut word = || first.next().unwrap_or_default().to_owned();
    Ok((Request { method: word(), target: word() }, head))
}

fn content_length(head: &str) -> usize {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let length =
        fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    length.filter_map(|value| value.trim().parse().ok()).next().unwrap_or_default()
}

/// The head with a wish to end the connection after the answer.
fn with_close(head: &str) -> String {
    let fields = head.trim_end_matches("\r\n").split("\r\n");
    let kept = fields.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    format!("{}\r\nconnection: close\r\n\r\n", kept.collect::<Vec<_>>().join("\r\n"))
}

fn answer(mut client: &TcpStream, status: u16, fields: &str, text: &str) -> io::Result<()> {
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status} Injected\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{fields}connection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes())?;
    client.write_all(text.as_bytes())?;
    client.shutdown(Shutdown::Write)
}
