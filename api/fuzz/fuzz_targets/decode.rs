//! No file makes the reader of snapshots panic, and what it lets in can be written and read again.
//!
//! The input is a body; the fuzzer cannot guess a checksum, so the file is also sealed for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rebound_api::config::FORMAT_VERSION;
use rebound_api::config::codec::{decode, encode};
use xxhash_rust::xxh3::xxh3_128;

fuzz_target!(|data: &[u8]| {
    check(data);
    let header = format!("rebound-snapshot {FORMAT_VERSION} {} {:032x}\n", data.len(), xxh3_128(data));
    check(&[header.as_bytes(), data].concat());
});

fn check(file: &[u8]) {
    let Ok(snapshot) = decode(file) else { return };
    let again = encode(&snapshot).expect("what is read can be written");
    assert_eq!(decode(&again).expect("what is written can be read"), snapshot);
}
