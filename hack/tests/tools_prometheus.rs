//! The dashboard, the alert rules and the metrics themselves, put to a real Prometheus that scrapes a data plane.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use hack::cleanup::{Folder, Process};
use hack::debian::{PROMETHEUS, PROMTOOL};
use hack::http_client::Connection;
use hack::observability::{PREFIXES, alerts, dashboard, metrics};
use hack::programs::{Programs, workspace};
use hack::rig::poll;
use hack::scene::{Scene, TRACED};
use serde_json::{Value, json};

/// How long Prometheus may take to start, and to know what its expressions need.
const SOON: Duration = Duration::from_secs(90);
/// The reference page; the table begins here and is the rest of the page.
const PAGE: &str = "docs/reference/dataplane_metrics.md";
const HEAD: &str = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";

/// A Prometheus that scrapes one data plane ten times in a second.
struct Prometheus {
    address: SocketAddr,
    _process: Process,
    folder: Folder,
}

impl Prometheus {
    fn start(data_plane: SocketAddr) -> Self {
        let folder = Folder::new().unwrap();
        // What the monitor in config/observability adds.
        let labels = json!({ "gateway_namespace": "shop", "gateway": "web", "pod": "web-1" });
        let config = json!({
            "global": { "scrape_interval": "100ms", "evaluation_interval": "1s" },
            "rule_files": [workspace().join("config/observability/rules.yaml")],
            "scrape_configs": [{
                "job_name": "rebound",
                "honor_labels": true,
                "static_configs": [{ "targets": [data_plane.to_string()], "labels": labels }],
            }],
        });
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let address = free_address();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = PROMETHEUS.command().unwrap();
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--enable-feature=exemplar-storage");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process::start(&mut command).unwrap().expendable();
        let prometheus = Self { address, _process: process, folder };
        let ready = || Connection::open(address).ok()?.get("/-/ready").ok().filter(|it| it.status == 200);
        poll(SOON, ready).unwrap_or_else(|| panic!("not ready:\n{}", prometheus.log()));
        prometheus
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The `data` of an answer; anything but success is a failure of the test.
    #[track_caller]
    fn ask(&self, target: &str) -> Value {
        let answer = Connection::open(self.address).unwrap().get(target).unwrap();
        let mut said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &said["status"]), (200, &json!("success")), "{target}: {said}");
        assert!(said["warnings"].is_null(), "{target}: {said}");
        said["data"].take()
    }

    /// The values of an expression that are numbers.
    #[track_caller]
    fn query(&self, expression: &str) -> Vec<f64> {
        let data = self.ask(&format!("/api/v1/query?query={}", encode(expression)));
        let values = data["result"].as_array().unwrap().iter().map(|it| it["value"][1].as_str().unwrap());
        values.map(|value| value.parse().unwrap()).filter(|value: &f64| !value.is_nan()).collect()
    }
}

/// The trace of any point of the durations: only the newer format can say it.
fn first_exemplar(prometheus: &Prometheus) -> Option<String> {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let query = encode("http_server_request_duration_seconds_bucket");
    let (start, end) = (now - 3600, now + 60);
    let found = prometheus.ask(&format!("/api/v1/query_exemplars?query={query}&start={start}&end={end}"));
    found[0]["exemplars"][0]["labels"]["trace_id"].as_str().map(str::to_owned)
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02X}").unwrap(),
        }
    }
    encoded
}

/// Prometheus wants its port by number.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn scrape(scene: &Scene, accept: &str) -> (String, String) {
    let mut admin = Connection::open(scene.rig.admin()).unwrap();
    let answer = admin.send("GET", "/metrics", &[("accept", accept)], b"").unwrap();
    let kind = answer.header("content-type").unwrap().to_owned();
    (kind, String::from_utf8(answer.body).unwrap())
}

/// A page on which every family has a sample, in the older format. Nobody counts any more when it is returned.
fn busy_page(scene: &Scene) -> String {
    let customers = scene.open();
    let is_complete = || {
        let page = scrape(scene, "*/*").1;
        let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let sampled: BTreeSet<_> = names(&page).into_iter().map(family).collect();
        let complete = types.clone().all(|name| sampled.contains(name)) && page.contains("reason=\"budget\"");
        complete.then_some(())
    };
    poll(SOON, is_complete).unwrap();
    drop(customers);
    scrape(scene, "*/*").1
}

/// The names of all samples of a page.
fn names(page: &str) -> BTreeSet<&str> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

/// Runs promtool on a file of that content; what it says when it is not content.
fn promtool(arguments: &[&str], folder: &Folder, content: &str) {
    let file = folder.path().join("checked");
    fs::write(&file, content).unwrap();
    let mut command: Command = PROMTOOL.command().unwrap();
    let input = fs::File::open(&file).unwrap();
    let output = command.args(arguments).current_dir(folder.path()).stdin(input).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn prometheus_understands_what_it_scrapes_and_every_question_of_dashboard_and_alerts() {
    let scene = Scene::start(&Programs::for_tests().unwrap(), 1, &TRACED).unwrap();
    let prometheus = Prometheus::start(scene.rig.admin());
    let customers = scene.open();

    let up = || prometheus.query("up").first().copied().filter(|up| *up == 1.0);
    poll(SOON, up).unwrap_or_else(|| panic!("not scraped: {}", prometheus.ask("/api/v1/targets")));
    for (panel, query) in dashboard::queries() {
        let answered = || Some(prometheus.query(&query)).filter(|values| !values.is_empty());
        assert!(poll(SOON, answered).is_some(), "{panel} has no data: {query}");
    }
    for alert in &alerts::ALERTS {
        prometheus.query(alert.expr);
    }
    let rules = prometheus.ask("/api/v1/rules");
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let is_well = |rule: &&Value| rule["health"] == "ok" || rule["health"] == "unknown";
    assert_eq!(rules.iter().filter(is_well).count(), alerts::ALERTS.len(), "{rules:?}");

    let trace = || first_exemplar(&prometheus);
    let trace = poll(SOON, trace).unwrap_or_else(|| panic!("no point of the histogram leads to a trace"));
    assert!(trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()), "{trace}");
    drop(customers);
}

