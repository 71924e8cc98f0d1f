//! A client that sends what it is told, byte for byte, and reads answers strictly.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use super::wire::{Framing, Wire, headers};

pub struct Client {
    pub wire: Wire,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connect {address}: {error}"));
        Self { wire: Wire::new(stream) }
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write(bytes.as_ref()).expect("the connection takes bytes");
    }

    /// As [`Client::write`]; whoever is no longer listened to does not mind.
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write(bytes.as_ref());
    }

    /// Sends a request and reads its final response.
    pub fn send(&mut self, request: &str) -> Response {
        self.write(request);
        self.read_final(request.starts_with("HEAD "))
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
    }

    /// The next final response; interim ones are skipped.
    pub fn read_final(&mut self, to_head: bool) -> Response {
        loop {
            let response = self.read_response(to_head);
            if response.status >= 200 {
                return response;
            }
        }
    }

    /// The next response, interim or final.
    pub fn read_response(&mut self, to_head: bool) -> Response {
        let mut body = Vec::new();
        let response = self.read_streaming(to_head, |piece| body.extend_from_slice(piece));
        Response { body, ..response }
    }

    /// The next response, whose body goes to `sink`.
    pub fn read_streaming(&mut self, to_head: bool, sink: impl FnMut(&[u8])) -> Response {
        let mut response = self.read_head();
        if let Some(framing) = response.framing(to_head) {
            response.complete = self.wire.read_body(framing, sink).is_some();
        }
        response
    }

    /// The head of the next response alone.
    pub fn read_head(&mut self) -> Response {
        let head = self.wire.read_head().expect("the connection ended before a whole head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lower = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.to_owned());
        let headers = headers(&head).map(lower).collect();
        Response { status, headers, body: Vec::new(), complete: true }
    }

    /// Whether the other side has closed the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        self.wire.buffer.is_empty() && !self.wire.fill()
    }

    /// Whether the other side has said that nothing more comes, and has taken all that it was sent: a reset could have
    /// cost this side the last answer.
    pub fn is_ended_in_order(&mut self) -> bool {
        self.wire.buffer.is_empty() && matches!(self.wire.stream.read(&mut [0]), Ok(0))
    }

    /// Everything until the connection ends in order; an error: how it ended otherwise.
    pub fn read_to_end(&mut self) -> Result<Vec<u8>, std::io::ErrorKind> {
        let mut bytes = std::mem::take(&mut self.wire.buffer);
        self.wire.stream.read_to_end(&mut bytes).map_err(|error| error.kind())?;
        Ok(bytes)
    }

    /// Goes away, as a killed process does.
    pub fn vanish(self) {
        drop(self);
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// Whether the connection ends after this response.
    pub fn says_close(&self) -> bool {
        self.header("connection") == Some("close")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// None: there is no body.
    fn framing(&self, to_head: bool) -> Option<Framing> {
        if to_head || self.status < 200 || matches!(self.status, 204 | 304) {
            return None;
        }
        Some(match (self.header("transfer-encoding"), self.header("content-length")) {
            (Some(coding), length) => {
                assert_eq!((coding, length), ("chunked", None), "framed in one way");
                Framing::Chunked
            }
            (None, Some(length)) => Framing::Length(length.parse().unwrap()),
            (None, None) => Framing::UntilClose,
        })
    }
}
