//! Questions to a socket that move no byte, and orders that end it. Valid while a stream or one of its halves lives.
//!
//! The one place in the product with `unsafe` code: the runtime keeps the descriptor to itself and lends its number.

use std::os::fd::{BorrowedFd, RawFd};

use nix::libc::{AF_UNSPEC, POLLRDHUP, connect, sa_family_t, sockaddr, socklen_t};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};

/// The peer has closed its side (Linux); nix does not name it.
const PEER_CLOSED: PollFlags = PollFlags::from_bits_retain(POLLRDHUP);

/// The socket below a connection.
#[derive(Debug, Clone, Copy)]
pub struct Socket(RawFd);

impl Socket {
    pub(super) fn new(fd: RawFd) -> Self {
        Self(fd)
    }

    /// Whether there is nothing to read and the peer has not closed.
    pub fn is_quiet(self) -> bool {
        self.poll(PollFlags::POLLIN | PEER_CLOSED).is_empty()
    }

    /// Whether the peer has closed its side, or the connection broke; bytes that nobody has read do not hide it.
    pub fn is_closed_by_peer(self) -> bool {
        self.poll(PEER_CLOSED).intersects(PEER_CLOSED | PollFlags::POLLHUP | PollFlags::POLLERR)
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

    /// Resets the connection, now: the runtime's writing half ends it in order when it is dropped, and a reset that
    /// comes after that is too late.
    #[expect(
        unsafe_code,
        reason = "no safe wrapper has an address without a family, which is how Linux is told"
    )]
    pub fn reset(self) {
        let nowhere = sockaddr { sa_family: AF_UNSPEC as sa_family_t, sa_data: [0; 14] };
        // SAFETY: the kernel reads `nowhere`, which has the size that it is told, and keeps no pointer to it.
        unsafe { connect(self.0, &raw const nowhere, size_of::<sockaddr>() as socklen_t) };
    }

    /// What has happened of `events`; a socket that cannot be asked is broken.
    fn poll(self, events: PollFlags) -> PollFlags {
        let fd = self.fd();
        let mut entry = [PollFd::new(fd, events)];
        match poll(&mut entry, PollTimeout::ZERO) {
            // None: a flag that nix does not name, and only one such was asked for.
            Ok(_) => entry[0].revents().unwrap_or(PEER_CLOSED),
            Err(nix::Error::EINTR) => PollFlags::empty(),
            Err(_) => PollFlags::POLLERR,
        }
    }

    #[expect(unsafe_code, reason = "monoio's stream does not lend its descriptor as a `BorrowedFd`")]
    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: whoever holds a `Socket` holds the stream that owns the descriptor, or a half of it; a number that
        // has gone stale could only name another socket of this process, never memory.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}
