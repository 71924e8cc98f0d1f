//! What a catalog reads before it looks at an object: the annotations, the same as labels of the image, the scorecard.

use serde_json::{Map, Value, json};

use super::super::Generated;
use super::{HEADER, yaml};
use crate::install::rbac::NAME;

/// Where new versions appear until one is called stable.
const CHANNEL: &str = "candidate";
/// What the scorecard runs, each as a pod of its own image.
const SCORECARD_TESTS: [(&str, &str); 6] = [
    ("basic", "basic-check-spec-test"),
    ("olm", "olm-bundle-validation-test"),
    ("olm", "olm-crds-have-validation-test"),
    ("olm", "olm-crds-have-resources-test"),
    ("olm", "olm-spec-descriptors-test"),
    ("olm", "olm-status-descriptors-test"),
];
const SCORECARD_IMAGE: &str = "operator-framework/scorecard-test:v1.42.3";

const ANNOTATIONS: [(&str, &str); 8] = [
    ("operators.operatorframework.io.bundle.mediatype.v1", "registry+v1"),
    ("operators.operatorframework.io.bundle.manifests.v1", "manifests/"),
    ("operators.operatorframework.io.bundle.metadata.v1", "metadata/"),
    ("operators.operatorframework.io.bundle.package.v1", NAME),
    ("operators.operatorframework.io.bundle.channels.v1", CHANNEL),
    ("operators.operatorframework.io.bundle.channel.default.v1", CHANNEL),
    ("operators.operatorframework.io.test.mediatype.v1", "scorecard+v1"),
    ("operators.operatorframework.io.test.config.v1", "tests/scorecard/"),
];

pub(super) fn files() -> anyhow::Result<Vec<Generated>> {
    let annotations: Map<_, _> =
        ANNOTATIONS.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    Ok(vec![
        file("bundle/metadata/annotations.yaml", yaml(&json!({ "annotations": annotations }))?),
        file("bundle/tests/scorecard/config.yaml", yaml(&scorecard())?),
        file("bundle.Dockerfile", dockerfile()),
    ])
}

fn file(path: &str, text: String) -> Generated {
    Generated { path: path.to_owned(), text }
}

fn dockerfile() -> String {
    let labels: String = ANNOTATIONS.iter().map(|(key, value)| format!("LABEL {key}={value}\n")).collect();
    let copies = "COPY bundle/manifests /manifests/\nCOPY bundle/metadata /metadata/\n\
                  COPY bundle/tests/scorecard /tests/scorecard/\n";
    format!("{HEADER}FROM scratch\n\n{labels}\n{copies}")
}

fn scorecard() -> Value {
    let test = |(suite, name): &(&str, &str)| {
        json!({
            "image": SCORECARD_IMAGE,
            "entrypoint": ["scorecard-test", name.trim_end_matches("-test")],
            "labels": { "suite": suite, "test": name },
        })
    };
    json!({
        "apiVersion": "scorecard.operatorframework.io/v1alpha3",
        "kind": "Configuration",
        "metadata": { "name": "config" },
        "stages": [{ "parallel": true, "tests": SCORECARD_TESTS.iter().map(test).collect::<Vec<_>>() }],
    })
}
