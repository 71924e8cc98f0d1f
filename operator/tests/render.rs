//! `rebound-operator render`: files in, snapshots and status out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use rebound_api::config::retry::{Backoff, Jitter};
use support::{BACKEND, Folder, GATEWAY, operator, run, snapshot};

fn render(folder: &Folder) -> i32 {
    let (input, out) = (folder.input(), folder.out());
    run(["render", "-f", input.to_str().unwrap(), "--backend", BACKEND, "--out", out.to_str().unwrap()]).0
}

#[test]
fn s81_the_seed_becomes_a_snapshot_that_waits_two_seconds() {
    let out = tempfile::tempdir().unwrap();
    let to = out.path().to_str().unwrap();
    let backend = "server/fortio:8080=127.0.0.1:9000";
    let seed = "../config/samples/seed";
    let (code, _) = run(["render", "-f", seed, "-n", "server", "--backend", backend, "--out", to]);
    assert_eq!(code, 0);
    let snapshot = snapshot(&out.path().join("server_simple-fsm-gateway.snapshot")).unwrap();
    assert_eq!((snapshot.listeners.len(), snapshot.listeners[0].port), (1, 8000));
    let [cluster] = &snapshot.clusters[..] else { panic!("{:?}", snapshot.clusters) };
    assert_eq!(cluster.service.to_string(), "server/fortio:8080");
    assert_eq!(cluster.endpoints, ["127.0.0.1:9000".parse().unwrap()]);
    let retry = cluster.retry.as_ref().unwrap();
    assert_eq!((retry.on.as_slice(), retry.retries_max), (&[[500, 599]][..], 5));
    let expected = Backoff { base_us: 2_000_000, max_us: 20_000_000, multiplier: 2, jitter: Jitter::Full };
    assert_eq!(retry.backoff, expected);
}

#[test]
fn rendering_twice_writes_once() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    assert_eq!(render(&folder), 0);
    let written = || {
        let files = std::fs::read_dir(folder.out()).unwrap().map(|it| it.unwrap());
        let mut files: Vec<_> =
            files.map(|it| (it.file_name(), it.metadata().unwrap().modified().unwrap())).collect();
        files.sort();
        files
    };
    let before = written();
    assert_eq!(before.len(), 2, "{before:?}");
    assert_eq!(render(&folder), 0);
    assert_eq!(written(), before);
}

#[test]
fn the_generation_grows_by_one_with_every_change_also_across_runs() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    render(&folder);
    assert_eq!(folder.snapshot().unwrap().generation.0, 1);
    folder.write("gw.yaml", &GATEWAY.replace("port: 8080", "port: 8081"));
    render(&folder);
    assert_eq!(folder.snapshot().unwrap().generation.0, 2);
}

#[test]
fn a_damaged_snapshot_is_written_anew() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    render(&folder);
    std::fs::write(folder.out().join("default_gw.snapshot"), "half a snap").unwrap();
    assert_eq!(render(&folder), 0);
    assert_eq!(folder.snapshot().unwrap().listeners[0].port, 8080);
}

#[test]
fn a_snapshot_that_was_renamed_is_written_again_with_its_generation() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    render(&folder);
    let snapshot = folder.out().join("default_gw.snapshot");
    std::fs::rename(&snapshot, folder.out().join("saved.snapshot")).unwrap();
    std::fs::remove_file(folder.out().join("status.yaml")).unwrap();
    assert_eq!(render(&folder), 0);
    assert!(folder.snapshot().is_some() && !folder.status().is_empty());
    assert!(folder.out().join("saved.snapshot").exists());
}

#[test]
fn gateways_with_the_longest_names_have_files_of_their_own() {
    let (one, two) = (format!("{}1", "g".repeat(252)), format!("{}2", "g".repeat(252)));
    let second = GATEWAY.split("---").next().unwrap().replace("name: gw", &format!("name: {two}"));
    let first = second.replace(&two, &one).replace("8080", "8081");
    let folder = Folder::new(&[
        ("gw.yaml", GATEWAY),
        ("one.yaml", &first),
        ("two.yaml", &second.replace("8080", "8082")),
    ]);
    assert_eq!(render(&folder), 0);
    let files = std::fs::read_dir(folder.out()).unwrap().map(|it| it.unwrap().path());
    let ports = files.filter(|it| it.extension().unwrap() == "snapshot").map(|it| {
        assert!(it.file_name().unwrap().len() <= 251, "{it:?}");
        snapshot(&it).unwrap().listeners[0].port
    });
    let mut ports: Vec<_> = ports.collect();
    ports.sort_unstable();
    assert_eq!(ports, [8080, 8081, 8082]);
}

