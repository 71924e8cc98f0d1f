//! A TCP connection in two halves that can be used at the same time.
//!
//! The runtime owns a buffer while the kernel works on it. A read or write that is dropped before it ends has lost
//! its bytes: the connection must then be closed, never used again.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use bytes::{Bytes, BytesMut};
use monoio::buf::{IoBuf, SliceMut};
use monoio::io::{
    AsyncReadRent, AsyncWriteRent, CancelableAsyncReadRent, OwnedReadHalf, OwnedWriteHalf, Splitable,
};
use monoio::net::TcpStream;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

use super::stop::Stop;

/// A connection that nobody reads or writes at the moment.
#[derive(Debug)]
pub struct Stream(TcpStream);

/// The reading half.
#[derive(Debug)]
pub struct ReadHalf {
    half: OwnedReadHalf<TcpStream>,
    socket: Socket,
}

/// The writing half.
#[derive(Debug)]
pub struct WriteHalf(OwnedWriteHalf<TcpStream>);

/// The socket below a connection, for questions that do not move bytes. Valid while one of the halves lives.
#[derive(Debug, Clone, Copy)]
pub struct Socket(RawFd);

/// What a look at a socket without reading from it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peeked {
    /// Nothing to read, and open.
    Quiet,
    /// Bytes to read.
    Readable,
    /// The peer has closed its side, or the connection broke.
    Closed,
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
        Ok(Self(tcp))
    }

    /// Ends when there is something to read, or the peer closed; holds no buffer while it waits.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable(false).await
    }

    /// The socket below.
    pub fn socket(&self) -> Socket {
        Socket(self.0.as_raw_fd())
    }

    /// Both halves.
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let socket = self.socket();
        let (read, write) = self.0.into_split();
        (ReadHalf { half: read, socket }, WriteHalf(write))
    }

    /// The halves of one connection together again; none when they are not of one.
    pub fn join(read: ReadHalf, write: WriteHalf) -> Option<Self> {
        read.half.reunite(write.0).ok().map(Self)
    }
}

impl ReadHalf {
    /// Appends what has arrived to `buffer`, at most its spare capacity; zero: the peer closed its side.
    pub async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let taken = std::mem::take(buffer);
        let (start, end) = (taken.len(), taken.capacity());
        let (result, slice) = self.half.read(SliceMut::new(taken, start, end)).await;
        *buffer = slice.into_inner();
        result
    }

    /// As [`ReadHalf::read`]; none: it was stopped, and nothing is lost.
    pub async fn read_unless(&mut self, stop: &Stop, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        let taken = std::mem::take(buffer);
        let (start, end) = (taken.len(), taken.capacity());
        let (result, slice) =
            self.half.cancelable_read(SliceMut::new(taken, start, end), stop.handle()).await;
        *buffer = slice.into_inner();
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
        let (result, mut back) = write_all(&mut self.0, std::mem::take(buffer)).await;
        back.clear();
        *buffer = back;
        result
    }

    /// Writes all of `bytes`.
    pub async fn write_bytes(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        write_all(&mut self.0, bytes).await.0
    }
}

async fn write_all<B: IoBuf + 'static>(
    half: &mut OwnedWriteHalf<TcpStream>,
    mut buffer: B,
) -> (Result<(), WriteError>, B) {
    let length = buffer.bytes_init();
    let mut written = 0;
    while written < length {
        let (result, slice) = half.write(buffer.slice(written..length)).await;
        buffer = slice.into_inner();
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

impl Socket {
    /// Looks at the socket without waiting and without taking a byte.
    pub fn peek(self) -> Peeked {
        match recv(self.0, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Peeked::Closed,
            Ok(_) => Peeked::Readable,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => Peeked::Quiet,
            Err(_) => Peeked::Closed,
        }
    }

    /// Says to the peer that nothing more comes. An error means that the connection is gone already.
    pub fn shutdown_write(self) {
        shutdown(self.0, Shutdown::Write).ok();
    }

    /// Ends every read and write that is waiting on the socket.
    pub fn shutdown_both(self) {
        shutdown(self.0, Shutdown::Both).ok();
    }

    /// Ends a wait for the peer's next byte; what was sent before still arrives there.
    pub fn shutdown_read(self) {
        shutdown(self.0, Shutdown::Read).ok();
    }
}