#[test]
fn both_formats_say_the_same_and_pass_promtool() {
    let scene = Scene::start(&Programs::for_tests().unwrap(), 1, &TRACED).unwrap();
    busy_page(&scene);
    let (kind, text) = scrape(&scene, "text/plain;version=0.0.4");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let (kind, open_metrics) = scrape(&scene, "application/openmetrics-text;version=1.0.0,*/*;q=0.1");
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(names(&text), names(&open_metrics));
    assert!(open_metrics.ends_with("\n# EOF\n"));
    promtool(&["check", "metrics"], &Folder::new().unwrap(), &text);
}

#[test]
fn every_name_that_people_are_given_is_one_that_a_scrape_has() {
    let scene = Scene::start(&Programs::for_tests().unwrap(), 1, &TRACED).unwrap();
    let page = busy_page(&scene);
    let known = names(&page);
    let families: BTreeSet<_> = known.iter().map(|name| family(name)).collect();
    let asked: Vec<_> = dashboard::queries().map(|(_, query)| query).collect();
    let asked = asked.iter().map(String::as_str).chain(alerts::ALERTS.iter().map(|alert| alert.expr));
    for expression in asked {
        for metric in metrics(expression) {
            assert!(families.contains(family(metric)), "{metric} in {expression}");
        }
    }
    assert!(known.iter().all(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix))), "{known:?}");
}

/// A histogram's parts belong together.
fn family(name: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}

#[test]
fn every_alert_fires_when_it_should_and_is_quiet_when_not() {
    let folder = Folder::new().unwrap();
    let rules = workspace().join("config/observability/rules.yaml");
    promtool(&["check", "rules", rules.to_str().unwrap()], &folder, "");
    let mut tests = Vec::new();
    for alert in &alerts::ALERTS {
        for (series, fires) in [(alert.fires, true), (alert.quiet, false)] {
            let series: Vec<_> =
                series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
            let firing = format!("count(ALERTS{{alertname=\"{}\",alertstate=\"firing\"}})", alert.name);
            let samples = if fires { json!([{ "labels": "{}", "value": 1 }]) } else { json!([]) };
            tests.push(json!({
                "name": format!("{} {}", alert.name, if fires { "fires" } else { "is quiet" }),
                "interval": "1m",
                "input_series": series,
                "promql_expr_test": [{ "expr": firing, "eval_time": "30m", "exp_samples": samples }],
            }));
        }
    }
    let tests = json!({ "rule_files": [rules], "evaluation_interval": "1m", "tests": tests });
    promtool(&["test", "rules", "checked"], &folder, &tests.to_string());
}

#[test]
fn every_alert_has_its_part_of_the_runbook() {
    let page = fs::read_to_string(workspace().join(alerts::RUNBOOK)).unwrap();
    for alert in &alerts::ALERTS {
        assert!(page.contains(&format!("\n### {}\n", alert.name)), "{}", alert.name);
    }
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let known: BTreeSet<_> = alerts::ALERTS.iter().map(|alert| alert.name).collect();
    assert_eq!(headings.collect::<BTreeSet<_>>(), known);
}

/// A row for each family, in the order of the page.
fn table(page: &str) -> String {
    let mut types = BTreeMap::new();
    let mut rows = String::new();
    let described = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.to_owned()));
    types.extend(page.lines().filter_map(|line| described(line.strip_prefix("# TYPE ")?)));
    for (name, help) in page.lines().filter_map(|line| described(line.strip_prefix("# HELP ")?)) {
        let (kind, meaning) = (&types[&name], help.trim_end_matches('.'));
        writeln!(rows, "| `{name}` | {kind} | {} | {meaning} |", labels(page, &name)).unwrap();
    }
    rows
}

/// The labels of a family. Values are written on the page by hand, where the set is closed.
fn labels(page: &str, name: &str) -> String {
    let mut labels = BTreeSet::new();
    for line in page.lines().filter(|line| line.split(['{', ' ']).next().is_some_and(|it| family(it) == name))
    {
        let Some((_, rest)) = line.split_once('{') else { continue };
        let (inside, _) = rest.rsplit_once('}').unwrap();
        labels.extend(inside.split("\",").map(|label| label.split_once('=').unwrap().0));
    }
    labels.remove("le");
    labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
}

/// `UPDATE_GOLDEN=1` rewrites the table: review its diff, since dashboards depend on every row.
#[test]
fn the_reference_lists_every_metric_with_its_labels() {
    let scene = Scene::start(&Programs::for_tests().unwrap(), 1, &TRACED).unwrap();
    let page = busy_page(&scene);
    let path = workspace().join(PAGE);
    let text = fs::read_to_string(&path).unwrap();
    let (prose, _) = text.split_once(HEAD).unwrap();
    let expected = format!("{prose}{HEAD}{}", table(&page));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, expected).unwrap();
        return;
    }
    assert!(text == expected, "{PAGE} is stale; UPDATE_GOLDEN=1 rewrites it. Expected:\n{expected}");
}
