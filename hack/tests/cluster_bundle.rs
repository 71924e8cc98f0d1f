//! The bundle as OLM's own programs and its own schema see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use hack::apiserver::Environment;
use hack::programs::workspace;
use hack::tools::{Program, service_version_crd};
use serde_json::Value;

/// A package and its channel: what a catalog has beside its bundles.
const CATALOG: &str = "\
schema: olm.package
name: rebound-operator
defaultChannel: candidate
---
schema: olm.channel
package: rebound-operator
name: candidate
entries:
- name: rebound-operator.v0.1.0
";

fn opm(folder: &Path, arguments: &[&str]) -> String {
    let opm = Program::Opm.build().unwrap();
    let ran = Command::new(opm).args(arguments).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

fn objects(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

#[test]
fn opm_reads_the_bundle_and_takes_a_catalog_that_is_made_of_it() {
    let rendered = opm(workspace(), &["render", "./bundle", "-o", "yaml"]);
    let bundle = objects(&rendered).into_iter().find(|object| object["schema"] == "olm.bundle").unwrap();
    assert_eq!(bundle["name"], "rebound-operator.v0.1.0");
    let properties = bundle["properties"].as_array().unwrap();
    let kinds = properties.iter().filter(|property| property["type"] == "olm.gvk");
    let kinds: Vec<_> = kinds.map(|property| property["value"]["kind"].as_str().unwrap()).collect();
    let owned = rebound_api::crd::all();
    for crd in &owned {
        assert!(kinds.contains(&crd.spec.names.kind.as_str()), "{kinds:?}");
    }
    assert_eq!(kinds.len(), owned.len());
    let manifests = fs::read_dir(workspace().join("bundle/manifests")).unwrap().count();
    let carried = properties.iter().filter(|property| property["type"] == "olm.bundle.object");
    assert_eq!(carried.count(), manifests, "every manifest is in the catalog");

    // An image is only known when there is one; a catalog wants its name.
    let rendered = rendered.replace("image: \"\"", "image: rebound/bundle:0.1.0");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("catalog")).unwrap();
    fs::write(folder.path().join("catalog/catalog.yaml"), format!("{CATALOG}{rendered}")).unwrap();
    opm(folder.path(), &["validate", "catalog"]);
}

#[test]
fn the_service_version_is_what_olms_own_schema_describes_and_no_field_is_unknown_to_it() {
    let environment = Environment::start().unwrap();
    let cluster = environment.cluster();
    let crd = service_version_crd().unwrap();
    cluster.kubectl(&["apply", "--server-side", "-f", crd.to_str().unwrap()]).unwrap();
    cluster.kubectl(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"]).unwrap();
    let manifests = workspace().join("bundle/manifests");
    let strict =
        ["apply", "--server-side", "--validate=strict", "-n", "default", "-f", manifests.to_str().unwrap()];
    let applied = cluster.kubectl(&[&strict[..], &["--force-conflicts"]].concat()).unwrap();
    let version = "clusterserviceversion.operators.coreos.com/rebound-operator.v0.1.0 serverside-applied";
    assert!(applied.contains(version), "{applied}");
}
