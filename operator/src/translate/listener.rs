//! Listeners, and which routes answer there.

use rebound_api::config::listener::{Attached, Listener, Protocol};

use crate::validate::{AcceptedListener, Attachment};

/// `routes` lists the routes of the snapshot by their index in `Accepted`, sorted.
pub(super) fn listener(listener: &AcceptedListener, routes: &[usize]) -> Listener {
    Listener {
        name: listener.name.clone(),
        port: listener.port,
        protocol: Protocol::Http,
        hostname: listener.hostname.clone(),
        routes: listener.routes.iter().map(|it| attached(it, routes)).collect(),
    }
}

fn attached(attachment: &Attachment, routes: &[usize]) -> Attached {
    let at = routes.partition_point(|it| *it < attachment.route);
    Attached { route: index(at), hostnames: attachment.hostnames.to_vec() }
}

/// A snapshot with more than 2^32 routes is refused by `encode` long before its indices could be wrong.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
