//! The spans of one request, as a whole: who is whose child, in which order, and when.

use std::collections::BTreeMap;

use hack::collector::{Event, Span};
use serde_json::Value;

/// One request.
#[derive(Debug)]
pub struct Tree {
    pub request: Span,
    /// In the order in which they began.
    pub attempts: Vec<Span>,
}

/// Attributes by name, as they are expected.
pub type Attributes = BTreeMap<String, Value>;

impl Tree {
    /// The spans of one request.
    #[track_caller]
    pub fn of(spans: Vec<Span>) -> Self {
        let (mut requests, mut attempts): (Vec<_>, Vec<_>) =
            spans.into_iter().partition(|span| span.kind == "SERVER");
        assert_eq!(requests.len(), 1, "{requests:#?}");
        attempts.sort_by_key(|span| span.start);
        Self { request: requests.remove(0), attempts }
    }

    /// The trees of several requests, in the order in which they began.
    pub fn all(spans: &[Span]) -> Vec<Self> {
        let mut requests: Vec<_> = spans.iter().filter(|span| span.kind == "SERVER").collect();
        requests.sort_by_key(|span| span.start);
        let children = |request: &Span| {
            let ours = |span: &&Span| span.parent_id == request.span_id;
            let mut children: Vec<_> = spans.iter().filter(ours).cloned().collect();
            children.sort_by_key(|span| span.start);
            children
        };
        requests
            .into_iter()
            .map(|request| Self { request: request.clone(), attempts: children(request) })
            .collect()
    }

    /// What holds for every tree.
    #[track_caller]
    pub fn check_shape(&self) {
        let Self { request, attempts } = self;
        for attempt in attempts {
            assert_eq!(attempt.kind, "CLIENT");
            assert_eq!(attempt.parent_id, request.span_id, "attempts are siblings below the request");
            assert_eq!(attempt.trace_id, request.trace_id);
            assert!(request.start <= attempt.start && attempt.end <= request.end, "{self:#?}");
            assert_eq!(attempt.resource, request.resource);
            assert_eq!(attempt.scope, request.scope);
            assert_eq!(attempt.events, []);
        }
        for pair in attempts.windows(2) {
            assert!(pair[0].end <= pair[1].start, "one after the other: {self:#?}");
        }
        let mut ids: Vec<_> = attempts.iter().chain([request]).map(|span| &span.span_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), attempts.len() + 1, "every span has an id of its own");
        assert_eq!(request.scope, "rebound-dataplane");
        self.check_events();
    }

    /// One event for each pause, at its beginning, and the pause is as long as it was said to be.
    #[track_caller]
    fn check_events(&self) {
        let Self { request, attempts } = self;
        assert_eq!(request.events.len(), attempts.len().saturating_sub(1));
        for (index, event) in request.events.iter().enumerate() {
            assert_eq!(event.name, "retry.scheduled");
            assert_eq!(event.attributes["rebound.retry.attempt"], index + 1);
            let (failed, next) = (&attempts[index], &attempts[index + 1]);
            assert!(failed.end <= event.time && event.time <= next.start, "{self:#?}");
            let pause = (next.start - event.time) as f64 / 1e6;
            assert!(pause >= delay_ms(event), "{pause} ms of {} ms", delay_ms(event));
        }
    }

    /// The reasons and sources of the events.
    pub fn events(&self) -> Vec<(&str, &str)> {
        self.request
            .events
            .iter()
            .map(|event| {
                assert_eq!(event.attributes.len(), 4, "{event:#?}");
                let of = |name: &str| event.attributes[name].as_str().unwrap();
                (of("rebound.retry.reason"), of("rebound.retry.source"))
            })
            .collect()
    }
}

fn delay_ms(event: &Event) -> f64 {
    event.attributes["rebound.retry.delay_ms"].as_f64().unwrap()
}

/// A map from pairs; `null` stands for nothing.
pub fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_null());
    pairs.map(|(name, value)| (name.to_owned(), value)).collect()
}
