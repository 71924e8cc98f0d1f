//! The operator's webhook in the process of a test, an API server that asks it about one namespace, and how both are
//! asked about policies.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::Location;
use std::time::Duration;

use hack::apiserver::Cluster;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::generate_simple_self_signed;
use rebound_operator::webhook::{Certificates, Server};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long anything may take before a test gives up.
const SOON: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_millis(20);

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
        let server = client(cluster).await;
        soon(async || create(&server, namespace, &policy("6xx")).await.is_err()).await;
        webhook
    }

    /// A client of the webhook itself.
    pub(crate) fn client(&self) -> Client {
        let mut config = Config::new(format!("https://{}", self.address).parse().unwrap());
        config.root_cert = Some(vec![self.authority.clone()]);
        Client::try_from(config).unwrap()
    }

    /// Answers no more.
    pub(crate) async fn stop(&self) {
        self.served.abort();
        soon(async || self.served.is_finished()).await;
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.served.abort();
        drop(self.cluster.kubectl(&["delete", "validatingwebhookconfiguration", &self.configuration]));
    }
}

fn configuration(namespace: &str, address: SocketAddr, authority: &str) -> Value {
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

fn base64(text: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap()
}

/// A client of the API server, as whom the cluster is seen by.
pub(crate) async fn client(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// A policy with one trigger.
pub(crate) fn policy(trigger: &str) -> Value {
    json!({
        "apiVersion": "gateway.flomesh.io/v1alpha1",
        "kind": "RetryPolicy",
        "metadata": { "name": "orders" },
        "spec": { "targetRef": { "kind": "Service", "name": "orders" }, "config": { "retryOn": [trigger] } },
    })
}

/// Asks an API server to create a policy, as strictly as kubectl does, without creating it.
pub(crate) async fn create(client: &Client, namespace: &str, policy: &Value) -> kube::Result<Value> {
    let path = format!("/apis/gateway.flomesh.io/v1alpha1/namespaces/{namespace}/retrypolicies");
    post(client, &format!("{path}?dryRun=All&fieldValidation=Strict"), policy).await
}

/// Asks a webhook about a policy, without an API server between.
pub(crate) async fn review(client: &Client, policy: &Value) -> kube::Result<Value> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": { "group": "gateway.flomesh.io", "version": "v1alpha1", "kind": "RetryPolicy" },
            "operation": "CREATE",
            "object": policy,
            "dryRun": true,
        },
    });
    post(client, "/validate", &review).await.map(|mut answer| answer["response"].take())
}

async fn post(client: &Client, path: &str, body: &Value) -> kube::Result<Value> {
    let request = http::Request::post(path).header("content-type", "application/json");
    client.request(request.body(serde_json::to_vec(body).unwrap()).unwrap()).await
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn soon(mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        let held = timeout(SOON, async {
            while !holds().await {
                sleep(OFTEN).await;
            }
        });
        assert!(held.await.is_ok(), "{place}: it does not come to hold in {} s", SOON.as_secs());
    }
}
