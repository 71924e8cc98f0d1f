//! What tells API servers to ask us: the `ValidatingWebhookConfiguration`. Pure.
//!
//! Written by the leader of an operator that makes its certificates itself; otherwise it belongs to whoever makes them.

use std::collections::BTreeMap;

use axum::http::Uri;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference,
};
use serde_json::{Value, json};

use super::{PATH, WebhookError};
use crate::build::labels;
use crate::rbac;

/// The name of the object.
pub const NAME: &str = rbac::NAME;
/// The name of the one webhook in it.
pub const WEBHOOK: &str = "validate.gateway.flomesh.io";
/// The Service in front of the replicas.
pub const SERVICE: &str = "rebound-operator-webhook";
/// The port of that Service.
const SERVICE_PORT: i32 = 443;
/// Seconds that an API server waits. The answer takes two at most.
const TIMEOUT_S: i32 = 5;

/// Where API servers find the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    client: Client,
    host: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Client {
    Service { namespace: String },
    Url(String),
}

impl Place {
    /// Behind the Service in the operator's own namespace.
    pub fn service(namespace: &str) -> Self {
        let host = format!("{SERVICE}.{namespace}.svc");
        Self { client: Client::Service { namespace: namespace.into() }, host }
    }

    /// At a URL such as `https://127.0.0.1:9443`, for an operator that does not run in the cluster.
    ///
    /// # Errors
    /// When it is no URL that an API server takes: `https`, a host, and no path of its own.
    pub fn url(url: &str) -> Result<Self, WebhookError> {
        let wrong = || WebhookError::Url(url.into());
        let parsed: Uri = url.parse().map_err(|_| wrong())?;
        let is_bare =
            parsed.scheme_str() == Some("https") && parsed.path() == "/" && parsed.query().is_none();
        let authority = parsed.authority().filter(|_| is_bare).ok_or_else(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { client: Client::Url(format!("https://{authority}{PATH}")), host })
    }

    /// The name or IP address that a certificate has to be for.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// The object as it is to be. Every field that an API server would fill in is written, so that it can be compared.
pub(super) fn desired(
    place: &Place,
    authorities: &str,
    owner: Option<OwnerReference>,
) -> ValidatingWebhookConfiguration {
    let metadata = ObjectMeta {
        name: Some(NAME.into()),
        labels: Some(labels()),
        owner_references: owner.map(|owner| vec![owner]),
        ..Default::default()
    };
    ValidatingWebhookConfiguration { metadata, webhooks: Some(vec![webhook(place, authorities)]) }
}

/// Labels of what the operator makes for itself.
pub(super) fn labels() -> BTreeMap<String, String> {
    [labels::NAME.0, labels::MANAGED_BY.0].map(|label| (label.to_owned(), rbac::NAME.to_owned())).into()
}

/// Whom the API servers have been told to trust; nobody, if there is no configuration.
pub(super) fn trusted(found: Option<&ValidatingWebhookConfiguration>) -> String {
    let webhook = found.and_then(|it| it.webhooks.as_ref()?.iter().find(|webhook| webhook.name == WEBHOOK));
    let bundle = webhook.and_then(|webhook| webhook.client_config.ca_bundle.as_ref());
    bundle.map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned()).unwrap_or_default()
}

/// The merge patch that makes `found` what it is to be; none if it is. Somebody who writes at the same time makes it
/// fail.
pub(super) fn repair(
    found: &ValidatingWebhookConfiguration,
    desired: &ValidatingWebhookConfiguration,
) -> Option<Value> {
    let owners = desired.metadata.owner_references.as_ref();
    let is_owned = owners.is_none() || found.metadata.owner_references.as_ref() == owners;
    if is_owned && found.webhooks == desired.webhooks {
        return None;
    }
    let mut metadata = json!({ "resourceVersion": found.metadata.resource_version });
    if let Some(owners) = owners {
        metadata["ownerReferences"] = json!(owners);
    }
    Some(json!({ "metadata": metadata, "webhooks": desired.webhooks }))
}

/// Without an answer our own kinds are refused; nothing else is ever asked about, so nothing else can be stopped.
fn webhook(place: &Place, authorities: &str) -> ValidatingWebhook {
    ValidatingWebhook {
        name: WEBHOOK.into(),
        admission_review_versions: vec!["v1".into()],
        client_config: client(&place.client, authorities),
        failure_policy: Some("Fail".into()),
        match_conditions: None,
        match_policy: Some("Equivalent".into()),
        namespace_selector: Some(not_of_the_control_plane()),
        object_selector: Some(LabelSelector::default()),
        rules: Some(vec![rule()]),
        side_effects: "None".into(),
        timeout_seconds: Some(TIMEOUT_S),
    }
}

fn rule() -> RuleWithOperations {
    let texts = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
    RuleWithOperations {
        api_groups: texts(&["gateway.flomesh.io"]),
        api_versions: texts(&["v1alpha1"]),
        operations: texts(&["CREATE", "UPDATE"]),
        resources: texts(&["retrypolicies", "gatewayconfigs"]),
        scope: Some("Namespaced".into()),
    }
}

