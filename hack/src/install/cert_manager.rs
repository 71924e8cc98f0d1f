//! The same installation with certificates from cert-manager: what is added to `config/default`, and what is changed.

use serde_json::{Value, json};

use super::manager::{Certificates, deployment_spec};
use super::rbac::NAME;
use super::webhook::{self, SERVICE};
use super::{File, NAMESPACE, file, namespaced};

const ISSUER: &str = "rebound-operator-selfsigned";
const CERTIFICATE: &str = "rebound-operator-webhook";
/// Where the operator looks for `tls.crt` and `tls.key` unless it is told otherwise.
pub const DIRECTORY: &str = "/tmp/k8s-webhook-server/serving-certs";

/// Beside `config/default`.
#[must_use]
pub fn files() -> Vec<File> {
    let api = "cert-manager.io/v1";
    let certificate = json!({ "spec": {
        "dnsNames": [format!("{SERVICE}.{NAMESPACE}.svc"), format!("{SERVICE}.{NAMESPACE}.svc.cluster.local")],
        "issuerRef": { "kind": "Issuer", "name": ISSUER },
        "secretName": CERTIFICATE,
        "privateKey": { "algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always" },
    }});
    let mut configuration = webhook::configuration();
    let inject = json!({ "cert-manager.io/inject-ca-from": format!("{NAMESPACE}/{CERTIFICATE}") });
    configuration["metadata"]["annotations"] = inject;
    vec![
        file("issuer", namespaced(api, "Issuer", ISSUER, json!({ "spec": { "selfSigned": {} } }))),
        file("certificate", namespaced(api, "Certificate", CERTIFICATE, certificate)),
        file("webhook_configuration", configuration),
    ]
}

/// What the Deployment of `config/default` becomes: the Secret is mounted, and nothing is made by the operator.
#[must_use]
pub fn patch() -> File {
    let args = &deployment_spec(Certificates::Directory)["template"]["spec"]["containers"][0]["args"];
    let container = json!({
        "name": "operator",
        "args": args,
        "volumeMounts": [{ "name": "certificate", "mountPath": DIRECTORY, "readOnly": true }],
    });
    let volume = json!({ "name": "certificate", "secret": { "secretName": CERTIFICATE } });
    let pod = json!({ "containers": [container], "volumes": [volume] });
    let patch: Value = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME, "namespace": NAMESPACE },
        "spec": { "template": { "spec": pod } },
    });
    file("deployment_patch", patch)
}
