//! Bodies through the whole product, both ways, by length and in chunks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use hack::http_client::{Connection, Response};
use hack::programs::Programs;
use hack::rig::Rig;

const MIB: usize = 1 << 20;

fn rig() -> Rig {
    Rig::seed(&Programs::for_tests().unwrap(), 1).unwrap()
}

/// Not the same byte everywhere, so that a lost or repeated part shows.
fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 251 + at % 251) as u8).collect()
}

#[track_caller]
fn check_echo(answer: &Response, sent: &[u8]) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), sent.len());
    assert!(answer.body == sent, "the body changed on its way");
}

#[test]
fn bodies_of_every_size_come_back_as_they_were_sent() {
    let rig = rig();
    let mut connection = Connection::open(rig.address()).unwrap();
    // Around the limits that matter: nothing, a read, the replay buffer, much more than any buffer.
    for size in [0, 1, 8 * 1024, 64 * 1024, 64 * 1024 + 1, 3 * MIB] {
        let sent = body(size);
        check_echo(&connection.send("POST", "/echo", &[], &sent).unwrap(), &sent);
    }
}

#[test]
fn a_hundred_megabytes_go_both_ways() {
    let rig = rig();
    let sent = body(100 * MIB);
    let mut connection = Connection::open(rig.address()).unwrap();
    check_echo(&connection.send("PUT", "/echo", &[], &sent).unwrap(), &sent);
}

#[test]
fn a_chunked_body_comes_back_as_it_was_sent() {
    let rig = rig();
    let sent = body(MIB);
    let mut framed = Vec::new();
    for chunk in sent.chunks(10_007) {
        framed.extend(format!("{:x}\r\n", chunk.len()).bytes());
        framed.extend(chunk);
        framed.extend(b"\r\n");
    }
    framed.extend(b"0\r\n\r\n");
    let mut connection = Connection::open(rig.address()).unwrap();
    let answer = connection.send("POST", "/echo", &[("transfer-encoding", "chunked")], &framed).unwrap();
    check_echo(&answer, &sent);
    check_echo(&connection.get("/echo").unwrap(), b"");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let rig = rig();
    let mut connection = Connection::open(rig.address()).unwrap();
    for (method, target, status) in
        [("HEAD", "/echo", 200), ("GET", "/echo?status=204", 204), ("GET", "/echo?status=304", 304)]
    {
        assert_eq!(connection.send(method, target, &[], &[]).unwrap().status, status, "{method} {target}");
        let sent = body(100);
        check_echo(&connection.send("POST", "/echo", &[], &sent).unwrap(), &sent);
    }
}
