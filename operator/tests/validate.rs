//! `rebound-operator validate` on files: what it prints and returns.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{Folder, GATEWAY, run};

const POLICY: &str = "\
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata:
  name: broken
spec:
  targetRef:
    kind: Service
    name: web
  ports:
  - port: 80
    config:
      retryOn:
      - 5xx
      - 6xx
      numRetries: 3
      backoffBaseInterval: 1
";

fn validate(folder: &Folder) -> (i32, String) {
    let path = folder.input();
    let (code, out) = run(["validate", path.to_str().unwrap()]);
    (code, out.replace(&format!("{}/", path.display()), ""))
}

#[test]
fn s81_the_seed_is_valid_as_it_stands_on_the_page() {
    let (code, out) = run(["validate", "-f", "../config/samples/seed", "-n", "server"]);
    assert_eq!(code, 0, "{out}");
    let lines: Vec<_> = out.lines().filter(|line| !line.contains(": warning: ")).collect();
    let skipped = "application.yaml:15: Deployment server/fortio is skipped: Rebound does not read this kind";
    assert_eq!(lines, [format!("../config/samples/seed/{skipped}")]);
}

#[test]
fn a_version_that_nobody_serves_is_refused_with_the_one_to_write() {
    let wrong = GATEWAY.replace("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v9");
    assert_ne!(wrong, GATEWAY);
    let (code, out) = validate(&Folder::new(&[("gw.yaml", &wrong)]));
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("apiVersion: `v9` is no version"), "{out}");
    assert!(out.contains("write `gateway.networking.k8s.io/v1`"), "{out}");
}

#[test]
fn the_documents_show_what_is_printed() {
    let (code, out) = run(["validate", "../config/samples/mistakes.yaml"]);
    assert_eq!(code, 1, "{out}");
    for page in ["../README.md", "../docs/tasks/write-a-retry-policy.md"] {
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&out.replace("../config", "config")), "{out}");
    }
}

#[test]
fn s82_a_violation_stands_on_the_line_of_its_field() {
    let (code, out) = validate(&Folder::new(&[("policy.yaml", POLICY)]));
    assert_eq!(code, 1);
    let line = out.lines().find(|line| line.contains("6xx")).unwrap();
    assert!(line.starts_with("policy.yaml:14: spec.ports[0].config.retryOn[1]: "), "{line}");
}

#[test]
fn s82_all_violations_of_all_files_are_told_at_once() {
    let other = POLICY.replace("name: broken", "name: other").replace("numRetries: 3", "numRetries: 50");
    let (code, out) = validate(&Folder::new(&[("a.yaml", POLICY), ("b.yaml", &other), ("c.yaml", GATEWAY)]));
    assert_eq!(code, 1);
    for start in ["a.yaml:14: spec.", "b.yaml:14: spec.", "b.yaml:15: spec.ports[0].config.numRetries: "] {
        assert!(out.lines().any(|line| line.starts_with(start)), "{start} is not in\n{out}");
    }
}

#[test]
fn a_field_of_the_wrong_type_stands_on_its_line() {
    let route = GATEWAY.replace(
        "  - backendRefs: [{name: web, port: 80}]",
        "  - backendRefs:\n    - name: web\n      port: eighty",
    );
    let (code, out) = validate(&Folder::new(&[("route.yaml", &route)]));
    assert_eq!(code, 1);
    assert!(out.starts_with("route.yaml:17: spec.rules[0].backendRefs[0].port: invalid type"), "{out}");
}

#[test]
fn a_file_that_does_not_parse_is_told_with_its_line() {
    let (code, out) =
        validate(&Folder::new(&[("broken.yaml", "kind: Gateway\nspec: [\n"), ("fine.yaml", GATEWAY)]));
    assert_eq!(code, 1);
    assert!(
        out.starts_with("broken.yaml:2: does not parse: ")
            || out.starts_with("broken.yaml:3: does not parse: "),
        "{out}"
    );
}

#[test]
fn the_lines_in_a_list_are_those_of_its_members() {
    let member = POLICY.replace('\n', "\n  ");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", member.trim_end());
    let (code, out) = validate(&Folder::new(&[("list.yaml", &list)]));
    assert_eq!(code, 1);
    assert!(out.contains("list.yaml:17: spec.ports[0].config.retryOn[1]: "), "{out}");
}

#[test]
fn json_is_yaml_too() {
    let json = r#"{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gw"},
"spec": {"gatewayClassName": "fsm", "listeners": [
  {"name": "http", "protocol": "HTTP", "port": 70000}
]}}"#;
    let (code, out) = validate(&Folder::new(&[("gw.json", json)]));
    assert_eq!(
        (code, out.as_str()),
        (1, "gw.json:3: spec.listeners[0].port: 70000 is not within 1 to 65535\n")
    );
}

