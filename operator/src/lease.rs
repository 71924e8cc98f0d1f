//! Leader election: which replica may write, and until when.
//!
//! One Lease object (coordination.k8s.io/v1) in the operator's namespace names the leader. All writes to it carry the
//! resourceVersion that was read, so that of two candidates one wins; expiry is judged by the monotonic clock of the
//! one who waits. The leader stops [`Timing::grace`] before anybody else can begin.
//! Absent: what a leader does. Nothing here can fail the process: without an API server, leadership lapses by itself.

mod leadership;
mod record;

use std::pin::pin;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use tokio::time::{error::Elapsed, sleep, timeout};
use tracing::{Instrument, debug, debug_span, info, warn};

pub use self::leadership::Leadership;
use self::leadership::Term;
use self::record::{Candidate, Record, Seen, Step, decide};
use crate::telemetry::chain;

/// The name of the Lease.
pub const NAME: &str = crate::rbac::NAME;

/// The HTTP status of a write to something that has changed, or of the creation of something that exists.
const CONFLICT: u16 = 409;
/// How often the release is tried: a renewal that was cut off may still arrive in between.
const RELEASES_MAX: usize = 3;

/// How long things take. All replicas must agree, so there is no flag for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others leave a silent leader alone.
    pub lease: Duration,
    /// How long a renewal counts, from before it was sent.
    pub term: Duration,
    /// How often the leader renews.
    pub renew_every: Duration,
    /// How often everybody looks at the record, give or take a tenth.
    pub look_every: Duration,
    /// The longest that one request may take.
    pub request: Duration,
}

/// The lease as one candidate keeps it.
#[derive(Debug)]
pub struct Lease {
    api: Api<Object>,
    identity: String,
    timing: Timing,
    term: Term,
    leadership: Leadership,
    /// The record as it was seen last; `None` if there is none.
    seen: Option<Seen>,
    /// When the renewal that the term counts from was sent.
    renewed: Option<Instant>,
    /// Whether the last look failed, and somebody was told.
    is_troubled: bool,
}

/// Why a look at the lease, or a write to it, came to nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the request failed")]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Silent(#[from] Elapsed),
}

impl Error {
    /// Whether somebody else wrote between our look and our write.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.code == CONFLICT)
    }
}

impl Timing {
    /// A dead leader is replaced within 16 s, one that stops in order within 1.1 s.
    pub const PRODUCTION: Self = Self {
        lease: Duration::from_secs(15),
        term: Duration::from_secs(10),
        renew_every: Duration::from_secs(5),
        look_every: Duration::from_secs(1),
        request: Duration::from_secs(3),
    };

    /// How long after the end of a term nobody else is the leader yet.
    pub const fn grace(&self) -> Duration {
        self.lease.saturating_sub(self.term)
    }
}

/// The name of a candidate: its pod's, and something that tells a restarted container from the one before.
pub fn identity(pod: &str) -> String {
    format!("{pod}_{:08x}", fastrand::u32(..))
}

impl Lease {
    /// A candidate. It does nothing before [`run`](Self::run). `identity` must be unlike that of any other process,
    /// dead or alive: see [`identity`].
    pub fn new(client: kube::Client, namespace: &str, identity: String) -> Self {
        Self::timed(client, namespace, identity, Timing::PRODUCTION)
    }

    /// The same with another timing, for tests that cannot wait.
    pub fn timed(client: kube::Client, namespace: &str, identity: String, timing: Timing) -> Self {
        let (term, leadership) = Term::new();
        let api = Api::namespaced(client, namespace);
        Self { api, identity, timing, term, leadership, seen: None, renewed: None, is_troubled: false }
    }

