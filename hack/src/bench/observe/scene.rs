//! A data plane with one thing switched on, before a backend that always answers.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use rebound_api::config::Snapshot;
use rebound_api::config::cluster::Cluster;
use rebound_api::config::listener::{Attached, Listener, Protocol};
use rebound_api::config::retry::{Backoff, Jitter, NonIdempotent, Retry};
use rebound_api::config::route::{Backend as Share, HeaderEdits, Match, PathMatch, Route, Rule};
use rebound_api::name::Generation;

use super::mode::Mode;
use super::sink::{Sink, Way};
use crate::backend::Backend;
use crate::dataplane_rig::{Dataplane, Setup};
use crate::http_client::Connection;
use crate::load::{self, Outcome};

const PORT: u16 = 8000;
const TARGET: &str = "/echo?size=64";
const TARGET_AT_REST: &str = "/echo?delay=200us";
/// Enough for the data plane to come to rest after an answer, also below callgrind.
const PAUSE: Duration = Duration::from_micros(300);

/// What serves the load.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) dataplane: Dataplane,
    sink: Sink,
    _backend: Backend,
}

impl Scene {
    /// With a collector that takes everything.
    pub(super) fn start(program: &Path, mode: Mode, below: &[&str]) -> anyhow::Result<Self> {
        let sink = Sink::start(Way::Accept)?;
        let endpoint = sink.endpoint();
        Self::run(program, mode, &endpoint, sink, below)
    }

    /// Every request is traced, for a collector at `endpoint`; none: nothing is traced.
    pub(super) fn traced(program: &Path, endpoint: Option<&str>) -> anyhow::Result<Self> {
        let mode = if endpoint.is_some() { Mode::Traced } else { Mode::Off };
        Self::run(program, mode, endpoint.unwrap_or_default(), Sink::start(Way::Accept)?, &[])
    }

    fn run(program: &Path, mode: Mode, endpoint: &str, sink: Sink, below: &[&str]) -> anyhow::Result<Self> {
        let backend = Backend::start(0, 1)?;
        // Below a tool a second of the clock holds few requests, and a batch in every second would be dear for them.
        let slowed: &[_] = if below.is_empty() { &[] } else { &[("OTEL_BSP_SCHEDULE_DELAY", "10000")] };
        let variables = [
            slowed,
            &mode.variables(endpoint)[..],
            // Callgrind counts every byte of `rep movsb` as an instruction; without it copies are counted as they cost.
            &[("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000")],
        ]
        .concat();
        // The kernel interface that runs below every tool, and in every pod.
        let flags = [mode.flags(), &["--driver", "epoll", "--log", "error"]].concat();
        let setup = Setup { below, flags: &flags, variables: &variables };
        let dataplane = Dataplane::start(program, &snapshot(&backend)?, &setup)?;
        Ok(Self { dataplane, sink, _backend: backend })
    }

    /// So many requests, all of which must succeed.
    pub(super) fn load(&self, requests: usize, connections: usize) -> anyhow::Result<Outcome> {
        let outcome = load::send(self.dataplane.address(PORT), TARGET, requests, connections);
        let good = outcome.statuses.get(&200).copied().unwrap_or_default();
        ensure!(good == requests, "{good} of {requests} succeeded: {:?}", outcome.errors.first());
        Ok(outcome)
    }

    /// So many requests of which each finds everything at rest: the client pauses before it, and the backend before its
    /// answer. So what is waited for is the same every time, and not a matter of who is quicker.
    pub(super) fn load_at_rest(&self, requests: usize) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.dataplane.address(PORT))?;
        for _ in 0..requests {
            thread::sleep(PAUSE);
            let status = connection.get(TARGET_AT_REST)?.status;
            ensure!(status == 200, "status {status}");
        }
        Ok(())
    }

    /// Fails when spans were to be sent and none were: then nothing was measured.
    pub(super) fn check_used(&self, mode: Mode) -> anyhow::Result<()> {
        let wanted = matches!(mode, Mode::Traced | Mode::OnePercent);
        ensure!(
            self.sink.is_used() == wanted,
            "spans were sent: {}, to be sent: {wanted}",
            self.sink.is_used()
        );
        Ok(())
    }
}

/// One route, one Service port, and a policy that finds nothing to do.
fn snapshot(backend: &Backend) -> anyhow::Result<Snapshot> {
    let everything =
        Match { path: PathMatch::Prefix("/".into()), method: None, headers: vec![], query: vec![] };
    let share = Share {
        weight: 1,
        cluster: Some(0),
        retry: None,
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
    };
    let rule = Rule {
        matches: vec![everything],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        request_timeout_ms: None,
        attempt_timeout_ms: None,
        backends: vec![share],
    };
    Ok(Snapshot {
        generation: Generation(1),
        gateway: "server/gateway".parse()?,
        listeners: vec![
            Listener {
                name: "http".into(),
                port: PORT,
                protocol: Protocol::Http,
                hostname: None,
                routes: vec![Attached { route: 0, hostnames: vec![] }],
            }
            .into(),
        ],
        routes: vec![Route { name: "server/route".parse()?, rules: vec![rule] }.into()],
        clusters: vec![
            Cluster {
                service: "server/fortio:8080".parse()?,
                endpoints: vec![backend.address()],
                retry: Some(policy()?),
                budget: None,
            }
            .into(),
        ],
    })
}

fn policy() -> anyhow::Result<Retry> {
    Ok(Retry {
        origin: "server/policy".parse()?,
        dry_run: false,
        on: vec![[500, 599]],
        on_reset: true,
        on_per_try_timeout: true,
        on_invalid_response: false,
        retries_max: 2,
        backoff: Backoff { base_us: 25_000, max_us: 250_000, multiplier: 2, jitter: Jitter::Full },
        per_try_timeout_ms: None,
        total_timeout_ms: None,
        non_idempotent: NonIdempotent::UnsentOnly,
        methods: vec![],
        replay_max_bytes: 64 * 1024,
        avoid_tried: true,
        suppress_nested: true,
        attempt_header_request: true,
        attempt_header_response: false,
    })
}
