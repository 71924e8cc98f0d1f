//! Environments against what the OpenTelemetry specification makes of them.

use super::*;
use crate::telemetry::trace::Trace;

fn read(said: &[(&str, &str)]) -> Option<Traces> {
    let said: Vec<_> = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    traces(true, &move |name| said.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
}

const ENDPOINT: (&str, &str) = (variable::ENDPOINT, "http://collector:4318/");

#[test]
fn without_a_collector_there_are_no_traces() {
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[(variable::ENDPOINT, "")]), None);
    assert_eq!(read(&[ENDPOINT, (variable::DISABLED, "TRUE")]), None);
    assert_eq!(read(&[ENDPOINT, (variable::EXPORTER, "none")]), None);
    assert_eq!(read(&[(variable::ENDPOINT, "collector:4318")]), None);
}

#[test]
fn the_path_of_traces_is_added_to_the_general_endpoint_only() {
    assert_eq!(read(&[ENDPOINT]).unwrap().endpoint, "http://collector:4318/v1/traces");
    let own = (variable::TRACES_ENDPOINT, "https://other/path");
    assert_eq!(read(&[ENDPOINT, own]).unwrap().endpoint, "https://other/path");
}

#[test]
fn a_typing_error_leaves_the_default() {
    let traces = read(&[
        ENDPOINT,
        (variable::SAMPLER, "sometimes"),
        (variable::TIMEOUTS[1], "soon"),
        (variable::HEADERS[0], "a=b,,nonsense, c = d%20e"),
    ]);
    let traces = traces.unwrap();
    assert_eq!((traces.sampler, traces.timeout), (Sampler::new(true, 1.0), EXPORT_TIMEOUT));
    let headers = [("a", "b"), ("c", "d e")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(traces.headers.0, headers);
    assert!(!format!("{traces:?}").contains("d e"), "a value is shown");
}

#[test]
fn samplers_are_those_of_the_specification() {
    let sampled = |sampler: &str, share: &str| {
        let traces = read(&[ENDPOINT, (variable::SAMPLER, sampler), (variable::SAMPLER_ARGUMENT, share)]);
        let mut dice = fastrand::Rng::with_seed(1);
        let sampler = traces.unwrap().sampler;
        (0..1000).filter(|_| Trace::begin(None, sampler, || dice.u64(..)).is_sampled()).count()
    };
    assert_eq!(sampled("always_on", "0"), 1000);
    assert_eq!(sampled("parentbased_always_off", "1"), 0);
    assert!((50..150).contains(&sampled("parentbased_traceidratio", "0.1")));
    assert_eq!(sampled("traceidratio", "2"), 1000);
}

#[test]
fn a_service_name_wins_over_the_one_among_the_attributes() {
    let attributes = (variable::RESOURCE, "service.name=a,k8s.pod.name=p");
    let value = |said: &[(&str, &str)], key: &str| {
        let resource = read(said).unwrap().resource;
        resource.into_iter().find(|(known, _)| known == key).map(|(_, value)| value)
    };
    assert_eq!(value(&[ENDPOINT], "service.name").as_deref(), Some(SERVICE));
    assert_eq!(value(&[ENDPOINT, attributes], "service.name").as_deref(), Some("a"));
    assert_eq!(
        value(&[ENDPOINT, attributes, (variable::SERVICE, "b")], "service.name").as_deref(),
        Some("b")
    );
    assert_eq!(value(&[ENDPOINT, attributes], "k8s.pod.name").as_deref(), Some("p"));
}
