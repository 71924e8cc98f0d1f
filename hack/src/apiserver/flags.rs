//! How each program of an environment is started: arguments, nothing else. Pure.
//!
//! All of them run in the environment's folder, and name files relative to it where they cannot do otherwise: a socket
//! below a deep folder would have a longer name than the kernel takes.

use std::net::SocketAddr;
use std::path::Path;

use super::pki::Pki;

/// The store's socket. etcd wants a host and a port even here, and takes both together as the file's name.
pub(super) const STORE_SOCKET: &str = "store:0";

const STORE: &str = "unix://store:0";
const PEER: &str = "unix://peer:0";

/// Data is thrown away with the environment, so nothing waits for a disk; alone, it elects itself at once.
pub(super) fn etcd() -> Vec<String> {
    vec![
        "--data-dir=etcd".to_owned(),
        format!("--listen-client-urls={STORE}"),
        format!("--advertise-client-urls={STORE}"),
        format!("--listen-peer-urls={PEER}"),
        format!("--initial-advertise-peer-urls={PEER}"),
        format!("--initial-cluster=default={PEER}"),
        "--unsafe-no-fsync".to_owned(),
        "--heartbeat-interval=20".to_owned(),
        "--election-timeout=200".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

/// Authorization as in a real cluster: whoever is not the administrator has what RBAC gives.
pub(super) fn apiserver(address: SocketAddr, pki: &Pki) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.path(name).display());
    vec![
        format!("--etcd-servers={STORE}"),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
        format!("--advertise-address={}", address.ip()),
        // The Service `kubernetes` may not have a loopback address, and nobody here looks it up.
        "--endpoint-reconciler-type=none".to_owned(),
        file("tls-cert-file", "server.crt"),
        file("tls-private-key-file", "server.key"),
        file("client-ca-file", "ca.crt"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        file("service-account-key-file", "tokens.pub"),
        file("service-account-signing-key-file", "tokens.key"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

/// Every controller but those that would judge Nodes and Pods: no kubelet stands behind them here, tests write them.
pub(super) fn controller_manager(kubeconfig: &Path, pki: &Pki) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--service-account-private-key-file={}", pki.path("tokens.key").display()),
        format!("--root-ca-file={}", pki.path("ca.crt").display()),
        "--controllers=*,-node-lifecycle-controller,-pod-garbage-collector-controller,-taint-eviction-controller"
            .to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}
