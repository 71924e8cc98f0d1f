//! The ClusterServiceVersion: what OLM shows of the operator, and all that it needs to install it.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::descriptors;
use crate::install::manager::{Certificates, DATAPLANE_IMAGE, OPERATOR_IMAGE, WEBHOOK_PORT, deployment_spec};
use crate::install::rbac::{NAME, Scope};
use crate::install::webhook::{PATH, SERVICE_PORT, WEBHOOK, call};
use crate::install::{VERSION, labels, roles};

const DESCRIPTION: &str = include_str!("description.md");
const ICON: &[u8] = include_bytes!("icon.svg");
const SUMMARY: &str = "A gateway (Gateway API) that retries what is safe to retry, within a budget";
/// The day of the release, as OLM shows it.
const CREATED_AT: &str = "2026-11-24T00:00:00Z";
/// The oldest Kubernetes whose API the operator is built for.
const KUBERNETES_MIN: &str = "1.33.0";
/// Names that belong to nobody, until the project has a public place.
const HOME: &str = "https://rebound.example";
const MAIL: &str = "maintainers@rebound.example";

pub(super) fn object() -> anyhow::Result<Value> {
    let annotations = json!({
        "alm-examples": descriptors::examples()?,
        "capabilities": "Basic Install",
        "categories": "Networking",
        "containerImage": OPERATOR_IMAGE,
        "createdAt": CREATED_AT,
        "description": SUMMARY,
        "repository": HOME,
        "support": "Rebound",
        "features.operators.openshift.io/disconnected": "true",
        "features.operators.openshift.io/fips-compliant": "false",
        "features.operators.openshift.io/proxy-aware": "false",
        "features.operators.openshift.io/tls-profiles": "false",
        "features.operators.openshift.io/token-auth-aws": "false",
        "features.operators.openshift.io/token-auth-azure": "false",
        "features.operators.openshift.io/token-auth-gcp": "false",
    });
    Ok(json!({
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": { "name": format!("{NAME}.v{VERSION}"), "annotations": annotations },
        "spec": spec()?,
    }))
}

fn spec() -> anyhow::Result<Value> {
    Ok(json!({
        "displayName": "Rebound",
        "description": DESCRIPTION,
        "version": VERSION,
        "maturity": "alpha",
        "minKubeVersion": KUBERNETES_MIN,
        "keywords": ["gateway", "gateway-api", "retry", "proxy", "networking"],
        "icon": [{ "base64data": ByteString(ICON.to_vec()), "mediatype": "image/svg+xml" }],
        "provider": { "name": "Rebound", "url": HOME },
        "maintainers": [{ "name": "The maintainers of Rebound", "email": MAIL }],
        "links": [{ "name": "Rebound", "url": HOME }],
        // Only the one that is supported is listed: OLM v1 counts the entries.
        "installModes": [{ "type": "AllNamespaces", "supported": true }],
        "customresourcedefinitions": { "owned": descriptors::owned()? },
        "install": { "strategy": "deployment", "spec": install() },
        "webhookdefinitions": [webhook()],
        "relatedImages": [
            { "name": "operator", "image": OPERATOR_IMAGE },
            { "name": "dataplane", "image": DATAPLANE_IMAGE },
        ],
    }))
}

fn install() -> Value {
    let rights = |scope| json!([{ "serviceAccountName": NAME, "rules": roles::rules(scope) }]);
    json!({
        // OLM mounts the certificate where the operator looks for it.
        "deployments": [{ "name": NAME, "label": labels(), "spec": deployment_spec(Certificates::Directory) }],
        "clusterPermissions": rights(Scope::Cluster),
        "permissions": rights(Scope::OwnNamespace),
    })
}

fn webhook() -> Value {
    let mut webhook = call();
    webhook["type"] = json!("ValidatingAdmissionWebhook");
    webhook["generateName"] = json!(WEBHOOK);
    webhook["deploymentName"] = json!(NAME);
    // OLM means the port of the Service that it makes; the pod's is the target.
    webhook["containerPort"] = json!(SERVICE_PORT);
    webhook["targetPort"] = json!(WEBHOOK_PORT);
    webhook["webhookPath"] = json!(PATH);
    webhook
}