#[test]
fn a_snapshot_that_cannot_be_written_concerns_its_gateway_alone() {
    let other = GATEWAY
        .replace("name: gw", "name: a")
        .replace("8080", "8081")
        .replace("name: web}\nspec", "name: o}\nspec");
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("other.yaml", &other)]);
    std::fs::create_dir_all(folder.out().join("default_a.snapshot/full")).unwrap();
    assert_eq!(render(&folder), 1);
    assert!(folder.snapshot().is_some());
    assert!(folder.status().contains("cannot write "), "{}", folder.status());
}

#[test]
fn the_snapshot_of_a_gateway_that_is_gone_goes_and_nothing_else_does() {
    let other = GATEWAY
        .replace("name: gw", "name: other")
        .replace("8080", "8081")
        .replace("name: web}\nspec", "name: o}\nspec");
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("other.yaml", &other)]);
    render(&folder);
    std::fs::write(folder.out().join("mine.snapshot"), "not ours").unwrap();
    assert!(folder.out().join("default_other.snapshot").exists());
    folder.remove("other.yaml");
    assert_eq!(render(&folder), 0);
    assert!(!folder.out().join("default_other.snapshot").exists());
    assert!(folder.out().join("mine.snapshot").exists());
    assert!(folder.snapshot().is_some());
}

#[test]
fn one_bad_object_takes_nothing_away_from_the_others() {
    let bad = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: bad}\nspec: {listeners: 3}\n";
    let folder = Folder::new(&[("gw.yaml", GATEWAY), ("bad.yaml", bad), ("worse.yaml", "a: [")]);
    assert_eq!(render(&folder), 1);
    assert!(folder.snapshot().is_some());
    let status = folder.status();
    assert!(status.contains("bad.yaml:4: spec"), "{status}");
    assert!(status.contains("worse.yaml:1: does not parse"), "{status}");
}

#[test]
fn what_cannot_be_read_or_written_exits_with_2() {
    let folder = Folder::new(&[]);
    let out = folder.out();
    assert_eq!(run(["render", "-f", "/nowhere", "--out", out.to_str().unwrap()]).0, 2);
    assert_eq!(run(["render", "-f", ".", "--out", "/proc/nowhere"]).0, 2);
    let both = folder.path("both");
    assert_eq!(run(["render", "-f", both.to_str().unwrap(), "--out", both.to_str().unwrap()]).0, 2);
    assert!(!both.join("status.yaml").exists());
    assert_eq!(run(["render", "-f", ".", "--backend", "fortio=1", "--out", out.to_str().unwrap()]).0, 2);
}

#[test]
fn a_snapshot_that_no_data_plane_takes_is_told_and_the_last_one_stays() {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    assert_eq!(render(&folder), 0);
    let good = folder.snapshot().unwrap();
    let listeners: String =
        (0..65).map(|at| format!("  - {{name: l{at}, protocol: HTTP, port: {}}}\n", 9000 + at)).collect();
    folder.write("gw.yaml", &GATEWAY.replace("  - {name: http, protocol: HTTP, port: 8080}\n", &listeners));
    assert_eq!(render(&folder), 1);
    assert_eq!(folder.snapshot().unwrap(), good);
    let status: serde_json::Value = serde_saphyr::from_str(&folder.status()).unwrap();
    let items = status["items"].as_array().unwrap();
    let gateway = items.iter().find(|it| it["kind"] == "Gateway").unwrap();
    let programmed = &gateway["status"]["conditions"][1];
    assert_eq!((&programmed["type"], &programmed["status"]), (&"Programmed".into(), &"False".into()));
    assert_eq!(programmed["message"], "the snapshot's listeners: holds 65 items, more than 64");
}

#[test]
fn what_cannot_be_printed_is_an_error_unless_nobody_reads_on() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = operator().arg("crds").stdout(full).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(operator().arg("crds").stdout(writer).status().unwrap().success());
}

#[test]
fn the_definitions_are_those_that_are_checked_in() {
    let (code, out) = run(["crds"]);
    assert_eq!(code, 0);
    let printed: Vec<serde_json::Value> = serde_saphyr::from_multiple(&out).unwrap();
    assert_eq!(printed.len(), 2);
    for definition in printed {
        let (group, plural) = (&definition["spec"]["group"], &definition["spec"]["names"]["plural"]);
        let name = format!("../config/crd/{}_{}.yaml", group.as_str().unwrap(), plural.as_str().unwrap());
        let file: serde_json::Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&name).unwrap()).unwrap();
        assert!(definition == file, "{name} is stale: cargo xtask gen");
    }
}
