//! The operator's webhook in the process of a test, and an API server that asks it about one namespace.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hack::apiserver::Cluster;
use hack::rig::poll;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::generate_simple_self_signed;
use rebound_operator::webhook::{Certificates, Server};
use serde_json::json;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(30);
/// A policy that only the webhook refuses.
const WRONG: &str = "\
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: wrong}
spec:
  targetRef: {kind: Service, name: orders}
  config: {retryOn: [\"6xx\"]}
";

/// A webhook that answers until it is dropped. API servers are told of it only as far as one namespace goes: other
/// tests have policies too.
pub(crate) struct Webhook {
    cluster: Cluster,
    configuration: String,
    address: SocketAddr,
    authority: Vec<u8>,
    served: JoinHandle<()>,
}

impl Webhook {
    pub(crate) async fn start(cluster: &Cluster, namespace: &str) -> Self {
        let pair = generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()]).unwrap();
        let certificates = Certificates::default();
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        certificates.replace(certificate.as_bytes(), key.as_bytes()).unwrap();
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), certificates).await.unwrap();
        let address = server.address();
        let served = tokio::spawn(server.serve(std::future::pending()));
        let configuration = configuration(namespace, address, &certificate);
        cluster.apply(&configuration.to_string(), &[]).unwrap();
        let authority = pair.cert.der().to_vec();
        let webhook =
            Self { cluster: cluster.clone(), configuration: namespace.into(), address, authority, served };
        let asked = || cluster.apply(WRONG, &["--dry-run=server", "-n", namespace]).is_err().then_some(());
        poll(SOON, asked).unwrap();
        webhook
    }

    /// A client of the webhook itself.
    pub(crate) fn client(&self) -> Client {
        let mut config = Config::new(format!("https://{}", self.address).parse().unwrap());
        config.root_cert = Some(vec![self.authority.clone()]);
        Client::try_from(config).unwrap()
    }

    /// Answers no more.
    pub(crate) fn stop(&self) {
        self.served.abort();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.served.abort();
        drop(self.cluster.kubectl(&["delete", "validatingwebhookconfiguration", &self.configuration]));
    }
}

fn configuration(namespace: &str, address: SocketAddr, authority: &str) -> serde_json::Value {
    let mut webhook = hack::install::webhook::call();
    webhook["name"] = json!("validate.gateway.flomesh.io");
    webhook["clientConfig"] = json!({
        "url": format!("https://{address}/validate"),
        "caBundle": base64(authority),
    });
    webhook["namespaceSelector"] = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace } });
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": namespace },
        "webhooks": [webhook],
    })
}

fn base64(text: &str) -> serde_json::Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap()
}

/// A client of the API server, as its administrator.
pub(crate) async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}
