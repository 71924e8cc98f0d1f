//! The networks that tests send traffic in: local, separate, and gone with the test.

use std::net::{Ipv4Addr, TcpListener};

use hack::apiserver::Cluster;
use hack::backend::Backend;
use hack::http_client::Connection;
use hack::netns::{ADDRESS, Namespace};

#[test]
fn traffic_stays_inside_and_needs_no_loopback_address() {
    let namespace = Namespace::new().unwrap();
    let backend = namespace.enter(|| Backend::start_on((ADDRESS, 0).into(), 1)).unwrap().unwrap();
    let ask = |address: Ipv4Addr| {
        let address = (address, backend.address().port()).into();
        Connection::open(address)?.get("/").map(|answer| answer.status)
    };
    assert_eq!(namespace.enter(|| ask(ADDRESS)).unwrap().unwrap(), 200);
    assert!(ask(ADDRESS).is_err(), "outside, the address is not ours");
}

#[test]
fn every_address_of_the_network_is_this_machine() {
    let namespace = Namespace::new().unwrap();
    let bound = namespace.enter(|| TcpListener::bind("10.244.0.77:0").map(drop)).unwrap();
    assert!(bound.is_ok(), "{bound:?}");
}

#[test]
fn a_program_runs_inside() {
    let namespace = Namespace::new().unwrap();
    let answer = namespace.command("ip").args(["-brief", "address"]).output().unwrap();
    assert!(String::from_utf8_lossy(&answer.stdout).contains("10.244.0.1"), "{answer:?}");
}

#[test]
fn a_port_of_the_machine_can_be_made_reachable_inside() {
    let namespace = Namespace::new().unwrap();
    let backend = Backend::start(0, 1).unwrap();
    let ask = || Connection::open(backend.address())?.get("/").map(|answer| answer.status);
    assert!(namespace.enter(ask).unwrap().is_err());
    namespace.reach(backend.address()).unwrap();
    assert_eq!(namespace.enter(ask).unwrap().unwrap(), 200);
}

#[test]
fn the_shared_api_server_answers_inside_to_the_same_kubeconfig() {
    let cluster = Cluster::shared().unwrap();
    let namespace = Namespace::new().unwrap();
    namespace.reach(cluster.address().unwrap()).unwrap();
    let answer = namespace.enter(|| cluster.kubectl(&["get", "--raw", "/readyz"])).unwrap();
    assert_eq!(answer.unwrap(), "ok");
}
