//! No ConfigMaps make the agent panic or take more memory than a snapshot may have, and what is joined has the header
//! that fits it.
//!
//! The input is a manifest, a zero byte, and the one part that all its shards are taken from.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rebound_api::config::codec::{DecodeError, SNAPSHOT_MAX_BYTES, decode};
use rebound_operator::shards::join;

fuzz_target!(|data: &[u8]| {
    let (manifest, part) = data.split_at(data.iter().position(|b| *b == 0).unwrap_or(data.len()));
    let Ok(manifest) = std::str::from_utf8(manifest) else { return };
    let Ok(file) = join(manifest, |_| part.get(1..)) else { return };
    assert!(file.len() <= SNAPSHOT_MAX_BYTES);
    match decode(&file) {
        Ok(_) | Err(DecodeError::Json(_) | DecodeError::Item { .. } | DecodeError::Invalid { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
});
