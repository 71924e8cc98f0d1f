//! Accepting connections on one core.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::AsFd;
use std::rc::Rc;

use monoio::io::{CancelHandle, Canceller};
use monoio::net::TcpListener;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::driver::Driver;
use super::stream::Stream;

/// Connections that the kernel completes ahead of `accept`.
const BACKLOG: i32 = 4096;

/// A listening socket of one core.
pub struct Listener {
    tcp: TcpListener,
    /// A second handle of the same socket, to ask whether its queue is empty.
    queue: StdListener,
    cancel: CancelHandle,
    closing: Rc<Cell<bool>>,
}

/// Ends the accept loop of a listener.
pub struct Closer {
    canceller: Canceller,
    closing: Rc<Cell<bool>>,
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
    pub fn new(socket: StdListener, driver: Driver) -> io::Result<(Self, Closer)> {
        // epoll waits for readiness, a ring waits in the kernel: only the first wants EAGAIN.
        socket.set_nonblocking(driver == Driver::Epoll)?;
        let queue = socket.try_clone()?;
        let canceller = Canceller::new();
        let closing = Rc::new(Cell::new(false));
        let cancel = canceller.handle();
        let listener = Self { tcp: TcpListener::from_std(socket)?, queue, cancel, closing: closing.clone() };
        Ok((listener, Closer { canceller, closing }))
    }

    /// The next connection; an error when the listener is closed first.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let (tcp, peer) = self.tcp.cancelable_accept(self.cancel.clone()).await?;
        Ok((Stream::new(tcp)?, peer))
    }

    /// Whether the accept loop is to end.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// A connection that the kernel has completed already. Closing the socket would reset it.
    pub async fn accept_waiting(&self) -> Option<io::Result<(Stream, SocketAddr)>> {
        let mut entry = [PollFd::new(self.queue.as_fd(), PollFlags::POLLIN)];
        if !poll(&mut entry, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
            return None;
        }
        let accepted = self.tcp.accept().await;
        Some(accepted.and_then(|(tcp, peer)| Ok((Stream::new(tcp)?, peer))))
    }
}

impl Closer {
    /// Wakes the accept loop, which then finds [`Listener::is_closing`].
    pub fn close(self) {
        self.closing.set(true);
        self.canceller.cancel();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl fmt::Debug for Closer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closer").field("closing", &self.closing).finish_non_exhaustive()
    }
}