#[test]
fn an_alias_bomb_is_refused_before_it_goes_off() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 9].join(", ")));
    }
    let (code, out) = validate(&Folder::new(&[("bomb.yaml", &bomb)]));
    assert_eq!(code, 1);
    assert!(out.starts_with("bomb.yaml:") && out.contains("does not parse: "), "{out}");
}

#[test]
fn the_same_object_twice_is_an_error() {
    let (code, out) = validate(&Folder::new(&[("a.yaml", GATEWAY), ("b.yaml", GATEWAY)]));
    assert_eq!(code, 1);
    assert!(
        out.starts_with("b.yaml:3: metadata.name: Gateway default/gw stands in the files twice"),
        "{out}"
    );
}

#[test]
fn a_manifest_without_a_name_is_an_error_of_its_own() {
    let (code, out) =
        validate(&Folder::new(&[("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {}\n---\nhello\n")]));
    assert_eq!(
        (code, out.as_str()),
        (1, "a.yaml:3: metadata.name: is missing\na.yaml:5: apiVersion: is missing\n")
    );
}

#[test]
fn what_is_not_read_may_look_as_it_likes() {
    let others = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:x'}\n";
    let (code, out) = validate(&Folder::new(&[("a.yaml", others)]));
    assert_eq!(code, 0, "{out}");
    assert_eq!(
        out.lines().filter(|line| line.ends_with("Rebound does not read this kind")).count(),
        2,
        "{out}"
    );
}

#[test]
fn json_output_holds_the_same_findings() {
    let folder = Folder::new(&[("policy.yaml", POLICY)]);
    let (code, out) = run(["validate", "-o", "json", folder.input().to_str().unwrap()]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["valid"]), (1, &false.into()));
    let found = answer["findings"].as_array().unwrap().iter();
    let found =
        found.filter(|it| it["severity"] == "error").map(|it| (it["line"].as_u64(), it["path"].as_str()));
    assert_eq!(found.collect::<Vec<_>>(), [(Some(14), Some("spec.ports[0].config.retryOn[1]"))]);
}

#[test]
fn what_cannot_be_read_or_understood_exits_with_2() {
    assert_eq!(run(["validate", "/nowhere/at/all.yaml"]).0, 2);
    assert_eq!(run(["validate"]).0, 2);
    assert_eq!(run(["validate", "-o", "xml", "."]).0, 2);
    assert_eq!(run(["controller"]).0, 2);
}

#[test]
fn a_file_of_other_bytes_is_told_about() {
    let folder = Folder::new(&[]);
    std::fs::write(folder.input().join("image.yaml"), [0xff, 0xd8, 0xff]).unwrap();
    assert_eq!(validate(&folder), (1, "image.yaml:1: does not parse: it is not UTF-8 text\n".into()));
}

#[test]
fn nothing_to_validate_is_no_success() {
    let folder = Folder::new(&[]);
    assert_eq!(validate(&folder).0, 2);
    folder.write("notes.yaml", "# nothing yet\n");
    assert_eq!(validate(&folder).0, 2);
    folder.write("empty.yaml", "");
    let (code, out) = validate(&folder);
    assert!(code == 2 && out.starts_with("empty.yaml:1: warning: the file is empty"), "{out}");
}

#[test]
fn a_name_that_is_no_text_hides_no_other_mistake() {
    let policy = POLICY.replace("  name: broken\n", "  name: 5\n  namespace: [a]\n");
    let (code, out) = validate(&Folder::new(&[("policy.yaml", &policy)]));
    assert_eq!(code, 1);
    for line in
        ["policy.yaml:4: metadata.name: must be text", "policy.yaml:5: metadata.namespace: must be text"]
    {
        assert_eq!(out.lines().filter(|it| *it == line).count(), 1, "{line} is not in\n{out}");
    }
    assert!(out.contains("policy.yaml:15: spec.ports[0].config.retryOn[1]: "), "{out}");
    let odd = "apiVersion: v1\nkind: Service\nmetadata: 5\n---\napiVersion: 1\nkind: Service\n";
    let (_, out) = validate(&Folder::new(&[("odd.yaml", odd)]));
    assert!(out.contains("odd.yaml:3: metadata: must be a map"), "{out}");
    assert!(out.contains("odd.yaml:5: apiVersion: must be text"), "{out}");
}

#[test]
fn an_empty_namespace_is_a_missing_one() {
    let policy = POLICY.replace("  name: broken\n", "  name: Broken\n  namespace: \"\"\n");
    let (_, out) = validate(&Folder::new(&[("policy.yaml", &policy), ("gw.yaml", GATEWAY)]));
    assert!(out.contains("policy.yaml:4: metadata.name: `Broken` is not a name"), "{out}");
    assert!(!out.contains("metadata.namespace"), "{out}");
    assert_eq!(run(["validate", "-n", "", "."]).0, 2);
}
