//! Fields against the rules of W3C Trace Context, and decisions against their shares.

use proptest::prelude::*;

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parse(text: &str) -> Option<TraceParent> {
    TraceParent::parse(text.as_bytes())
}

#[test]
fn a_traceparent_is_written_as_it_was_read() {
    let parent = parse(PARENT).unwrap();
    assert_eq!(parent.trace.halves(), [0x4bf9_2f35_77b3_4da6, 0xa3ce_929d_0e0e_4736]);
    assert_eq!(parent.flags, SAMPLED);
    assert_eq!(parent.to_text(), PARENT.as_bytes());
}

#[test]
fn what_is_not_a_traceparent_is_none() {
    let invalid = [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ];
    for text in invalid {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn later_versions_are_read_as_far_as_they_are_known() {
    let later = parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-more").unwrap();
    assert_eq!(later.flags, SAMPLED | RANDOM);
    assert!(parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").is_some());
}

#[test]
fn a_request_keeps_to_the_decision_that_it_brings() {
    let [nothing, everything] = [0.0, 1.0].map(|share| Sampler::new(true, share));
    let sampled = parse(PARENT);
    let unsampled = sampled.map(|parent| TraceParent { flags: 0, ..parent });
    assert!(Trace::begin(sampled, nothing, || 7).is_sampled());
    assert!(!Trace::begin(unsampled, everything, || 7).is_sampled());
    assert!(!Trace::begin(sampled, Sampler::new(false, 0.0), || 7).is_sampled());
}

#[test]
fn a_share_of_new_traces_is_sampled() {
    let mut dice = fastrand::Rng::with_seed(7);
    for share in [0.0, 0.01, 0.5, 1.0] {
        let sampler = Sampler::new(true, share);
        let sampled =
            (0..100_000).filter(|_| Trace::begin(None, sampler, || dice.u64(..)).is_sampled()).count();
        assert!((sampled as f64 / 100_000.0 - share).abs() < 0.01, "{sampled} of {share}");
    }
}

#[test]
fn a_trace_is_judged_by_the_lower_half_of_its_number_as_the_sdks_do() {
    let judged = |low: u64| {
        let parent = TraceParent {
            trace: TraceId::from_halves([7, low]).unwrap(),
            span: SpanId::new(1).unwrap(),
            flags: 0,
        };
        Trace::begin(Some(parent), Sampler::new(false, 0.5), || 7).is_sampled()
    };
    assert!(judged(u64::MAX / 2) && judged(1));
    assert!(!judged(u64::MAX / 2 + 3) && !judged(u64::MAX));
}

#[test]
fn a_trace_goes_on_under_its_parent_and_begins_where_there_is_none() {
    let parent = parse(PARENT);
    let trace = Trace::begin(parent, Sampler::new(true, 1.0), || 7);
    assert_eq!((Some(trace.id), trace.parent), (parent.map(|p| p.trace), parent.map(|p| p.span)));
    let begun = Trace::begin(None, Sampler::new(true, 1.0), || 7);
    assert_eq!((begun.parent, begun.flags), (None, SAMPLED | RANDOM));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(parent) = TraceParent::parse(&bytes) {
            prop_assert_eq!(TraceParent::parse(&parent.to_text()), Some(parent));
        }
    }

    #[test]
    fn every_traceparent_survives(high: u64, low in 1_u64.., span in 1_u64.., flags in 0_u8..4) {
        let parent = TraceParent {
            trace: TraceId::from_halves([high, low]).unwrap(),
            span: SpanId::new(span).unwrap(),
            flags,
        };
        prop_assert_eq!(TraceParent::parse(&parent.to_text()), Some(parent));
    }
}
