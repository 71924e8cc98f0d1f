//! A TCP connection in two halves that can be used at the same time.
//!
//! The runtime owns a buffer while the kernel works on it. A read or write that is dropped before it ends has lost
//! its bytes: the connection must then be closed, never used again.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use bytes::{Bytes, BytesMut};
use monoio::buf::{IoBuf, SliceMut};
use monoio::io::{
    AsyncReadRent, AsyncWriteRent, CancelableAsyncReadRent, OwnedReadHalf, OwnedWriteHalf, Splitable,
};
use monoio::net::TcpStream;
use nix::errno::Errno;

use super::pace::Pace;
use super::socket::Socket;
use super::stop::Stop;

/// A connection that nobody reads or writes at the moment.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
    pace: Pace,
}

/// The reading half.
#[derive(Debug)]
pub struct ReadHalf {
    half: OwnedReadHalf<TcpStream>,
    socket: Socket,
    pace: Pace,
}

/// The writing half.
#[derive(Debug)]
pub struct WriteHalf {
    half: OwnedWriteHalf<TcpStream>,
    pace: Pace,
}

/// A write that failed.
#[derive(Debug, thiserror::Error)]
#[error("write failed after {written} bytes")]
pub struct WriteError {
    /// Bytes that the kernel took before the failure: zero proves that the peer has seen nothing of this write.
    pub written: usize,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Stream {
    /// Connects without delaying small writes.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect_addr(address).await?)
    }

    pub(super) fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, pace: Pace::default() })
    }

    /// Ends when there is something to read, or the peer closed; holds no buffer while it waits.
    pub async fn readable(&self) -> io::Result<()> {
        self.pace.count(self.tcp.readable(false)).await
    }

    /// The socket below.
    pub fn socket(&self) -> Socket {
        Socket::new(self.tcp.as_raw_fd())
    }

    /// Both halves.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let socket = self.socket();
        let (read, write) = self.tcp.into_split();
        let pace = self.pace.clone();
        (ReadHalf { half: read, socket, pace: self.pace }, WriteHalf { half: write, pace })
    }

    /// The halves of one connection together again; none when they are not of one.
    pub fn join(read: ReadHalf, write: WriteHalf) -> Option<Self> {
        let tcp = read.half.reunite(write.half).ok()?;
        Some(Self { tcp, pace: read.pace })
    }
}

impl ReadHalf {
    /// Appends what has arrived to `buffer`, at most its spare capacity; zero: the peer closed its side.
    pub async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let taken = std::mem::take(buffer);
        let (start, end) = (taken.len(), taken.capacity());
        let (result, slice) = self.pace.count(self.half.read(SliceMut::new(taken, start, end))).await;
        *buffer = slice.into_inner();
        self.pace.rest().await;
        result
    }

    /// As [`ReadHalf::read`]; none: it was stopped, and nothing is lost.
    pub async fn read_unless(&mut self, stop: &Stop, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        let taken = std::mem::take(buffer);
        let (start, end) = (taken.len(), taken.capacity());
        let reading = self.half.cancelable_read(SliceMut::new(taken, start, end), stop.handle());
        let (result, slice) = self.pace.count(reading).await;
        *buffer = slice.into_inner();
        self.pace.rest().await;
        match result {
            Err(error) if error.raw_os_error() == Some(Errno::ECANCELED as i32) => Ok(None),
            result => result.map(Some),
        }
    }

    /// The socket below.
    pub fn socket(&self) -> Socket {
        self.socket
    }
}

impl WriteHalf {
    /// Writes all of `buffer` and empties it, keeping its memory.
    pub async fn write_all(&mut self, buffer: &mut BytesMut) -> Result<(), WriteError> {
        let (result, mut back) = self.write_owned(std::mem::take(buffer)).await;
        back.clear();
        *buffer = back;
        result
    }

    /// Writes all of `bytes`.
    pub async fn write_bytes(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        self.write_owned(bytes).await.0
    }

    async fn write_owned<B: IoBuf + 'static>(&mut self, mut buffer: B) -> (Result<(), WriteError>, B) {
        let length = buffer.bytes_init();
        let mut written = 0;
        while written < length {
            let (result, slice) = self.pace.count(self.half.write(buffer.slice(written..length))).await;
            buffer = slice.into_inner();
            self.pace.rest().await;
            let source = match result {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) => error,
            };
            return (Err(WriteError { written, source }), buffer);
        }
        (Ok(()), buffer)
    }
}