    /// A handle that tells whether this process is the leader.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Stands for election, and keeps the lease while it can, until `stop`. Then leadership ends at once and the lease
    /// is released: whoever writes as the leader must have finished before.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let until_the_next_look = self.timing.look_every.mul_f64(0.9 + 0.2 * fastrand::f64());
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = async { self.look().await; sleep(until_the_next_look).await } => {}
            }
        }
        self.release().await;
    }

    async fn look(&mut self) {
        match self.next_step().await {
            Ok(()) => self.is_troubled = false,
            // Somebody else wrote in between; the next look shows who.
            Err(error) if error.is_conflict() => debug!("lost the race for the lease"),
            Err(error) => self.complain(&error),
        }
    }

    async fn next_step(&mut self) -> Result<(), Error> {
        let object = timeout(self.timing.request, self.api.get_opt(NAME)).await??;
        let seen = self.seen.take();
        self.seen = object.as_ref().map(|object| Seen::update(seen, record(object), Instant::now()));
        let Self { identity, renewed, timing, .. } = self;
        let me = Candidate { identity, renewed: *renewed, timing: *timing };
        match decide(self.seen.as_ref(), &me, Instant::now()) {
            Step::Create | Step::Take | Step::Renew => {
                self.write(object.unwrap_or_default()).instrument(debug_span!("lease renew")).await?;
            }
            Step::Hold => {}
            Step::Wait => self.give_way(object.as_ref().and_then(holder)),
        }
        Ok(())
    }

    /// Writes our name. The term counts from before the write, so that it ends before the lease of others does.
    async fn write(&mut self, before: Object) -> Result<(), Error> {
        let sent = Instant::now();
        let written = self.send(claim(before, &self.identity, &self.timing)).await?;
        self.seen = Some(Seen::update(self.seen.take(), record(&written), Instant::now()));
        if !self.leadership.is_leader() {
            info!(identity = self.identity, "this replica is the leader");
        }
        self.renewed = Some(sent);
        self.term.lasts_until(sent + self.timing.term);
        Ok(())
    }

    async fn send(&self, object: Object) -> Result<Object, Error> {
        let params = PostParams::default();
        let is_new = object.metadata.resource_version.is_none();
        let sent = async {
            if is_new {
                self.api.create(&params, &object).await
            } else {
                self.api.replace(NAME, &params, &object).await
            }
        };
        Ok(timeout(self.timing.request, sent).await??)
    }

    fn give_way(&mut self, leader: Option<&str>) {
        self.renewed = None;
        if self.term.end() {
            warn!(leader, "another replica is the leader");
        }
    }

    async fn release(mut self) {
        self.term.end();
        for _ in 0..RELEASES_MAX {
            match self.empty().await {
                Err(error) if error.is_conflict() => {}
                Err(error) => return self.complain(&error),
                Ok(()) => return,
            }
        }
    }

    /// Takes our name out of the record, if it is there.
    async fn empty(&self) -> Result<(), Error> {
        let object = timeout(self.timing.request, self.api.get_opt(NAME)).await??;
        let Some(mut object) = object.filter(|object| holder(object) == Some(self.identity.as_str())) else {
            return Ok(());
        };
        object.spec.get_or_insert_default().holder_identity = None;
        self.send(object).await?;
        info!("released the lease");
        Ok(())
    }

    /// Once for a row of failures: the API server is asked every second.
    fn complain(&mut self, error: &Error) {
        if !self.is_troubled {
            warn!(error = chain(error), "cannot keep the lease");
        }
        self.is_troubled = true;
    }
}

fn record(object: &Object) -> Record {
    Record {
        version: object.metadata.resource_version.clone().unwrap_or_default(),
        holder: holder(object).map(Into::into),
    }
}

fn holder(object: &Object) -> Option<&str> {
    let spec = object.spec.as_ref()?;
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// The record with our name in it. What others have put beside it stays.
fn claim(mut object: Object, me: &str, timing: &Timing) -> Object {
    let is_ours = holder(&object) == Some(me);
    let now = MicroTime(Timestamp::now());
    object.metadata.name = Some(NAME.into());
    let spec: &mut LeaseSpec = object.spec.get_or_insert_default();
    if !is_ours {
        let taken = spec.lease_transitions.map_or(0, |transitions| transitions.saturating_add(1));
        spec.lease_transitions = Some(taken);
        spec.acquire_time = Some(now.clone());
    }
    spec.holder_identity = Some(me.into());
    // The API server wants at least one second.
    spec.lease_duration_seconds = Some(i32::try_from(timing.lease.as_secs()).unwrap_or(i32::MAX).max(1));
    spec.renew_time = Some(now);
    object
}
