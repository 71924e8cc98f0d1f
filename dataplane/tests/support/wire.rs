//! One end of a connection: heads and bodies out of a stream of bytes, strictly and without keeping what is not asked
//! for. Client and backend both read with it.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::DEADLINE;

pub struct Wire {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Up to and with the empty line; none: the connection ended first.
    pub fn read_head(&mut self) -> Option<String> {
        let head = self.take_through(b"\r\n\r\n")?;
        Some(String::from_utf8(head).unwrap())
    }

    /// Hands out the body as it comes and returns the trailer section, usually empty; none: the connection ended
    /// within it.
    pub fn read_body(&mut self, framing: Framing, mut sink: impl FnMut(&[u8])) -> Option<String> {
        match framing {
            Framing::Length(length) => self.read_exactly(length, &mut sink).map(|()| String::new()),
            Framing::Chunked => self.read_chunks(&mut sink),
            Framing::UntilClose => {
                self.drain(u64::MAX, &mut sink);
                while self.fill() {
                    self.drain(u64::MAX, &mut sink);
                }
                Some(String::new())
            }
        }
    }

    fn read_chunks(&mut self, sink: &mut impl FnMut(&[u8])) -> Option<String> {
        loop {
            let line = self.take_through(b"\r\n")?;
            let size = std::str::from_utf8(&line[..line.len() - 2]).unwrap();
            let size = u64::from_str_radix(size, 16).unwrap();
            if size == 0 {
                break;
            }
            self.read_exactly(size, sink)?;
            assert_eq!(self.take_through(b"\r\n")?, b"\r\n", "a chunk ends with its line");
        }
        let mut trailers = String::new();
        loop {
            match String::from_utf8(self.take_through(b"\r\n")?).unwrap() {
                end if end == "\r\n" => return Some(trailers),
                line => trailers += &line,
            }
        }
    }

    fn read_exactly(&mut self, length: u64, sink: &mut impl FnMut(&[u8])) -> Option<()> {
        let mut left = length - self.drain(length, sink);
        while left > 0 {
            if !self.fill() {
                return None;
            }
            left -= self.drain(left, sink);
        }
        Some(())
    }

    /// Hands out what is there, at most `max`.
    fn drain(&mut self, max: u64, sink: &mut impl FnMut(&[u8])) -> u64 {
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(self.buffer.len());
        sink(&self.buffer[..count]);
        self.buffer.drain(..count);
        count as u64
    }

    fn take_through(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// False: the connection has ended.
    pub fn fill(&mut self) -> bool {
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => {
                panic!("read: {error}; so far {:?}", String::from_utf8_lossy(&self.buffer))
            }
        }
    }

    /// None: the other side takes no more.
    pub fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }
}

/// A header's value; the name is in lower case.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    headers(head).find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The header fields of a head, as spelled.
pub fn headers(head: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = head.trim_end().split("\r\n").skip(1);
    lines.map(|line| line.split_once(':').unwrap()).map(|(name, value)| (name, value.trim()))
}
