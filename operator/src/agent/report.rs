//! Tells the operator what the data plane serves: the key of this pod in the report ConfigMap.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::dataplane::{Dataplane, Served};
use super::{Pauses, Progress, Settings};
use crate::observe::world::Report;

/// How often the data plane is asked while nothing is expected of it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is asked for a generation that was just written, for at most [`EXPECT_MAX`].
const EXPECT_EVERY: Duration = Duration::from_millis(5);
const EXPECT_MAX: Duration = Duration::from_secs(2);
/// One that has been silent for so long serves nothing.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// Between two reports; doubles while they fail.
const REPORT_PAUSES: Pauses = Pauses::new(Duration::from_secs(1), Duration::from_secs(30));
/// The same is reported again so often: somebody may have taken it away, and without that it changes nothing.
const REPEAT_EVERY: Duration = Duration::from_secs(15);
/// The longest error that is reported.
const ERROR_MAX_CHARS: usize = 512;
/// How long the last word of an agent may take.
const WITHDRAW_MAX: Duration = Duration::from_millis(500);
/// The longest name of a field manager (Kubernetes).
const MANAGER_MAX_CHARS: usize = 128;

/// Looks and reports. Never ends.
pub(super) async fn report(client: Client, settings: &Settings, mut told: watch::Receiver<Progress>) {
    let mut dataplane = Dataplane::new(settings.dataplane);
    let mut paper = Paper::new(client, settings);
    let (mut written_at, mut answered_at) = (Instant::now(), Instant::now());
    loop {
        if told.has_changed().unwrap_or(false) {
            written_at = Instant::now();
        }
        let progress = told.borrow_and_update().clone();
        let served = dataplane.look().await;
        if served.is_some() {
            answered_at = Instant::now();
        }
        let is_behind = served.as_ref().is_none_or(|it| it.generation != progress.written.0);
        if served.is_some() || answered_at.elapsed() > SILENT_MAX {
            paper.say(word(&progress, served)).await;
        }
        let is_expected = is_behind && written_at.elapsed() < EXPECT_MAX;
        let pause = if is_expected { EXPECT_EVERY } else { LOOK_EVERY };
        tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = told.changed() => told.mark_changed(),
        }
    }
}

/// Takes this pod's key back: what ends does not serve.
pub(super) async fn withdraw(client: Client, settings: &Settings) {
    let withdrawn = timeout(WITHDRAW_MAX, Paper::new(client, settings).patch(json!({}))).await;
    if !matches!(withdrawn, Ok(Ok(()))) {
        tracing::debug!("the report stays");
    }
}

fn word(progress: &Progress, served: Option<Served>) -> Report {
    let silent = || Served { last_error: Some("the data plane does not answer".into()), ..Served::default() };
    let served = served.unwrap_or_else(silent);
    let error = progress.problem.clone().or(served.last_error);
    Report {
        generation: served.generation,
        driver: served.driver.unwrap_or_default(),
        error: error.map(|text| text.chars().take(ERROR_MAX_CHARS).collect()),
    }
}

/// Where reports are written.
struct Paper<'a> {
    maps: Api<ConfigMap>,
    settings: &'a Settings,
    /// What was last written, and when.
    said: Option<(Report, Instant)>,
    not_before: Instant,
    pauses: Pauses,
    is_failing: bool,
}

impl<'a> Paper<'a> {
    fn new(client: Client, settings: &'a Settings) -> Self {
        let maps = Api::namespaced(client, &settings.namespace);
        Self {
            maps,
            settings,
            said: None,
            not_before: Instant::now(),
            pauses: REPORT_PAUSES,
            is_failing: false,
        }
    }

    /// Writes what is new or was written long ago, if it is not too soon for it; the next look will show it again.
    async fn say(&mut self, report: Report) {
        if self.has_said(&report) || Instant::now() < self.not_before {
            return;
        }
        let text = serde_json::to_string(&report).unwrap_or_default();
        let said = self.patch(json!({ &*self.settings.pod: text })).await;
        match &said {
            Ok(()) => self.pauses = REPORT_PAUSES,
            Err(error) if !self.is_failing => tracing::warn!(%error, "cannot report"),
            Err(_) => {}
        }
        self.is_failing = said.is_err();
        self.said = said.ok().map(|()| (report, Instant::now()));
        self.not_before = Instant::now() + self.pauses.next().unwrap_or_default();
    }

    fn has_said(&self, report: &Report) -> bool {
        self.said.as_ref().is_some_and(|(said, at)| said == report && at.elapsed() < REPEAT_EVERY)
    }

    /// By server-side apply: each agent owns the key of its pod and no other.
    async fn patch(&self, data: Value) -> kube::Result<()> {
        let manager: String =
            format!("rebound-agent-{}", self.settings.pod).chars().take(MANAGER_MAX_CHARS).collect();
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": self.settings.report }, "data": data });
        let params = PatchParams::apply(&manager).force();
        self.maps.patch(&self.settings.report, &params, &Patch::Apply(map)).await.map(drop)
    }
}
