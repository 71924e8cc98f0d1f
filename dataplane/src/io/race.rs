//! Two futures at once on one core.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

/// Which of two futures ended first.
#[derive(Debug)]
pub enum First<A, B> {
    /// The left one.
    Left(A),
    /// The right one.
    Right(B),
}

/// Runs both until one ends and drops the other. When both are ready, the left one wins.
///
/// Dropping a read or a write of [`super::stream`] loses its bytes: race only what may be lost.
pub async fn race<A: Future, B: Future>(left: A, right: B) -> First<A::Output, B::Output> {
    race_pinned(pin!(left), pin!(right)).await
}

/// As [`race`], over futures that the caller keeps and may go on with.
pub async fn race_pinned<A: Future + ?Sized, B: Future + ?Sized>(
    mut left: Pin<&mut A>,
    mut right: Pin<&mut B>,
) -> First<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(value) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(value));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}
