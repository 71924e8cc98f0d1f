//! What a data plane tells about its requests, as flags and as the standard variables of OpenTelemetry.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rebound_api::crd::gateway_config::Settings;
use rebound_api::crd::gateway_config::fields::{AccessLogFormat, AccessLogMode, SecretKey, Tracing};

use super::{Common, pod};

/// Attributes of the pod, and the variables that hold them: the variable, its field, the attribute.
const OF_THE_POD: [(&str, &str, &str); 4] = [
    ("POD_NAME", "metadata.name", "k8s.pod.name"),
    ("POD_NAMESPACE", "metadata.namespace", "k8s.namespace.name"),
    ("POD_UID", "metadata.uid", "k8s.pod.uid"),
    ("NODE_NAME", "spec.nodeName", "k8s.node.name"),
];

/// Flags for the access log, and for what of the traces has no standard variable.
pub(super) fn flags(settings: &Settings) -> Vec<String> {
    let (mode, format) = settings.access_log();
    let format = match format {
        AccessLogFormat::Json => "json",
        AccessLogFormat::Text => "text",
    };
    let mut flags = match mode {
        AccessLogMode::Off => vec![],
        AccessLogMode::Failures => {
            vec![format!("--access-log={format}"), "--access-log-sample=0".into()]
        }
        AccessLogMode::All => vec![format!("--access-log={format}")],
    };
    if settings.tracing().is_some_and(|tracing| tracing.keep_retried == Some(false)) {
        flags.push("--trace-retried=off".into());
    }
    flags
}

/// Variables for traces, if there are any.
pub(super) fn environment(common: &Common<'_>) -> Vec<EnvVar> {
    let Some(tracing) = common.gateway.settings.tracing() else { return vec![] };
    let gateway = common.gateway.key.name();
    let mut variables: Vec<_> = OF_THE_POD.iter().map(|(name, field, _)| of_the_pod(name, field)).collect();
    variables.push(literal("OTEL_EXPORTER_OTLP_ENDPOINT", tracing.endpoint.as_deref().unwrap_or_default()));
    variables.extend(tracing.headers_from.as_ref().map(|key| secret("OTEL_EXPORTER_OTLP_HEADERS", key)));
    if let Some(percent) = tracing.sampling_percent {
        variables.push(text("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"));
        variables.push(text("OTEL_TRACES_SAMPLER_ARG", &(f64::from(percent) / 100.0).to_string()));
    }
    variables.push(literal("OTEL_SERVICE_NAME", tracing.service_name.as_deref().unwrap_or(gateway)));
    variables.push(text("OTEL_RESOURCE_ATTRIBUTES", &attributes(tracing)));
    variables
}

/// Values in percent encoding, which also keeps Kubernetes from taking `$(…)` in them for a variable.
fn attributes(tracing: &Tracing) -> String {
    let pod = OF_THE_POD.iter().map(|(variable, _, attribute)| format!("{attribute}=$({variable})"));
    let instance = std::iter::once("service.instance.id=$(POD_UID)".to_owned());
    let own = tracing.resource_attributes.iter().flatten();
    let own = own.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    pod.chain(instance).chain(own).collect::<Vec<_>>().join(",")
}

fn text(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
}

/// What users write is no reference to another variable, which may hold a secret.
fn literal(name: &str, value: &str) -> EnvVar {
    text(name, &value.replace("$(", "$$("))
}

fn of_the_pod(name: &str, path: &str) -> EnvVar {
    let source = EnvVarSource { field_ref: Some(pod::field(path)), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}

/// A Secret that is not there leaves the pod waiting for it, which the kubelet tells by name.
fn secret(name: &str, SecretKey { name: secret, key }: &SecretKey) -> EnvVar {
    let selector = SecretKeySelector { name: secret.clone(), key: key.clone(), optional: Some(false) };
    let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}