/// Whoever repairs a cluster must not depend on us: in the control plane's own namespace nothing is asked, whatever
/// else may go wrong here.
fn not_of_the_control_plane() -> LabelSelector {
    let requirement = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".into(),
        operator: "NotIn".into(),
        values: Some(vec!["kube-system".into()]),
    };
    LabelSelector { match_expressions: Some(vec![requirement]), match_labels: None }
}

fn client(client: &Client, authorities: &str) -> WebhookClientConfig {
    let mut config = WebhookClientConfig {
        ca_bundle: Some(ByteString(authorities.as_bytes().to_vec())),
        service: None,
        url: None,
    };
    match client {
        Client::Url(url) => config.url = Some(url.clone()),
        Client::Service { namespace } => {
            config.service = Some(ServiceReference {
                name: SERVICE.into(),
                namespace: namespace.clone(),
                path: Some(PATH.into()),
                port: Some(SERVICE_PORT),
            });
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> ValidatingWebhookConfiguration {
        let mut found = desired(&Place::service("rebound-system"), "PEM", None);
        found.metadata.resource_version = Some("7".into());
        found
    }

    #[test]
    fn only_our_own_kinds_are_asked_about_and_without_an_answer_refused() {
        let webhook = &found().webhooks.unwrap()[0];
        assert_eq!(webhook.failure_policy.as_deref(), Some("Fail"));
        let rules = webhook.rules.as_ref().unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].api_groups.as_ref().unwrap(), &["gateway.flomesh.io"]);
        assert!(rules[0].resources.as_ref().unwrap().iter().all(|it| !it.contains(['*', '/'])));
    }

    #[test]
    fn the_manifests_for_certificates_of_others_ask_the_same() {
        let read = |path: &str| -> Value {
            serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        let ours = json!(found().webhooks.unwrap()[0]);
        let mut theirs = read("../config/certmanager/webhook_configuration.yaml")["webhooks"][0].take();
        let client = theirs["clientConfig"].take();
        assert_eq!(client["service"], ours["clientConfig"]["service"]);
        let mut olms = read("../bundle/manifests/rebound-operator.clusterserviceversion.yaml")["spec"]
            ["webhookdefinitions"][0]
            .take();
        assert_eq!(olms["generateName"], WEBHOOK);
        assert_eq!(olms["webhookPath"], PATH);
        assert_eq!(olms["containerPort"], SERVICE_PORT);
        for (name, value) in ours.as_object().unwrap() {
            // OLM chooses names, clients and namespaces itself; an object selector that selects everything is none.
            let is_olms = ["name", "clientConfig", "namespaceSelector"].contains(&name.as_str());
            if !["clientConfig", "objectSelector"].contains(&name.as_str()) {
                assert_eq!(theirs[name].take(), *value, "{name}");
                assert!(is_olms || olms[name].take() == *value, "{name}");
            }
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_not_written() {
        let desired = desired(&Place::service("rebound-system"), "PEM", None);
        assert_eq!(repair(&found(), &desired), None);
    }

    #[test]
    fn whatever_somebody_changed_is_put_back_unless_it_changed_again() {
        let desired = desired(&Place::service("rebound-system"), "PEM", None);
        let changes: [fn(&mut ValidatingWebhook); 4] = [
            |webhook| webhook.failure_policy = Some("Ignore".into()),
            |webhook| webhook.rules = None,
            |webhook| webhook.match_conditions = Some(Vec::new()),
            |webhook| webhook.client_config.ca_bundle = None,
        ];
        for change in changes {
            let mut found = found();
            change(&mut found.webhooks.as_mut().unwrap()[0]);
            let patch = repair(&found, &desired).unwrap();
            assert_eq!(patch["webhooks"], json!(desired.webhooks));
            assert_eq!(patch["metadata"], json!({ "resourceVersion": "7" }));
        }
    }

    #[test]
    fn an_owner_is_added_and_never_taken_away() {
        let owner = OwnerReference { name: NAME.into(), ..Default::default() };
        let owned = desired(&Place::service("rebound-system"), "PEM", Some(owner));
        let patch = repair(&found(), &owned).unwrap();
        assert_eq!(patch["metadata"]["ownerReferences"][0]["name"], NAME);
        let mut found = found();
        found.metadata.owner_references = owned.metadata.owner_references;
        assert_eq!(repair(&found, &desired(&Place::service("rebound-system"), "PEM", None)), None);
    }

    #[test]
    fn a_certificate_is_for_the_host_that_the_api_server_calls() {
        assert_eq!(Place::service("ns").host(), "rebound-operator-webhook.ns.svc");
        for (url, host) in [("https://127.0.0.1:9443", "127.0.0.1"), ("https://[::1]:9443/", "::1")] {
            let place = Place::url(url).unwrap();
            assert_eq!(place.host(), host);
            let webhooks = desired(&place, "PEM", None).webhooks.unwrap();
            let called = webhooks[0].client_config.url.as_deref().unwrap();
            assert_eq!(called, format!("{}/validate", url.trim_end_matches('/')));
        }
        for url in ["http://127.0.0.1:9443", "127.0.0.1:9443", "https://a/b", "https://a?b", ""] {
            assert!(Place::url(url).is_err(), "{url}");
        }
    }
}
