//! Stands in for `api::crd::retry_policy` until it is there: reads the seed's policy and nothing else.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, unreachable_pub)]

use rebound_api::policy::{backoff::*, retry::*, status_set::*};
use rebound_api::violation::Violation;
use std::time::Duration;
#[derive(Debug)]
pub struct Checked {
    pub policy: Option<RetryPolicy>,
    pub rules: Option<PolicyRules>,
    pub report: Report,
}
#[derive(Debug)]
pub struct RetryPolicy(serde_json::Value);
#[derive(Debug)]
pub struct PolicyRules(u16, RetryRules);
#[derive(Debug)]
pub struct TargetRef {
    pub group: String,
    pub kind: String,
    pub name: String,
    pub namespace: Option<String>,
}
impl RetryPolicy {
    pub fn targets(&self) -> Vec<TargetRef> {
        let t = &self.0["spec"]["targetRef"];
        vec![TargetRef {
            group: "".into(),
            kind: "Service".into(),
            name: t["name"].as_str().unwrap().into(),
            namespace: t["namespace"].as_str().map(Into::into),
        }]
    }
}
impl PolicyRules {
    pub fn for_port(&self, port: u16) -> Option<&RetryRules> {
        (port == self.0).then_some(&self.1)
    }
}
pub fn check(object: &serde_json::Value) -> Checked {
    let p = &object["spec"]["ports"][0];
    let base = Duration::from_secs(p["config"]["backoffBaseInterval"].as_u64().unwrap());
    let rules = RetryRules {
        mode: Mode::Enforce,
        on: Triggers {
            statuses: StatusSet::from_ranges([(500, 599)]),
            reset: true,
            per_try_timeout: true,
            invalid_response: false,
        },
        retries_max: 5,
        backoff: Backoff::new(base, base * 10, 2, Jitter::Full).unwrap(),
        per_try_timeout: None,
        total_timeout: None,
        non_idempotent: NonIdempotent::UnsentOnly,
        methods: vec![],
        replay_max_bytes: REPLAY_DEFAULT_BYTES,
        avoid_tried: true,
        nested: Nested::Suppress,
        attempt_header_request: true,
        attempt_header_response: false,
        budget: Some(Budget {
            percent: 20,
            interval: Duration::from_secs(10),
            floor_count: 10,
            floor_interval: Duration::from_secs(1),
        }),
    };
    Checked {
        policy: Some(RetryPolicy(object.clone())),
        rules: Some(PolicyRules(p["port"].as_u64().unwrap() as u16, rules)),
        report: Report::default(),
    }
}

#[derive(Debug, Clone, Default)]
pub struct Report {
    pub violations: Vec<Violation>,
    pub warnings: Vec<Violation>,
}
