//! What must not be in the dependency tree of a shipped crate, as cargo resolves it for that crate alone.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};

use super::Breach;
use crate::programs::cargo;

/// Never in the data plane: it knows nothing of Kubernetes, and one runtime is enough.
const NOT_IN_DATAPLANE: [&str; 8] =
    ["kube", "kube-core", "k8s-openapi", "schemars", "garde", "monoio-http", "tokio", "rebound-operator"];
/// The most packages of the contracts without the users' kinds, this one included.
const API_PACKAGES_MAX: usize = 15;

pub(super) fn breaches() -> anyhow::Result<Vec<Breach>> {
    let mut breaches = dataplane(&tree("rebound-dataplane")?);
    breaches.extend(api(&tree("rebound-api")?));
    Ok(breaches)
}

/// The packages that a crate needs to run, itself included.
fn tree(package: &str) -> anyhow::Result<String> {
    let tree = cargo().args(["tree", "-p", package, "-e", "normal", "--prefix", "none"]).output();
    let tree = tree.context("run cargo tree")?;
    ensure!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    Ok(String::from_utf8(tree.stdout)?)
}

fn packages(tree: &str) -> BTreeSet<(&str, &str)> {
    let lines = tree.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, rest)| (name, rest.split(' ').next().unwrap_or_default())).collect()
}

fn dataplane(tree: &str) -> Vec<Breach> {
    let found: BTreeSet<_> = packages(tree).into_iter().map(|(name, _)| name).collect();
    let banned = NOT_IN_DATAPLANE.iter().filter(|name| found.contains(**name));
    let breach = |name| {
        Breach::new("cargo tree -p rebound-dataplane -e normal", 0, format!("`{name}` is in the data plane"))
    };
    banned.map(breach).collect()
}

fn api(tree: &str) -> Vec<Breach> {
    let count = packages(tree).len();
    let rule = format!("{count} packages without features, at most {API_PACKAGES_MAX}");
    let breach =
        (count > API_PACKAGES_MAX).then(|| Breach::new("cargo tree -p rebound-api -e normal", 0, rule));
    breach.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_banned_package_is_caught() {
        for name in NOT_IN_DATAPLANE {
            assert_eq!(
                dataplane(&format!("rebound-dataplane v0.1.0 (/x)\n{name} v1.0.0\n")).len(),
                1,
                "{name}"
            );
        }
        assert_eq!(dataplane("rebound-dataplane v0.1.0 (/x)\nmonoio v0.2.4\nmonoio v0.2.4 (*)\n"), []);
    }

    #[test]
    fn one_package_too_many_is_caught_and_a_repeated_line_is_not_one() {
        let tree = |count: usize| (0..count).map(|n| format!("p{n} v1.0.0\n")).collect::<String>();
        assert_eq!(api(&tree(API_PACKAGES_MAX)), []);
        assert_eq!(api(&(tree(API_PACKAGES_MAX) + "p1 v1.0.0 (*)\n")), []);
        assert_eq!(api(&tree(API_PACKAGES_MAX + 1)).len(), 1);
    }
}
