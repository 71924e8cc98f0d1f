//! What admission says about one object. Data only: who says it is `validate`, or a real API server.

use rebound_api::violation::Report;
use serde_json::Value;

/// Checks one object as the API server and its webhooks do.
pub type Admit = fn(&Value) -> Admission;

/// The answer.
#[derive(Debug, Default)]
pub struct Admission {
    /// The object would not get into a cluster: its kind's schema or our webhook refuses it.
    pub refused: bool,
    /// Everything that is wrong with it, and everything that will hurt.
    pub report: Report,
}
