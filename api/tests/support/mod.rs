//! Goldens of checks: `data/FOLDER/NAME.yaml` is a manifest, `NAME.out` what a check makes of it. `UPDATE_GOLDEN=1`
//! rewrites the outputs; review them as code.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rebound_api::violation::{Report, Violation};
use serde_json::Value;

/// A test for each manifest of the folder, by its name. The file has a `folder()`, and a `golden(manifest, name)` that
/// compares.
macro_rules! goldens {
    ($($name:ident)+) => {
        $(#[test] fn $name() { golden(&folder().join(concat!(stringify!($name), ".yaml")), stringify!($name)); })+

        #[test]
        fn every_manifest_has_a_test() {
            let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
            let manifests = names.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
            let stems: std::collections::BTreeSet<_> =
                manifests.map(|path| path.file_stem().unwrap().to_owned()).collect();
            let tests = [$(stringify!($name)),+];
            assert_eq!(stems, tests.iter().map(|name| (*name).into()).collect());
        }
    };
}

/// Compares what is made of a manifest with `golden`, without its extension.
#[track_caller]
pub(crate) fn golden(manifest: &Path, golden: &Path, render: impl Fn(&Value) -> String) {
    let yaml = std::fs::read_to_string(manifest).unwrap();
    let actual = render(&serde_saphyr::from_str(&yaml).unwrap());
    let golden = golden.with_extension("out");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, actual).unwrap();
    } else {
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(actual, expected, "UPDATE_GOLDEN=1 rewrites {golden:?}");
    }
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn report(report: &Report) -> String {
    let mut text = String::new();
    for (what, list) in [("violation", &report.violations), ("warning", &report.warnings)] {
        for Violation { path, reason, message } in list {
            writeln!(text, "{what} {path} {reason:?}\n  {message}").unwrap();
        }
    }
    text
}
