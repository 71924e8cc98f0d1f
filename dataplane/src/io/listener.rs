//! Accepting connections on one core.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::AsFd;

use monoio::io::CancelHandle;
use monoio::net::TcpListener;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::driver::Driver;
use super::stream::Stream;

/// Connections that the kernel completes ahead of `accept`.
const BACKLOG: i32 = 4096;

/// A listening socket of one core.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    /// A second handle of the same socket, to ask whether its queue is empty.
    queue: StdListener,
}

/// Binds a socket that shares its address with the same socket of the other cores (SO_REUSEPORT).
pub fn bind_shared(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Fails when anybody listens on `address`: sharing it would let two programs steal each other's connections.
pub fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier process in TIME_WAIT are no reason to refuse.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

impl Listener {
    /// Takes a bound socket to this core.
    pub fn new(socket: StdListener, driver: Driver) -> io::Result<Self> {
        // epoll waits for readiness, a ring waits in the kernel: only the first wants EAGAIN.
        socket.set_nonblocking(driver == Driver::Epoll)?;
        let queue = socket.try_clone()?;
        Ok(Self { tcp: TcpListener::from_std(socket)?, queue })
    }

    /// The next connection; an error when `cancel` fires first.
    pub async fn accept(&self, cancel: CancelHandle) -> io::Result<(Stream, SocketAddr)> {
        let (tcp, peer) = self.tcp.cancelable_accept(cancel).await?;
        Ok((Stream::new(tcp)?, peer))
    }

    /// Whether a connection waits to be accepted. Closing now would reset it.
    pub fn has_waiting(&self) -> bool {
        let mut entry = [PollFd::new(self.queue.as_fd(), PollFlags::POLLIN)];
        poll(&mut entry, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}
