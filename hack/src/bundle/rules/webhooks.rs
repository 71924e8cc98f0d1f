//! The webhooks: OLM makes Service, certificate and configuration of each from what is said here.

use super::deployment::deployments;
use super::{OfVersion, repeated};
use crate::bundle::fault::{Fault, Finding};
use crate::bundle::grammar::is_subdomain;
use crate::bundle::node::Node;

pub(super) const OF_VERSION: &[OfVersion] =
    &[deployments_exist, names, unique, ports, paths, forbidden_rules, fields, conversions];

const VALIDATING: &str = "ValidatingAdmissionWebhook";
const MUTATING: &str = "MutatingAdmissionWebhook";
const CONVERSION: &str = "ConversionWebhook";
/// A webhook that could hold up OLM itself, or everything.
const FORBIDDEN_GROUPS: [&str; 3] = ["*", "operators.coreos.com", "olm.operatorframework.io"];
const ADMISSION: &str = "admissionregistration.k8s.io";
/// What the API server waits for an answer, in seconds.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<i64> = 1..=30;

fn webhooks<'a>(version: &Node<'a>) -> Vec<Node<'a>> {
    version.at("spec.webhookdefinitions").items()
}

fn deployments_exist(version: &Node<'_>) -> Vec<Finding> {
    let known: Vec<_> = deployments(version).iter().map(|deployment| deployment.at("name").text()).collect();
    let names = webhooks(version).into_iter().map(|webhook| webhook.at("deploymentName"));
    let missing = names.filter(|name| !known.contains(&name.text()));
    let finding = |name: Node<'_>| {
        let message = format!("`{}` is none of the deployments {known:?}", name.text());
        name.finding(Fault::WebhookDeploymentMissing, message)
    };
    missing.map(finding).collect()
}

fn names(version: &Node<'_>) -> Vec<Finding> {
    let names = webhooks(version).into_iter().map(|webhook| webhook.at("generateName"));
    let illegal = names.filter(|name| !is_subdomain(name.text()));
    let message = "must be a DNS-1123 subdomain: it becomes the webhook's name";
    illegal.map(|name| name.finding(Fault::BadWebhookName, message)).collect()
}

fn unique(version: &Node<'_>) -> Vec<Finding> {
    let (list, webhooks) = (version.at("spec.webhookdefinitions"), webhooks(version));
    let keys = webhooks.iter().map(|webhook| ["type", "generateName"].map(|field| webhook.at(field).text()));
    let repeated = repeated(keys).into_iter();
    repeated
        .map(|key| list.finding(Fault::DuplicateWebhook, format!("{} is there twice", key.join(" "))))
        .collect()
}

/// Left out, OLM takes 443 for the Service's port, and that for the pod's.
fn ports(version: &Node<'_>) -> Vec<Finding> {
    let ports = webhooks(version)
        .into_iter()
        .flat_map(|webhook| ["containerPort", "targetPort"].map(|name| webhook.at(name)));
    let bad = ports.filter(|port| !port.value.is_null() && !is_port(port));
    bad.map(|port| port.finding(Fault::BadPort, "must be a port: 1 to 65535")).collect()
}

fn is_port(port: &Node<'_>) -> bool {
    let named = port.path.ends_with("targetPort") && !port.text().is_empty();
    named || port.value.as_u64().is_some_and(|port| (1..=u64::from(u16::MAX)).contains(&port))
}

fn paths(version: &Node<'_>) -> Vec<Finding> {
    let paths = webhooks(version).into_iter().map(|webhook| webhook.at("webhookPath"));
    let bad = paths.filter(|path| !path.value.is_null() && !path.text().starts_with('/'));
    bad.map(|path| path.finding(Fault::BadWebhookPath, "must begin with `/`")).collect()
}

fn forbidden_rules(version: &Node<'_>) -> Vec<Finding> {
    let rules = webhooks(version).into_iter().flat_map(|webhook| webhook.at("rules").items());
    rules.flat_map(|rule| forbidden_in(&rule)).collect()
}

fn forbidden_in(rule: &Node<'_>) -> Vec<Finding> {
    let groups = rule.at("apiGroups").items();
    let forbidden = groups.iter().filter(|group| FORBIDDEN_GROUPS.contains(&group.text()));
    let mut findings: Vec<_> = forbidden
        .map(|group| {
            group.finding(Fault::ForbiddenRule, format!("no webhook may ask about group `{}`", group.text()))
        })
        .collect();
    let configures = |resource: &Node<'_>| {
        let name = resource.text().to_lowercase();
        name == "*" || name.starts_with("mutatingwebhook") || name.starts_with("validatingwebhook")
    };
    if groups.iter().any(|group| group.text() == ADMISSION) {
        let resources = rule.at("resources").items().into_iter().filter(configures);
        let message = "no webhook may ask about webhook configurations";
        findings.extend(resources.map(|resource| resource.finding(Fault::ForbiddenRule, message)));
    }
    findings
}

fn fields(version: &Node<'_>) -> Vec<Finding> {
    webhooks(version).iter().flat_map(fields_of).collect()
}

fn fields_of(webhook: &Node<'_>) -> Vec<Finding> {
    let one_of = |field: &str, values: &'static [&'static str]| {
        let node = webhook.at(field);
        let bad = !values.contains(&node.text());
        bad.then(|| node.finding(Fault::BadWebhook, format!("must be one of {values:?}")))
    };
    let versions = webhook.at("admissionReviewVersions");
    let no_v1 = (!versions.texts().contains(&"v1"))
        .then(|| versions.finding(Fault::BadWebhook, "must name v1, the only one that is still sent"));
    let timeout = webhook.at("timeoutSeconds");
    let seconds = timeout.value.as_i64().is_some_and(|seconds| TIMEOUT_SECONDS.contains(&seconds));
    let bad_timeout = (!timeout.value.is_null() && !seconds)
        .then(|| timeout.finding(Fault::BadWebhook, format!("must be {TIMEOUT_SECONDS:?}")));
    let rules = webhook.at("rules");
    let no_rules = (rules.is_empty() && webhook.at("type").text() != CONVERSION)
        .then(|| rules.finding(Fault::BadWebhook, "must say what the webhook is asked about"));
    let findings = [
        one_of("type", &[VALIDATING, MUTATING, CONVERSION]),
        one_of("sideEffects", &["None", "NoneOnDryRun"]),
        one_of("failurePolicy", &["Fail", "Ignore"]),
        no_v1,
        bad_timeout,
        no_rules,
    ];
    findings.into_iter().flatten().collect()
}

fn conversions(version: &Node<'_>) -> Vec<Finding> {
    let owned = version.at("spec.customresourcedefinitions.owned").items();
    let owned: Vec<_> = owned.iter().map(|kind| kind.at("name").text()).collect();
    let converted = webhooks(version).into_iter().flat_map(|webhook| webhook.at("conversionCRDs").items());
    let foreign = converted.filter(|name| !owned.contains(&name.text()));
    foreign.map(|name| name.finding(Fault::ForeignConversion, "this kind is not owned")).collect()
}
