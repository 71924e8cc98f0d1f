//! `RetryPolicy` as users write it.
