//! Two futures at once on one core.
//!
//! A struct instead of an `async fn`: the latter would hold what it is given twice, and races nest.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Which of two futures ended first.
#[derive(Debug)]
pub enum First<A, B> {
    /// The left one.
    Left(A),
    /// The right one.
    Right(B),
}

pin_project! {
    /// See [`race`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Race<A, B> {
        #[pin]
        left: A,
        #[pin]
        right: B,
    }
}

/// Runs both until one ends and drops the other; give it pinned references to keep them. When both are ready, the left
/// one wins.
///
/// Dropping a read or a write of [`super::stream`] loses its bytes: drop only what may be lost.
pub fn race<A: Future, B: Future>(left: A, right: B) -> Race<A, B> {
    Race { left, right }
}

impl<A: Future, B: Future> Future for Race<A, B> {
    type Output = First<A::Output, B::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(value) = this.left.poll(cx) {
            return Poll::Ready(First::Left(value));
        }
        this.right.poll(cx).map(First::Right)
    }
}
