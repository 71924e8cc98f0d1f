//! The grammars of a policy: no text makes a parser panic, and what they accept means what it should.
//!
//! The input is lines; each is an item of `retryOn`, and is read as a duration and as a byte count too.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use rebound_api::policy::duration::{self, DURATION_MAX};
use rebound_api::policy::triggers::{Token, Triggers};
use rebound_api::policy::{byte_count, triggers};

fuzz_target!(|text: &str| {
    let items: Vec<&str> = text.lines().collect();
    match triggers::parse(items.iter().copied()) {
        Ok(tokens) => check(&items, &tokens),
        Err(bad) => assert!(bad.iter().all(|bad| bad.index < items.len() && !bad.message.is_empty())),
    }
    for item in items {
        if let Ok(duration) = duration::parse(item) {
            assert!(duration <= DURATION_MAX);
            assert_eq!(duration::parse(&duration::format(duration)), Ok(duration));
        }
        let _ = byte_count::parse(item);
    }
});

fn check(items: &[&str], tokens: &[Token]) {
    assert_eq!(items.len(), tokens.len());
    assert_eq!(items.iter().collect::<HashSet<_>>().len(), items.len(), "duplicates are refused");
    let triggers = Triggers::from_tokens(tokens);
    for code in 0..=1000 {
        let listed = tokens
            .iter()
            .filter_map(|token| token.statuses())
            .any(|(low, high)| (low..=high).contains(&code));
        assert_eq!(triggers.statuses.contains(code), listed, "{code}");
        assert!(!listed || (400..=599).contains(&code), "{code} is no failure");
    }
}
