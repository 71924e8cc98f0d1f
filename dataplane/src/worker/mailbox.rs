//! What the supervisor says to a core.

use std::net::TcpListener;
use std::sync::Arc;

use crate::snapshot::plan::Plan;

/// One message.
#[derive(Debug)]
pub enum Message {
    /// A new plan; requests that are running keep the old one.
    Update(Update),
    /// Finish what is running, then end.
    Drain,
}

/// A plan and what comes with it.
#[derive(Debug)]
pub struct Update {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Sockets of the ports that this plan adds, bound for this core.
    pub listeners: Vec<(u16, TcpListener)>,
}
