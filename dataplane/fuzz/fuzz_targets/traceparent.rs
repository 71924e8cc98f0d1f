//! A `traceparent` from anybody: refused, or the same when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rebound_dataplane::telemetry::trace::TraceParent;

fuzz_target!(|text: &[u8]| {
    if let Some(parent) = TraceParent::parse(text) {
        assert_eq!(TraceParent::parse(&parent.to_text()), Some(parent));
    }
});
