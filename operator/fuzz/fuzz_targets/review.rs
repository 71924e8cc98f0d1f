//! Whatever somebody posts to the webhook has an answer that is whole, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rebound_operator::webhook::admit;

fuzz_target!(|bytes: &[u8]| {
    let Ok(review) = admit(bytes) else { return };
    let response = &review["response"];
    let is_refused = response["allowed"] == false;
    let causes = response["status"]["details"]["causes"].as_array().map_or(0, Vec::len);
    assert_eq!(is_refused, causes > 0, "{review}");
    let warnings = response["warnings"].as_array().into_iter().flatten();
    for warning in warnings {
        assert!(warning.as_str().is_some_and(|text| text.chars().count() <= 256), "{review}");
    }
});
