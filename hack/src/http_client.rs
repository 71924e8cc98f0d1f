//! A small blocking HTTP/1.1 client for the demo, the benchmarks and the end-to-end tests.
//!
//! One request at a time on a kept-alive connection; bodies by length, chunked or until the end. Strict enough to
//! notice a wrong answer, no more: its peers are ours.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// The largest answer head that is read, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// The most header fields of an answer.
const FIELDS_MAX: usize = 64;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a read may wait: longer than the seed's policy can sleep, which is 50 s.
const READ_MAX: Duration = Duration::from_secs(60);

/// A connection that is kept alive from request to request.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Field names in lower case, values as text.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a field; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When the peer does not answer in time.
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_MAX)
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_MAX))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a GET and reads the answer.
    ///
    /// # Errors
    /// When the connection fails or the answer cannot be read.
    pub fn get(&mut self, target: &str) -> anyhow::Result<Response> {
        self.send("GET", target, &[], &[])
    }

    /// Sends a request, with `content-length` unless a field says how the body is framed, and reads the answer.
    ///
    /// # Errors
    /// When the connection fails or the answer cannot be read.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Response> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        let mut fields = headers.to_vec();
        let length = body.len().to_string();
        let has = |name: &str| headers.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
        if !has("host") {
            fields.push(("host", "rebound.test"));
        }
        if !body.is_empty() && !has("transfer-encoding") {
            fields.push(("content-length", &length));
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes()).context("send the head")?;
        self.write(body).context("send the body")?;
        self.read(method)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// Reads the final answer to a request of that method; interim answers are passed over.
    ///
    /// # Errors
    /// When the connection fails or the answer cannot be read.
    pub fn read(&mut self, method: &str) -> anyhow::Result<Response> {
        loop {
            let mut response = self.read_head().context("read the answer's head")?;
            if response.status < 200 && response.status != 101 {
                continue;
            }
            if method != "HEAD" && !matches!(response.status, 204 | 304) {
                response.body = self.read_body(&response).context("read the answer's body")?;
            }
            return Ok(response);
        }
    }

    fn read_head(&mut self) -> anyhow::Result<Response> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let line = self.stream.by_ref().take(HEAD_MAX as u64).read_until(b'\n', &mut head)?;
            ensure!(line > 0, "the connection was closed");
            ensure!(head.len() < HEAD_MAX, "the head is longer than {HEAD_MAX} bytes");
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut fields);
        ensure!(parsed.parse(&head)?.is_complete(), "the head is incomplete");
        let headers = parsed.headers.iter().map(|field| {
            (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
        });
        let headers = headers.collect();
        Ok(Response { status: parsed.code.unwrap_or_default(), headers, body: Vec::new() })
    }

    fn read_body(&mut self, head: &Response) -> anyhow::Result<Vec<u8>> {
        if head.header("transfer-encoding").is_some() {
            return self.read_chunks();
        }
        let mut body = Vec::new();
        if let Some(length) = head.header("content-length") {
            let length: u64 = length.parse()?;
            self.stream.by_ref().take(length).read_to_end(&mut body)?;
            ensure!(body.len() as u64 == length, "{} of {length} bytes came", body.len());
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn read_chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size.trim(), 16).context("chunk size")?;
            if size == 0 {
                break;
            }
            let before = body.len() as u64;
            self.stream.by_ref().take(size).read_to_end(&mut body)?;
            ensure!(body.len() as u64 == before + size, "the connection was closed within a chunk");
            ensure!(self.read_line()?.is_empty(), "a chunk does not end with a line");
        }
        while !self.read_line()?.is_empty() {}
        Ok(body)
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.stream.by_ref().take(HEAD_MAX as u64).read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => bail!("a line without an end: {line:?}"),
        }
    }
}
