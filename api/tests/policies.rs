//! Goldens: `data/policies/NAME.yaml` is a manifest, `NAME.out` what [`check`] says about it. `UPDATE_GOLDEN=1`
//! rewrites the outputs; review them as code.
#![cfg(feature = "crd")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rebound_api::crd::retry_policy::{Checked, check};
use rebound_api::policy::policy_rules::PolicyRules;
use rebound_api::policy::retry::RetryRules;
use rebound_api::violation::Violation;

#[test]
fn manifests_are_understood_as_the_goldens_say() {
    let mut stale = Vec::new();
    for manifest in manifests() {
        let actual = render(&checked(&manifest));
        let golden = manifest.with_extension("out");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &actual).unwrap();
        } else if std::fs::read_to_string(&golden).ok().as_ref() != Some(&actual) {
            stale.push(format!("{}:\n{actual}", golden.display()));
        }
    }
    assert!(stale.is_empty(), "UPDATE_GOLDEN=1 rewrites:\n{}", stale.join("\n"));
}

fn manifests() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policies");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut manifests: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    manifests.sort();
    assert!(!manifests.is_empty());
    manifests
}

fn checked(manifest: &Path) -> Checked {
    let yaml = std::fs::read_to_string(manifest).unwrap();
    check(&serde_saphyr::from_str(&yaml).unwrap())
}

fn render(checked: &Checked) -> String {
    let mut text = String::new();
    lines(&mut text, "violation", &checked.report.violations);
    lines(&mut text, "warning", &checked.report.warnings);
    if let Some(rules) = &checked.rules {
        let targets = checked.policy.as_ref().unwrap().targets();
        targets.iter().for_each(|target| writeln!(text, "target {:?} {}", target.kind, target.key).unwrap());
        rules_of_ports(&mut text, rules);
    }
    text
}

fn lines(text: &mut String, what: &str, list: &[Violation]) {
    for Violation { path, reason, message } in list {
        writeln!(text, "{what} {path}: {reason:?}: {message}").unwrap();
    }
}

fn rules_of_ports(text: &mut String, rules: &PolicyRules) {
    match rules.listed_ports() {
        None => write_rules(text, "every port", rules.for_port(1)),
        Some(ports) => {
            ports.for_each(|port| write_rules(text, &format!("port {port}"), rules.for_port(port)));
        }
    }
}

fn write_rules(text: &mut String, ports: &str, rules: Option<&RetryRules>) {
    match rules {
        None => writeln!(text, "{ports}: switched off").unwrap(),
        Some(rules) => writeln!(text, "{ports}: {rules:#?}").unwrap(),
    }
}
