//! From manifests to snapshot and status, as goldens.
//!
//! Every test is a file `tests/data/translate/NAME.in.yaml` that goes through the whole walk; `NAME.out.yaml` holds
//! the snapshots and everything that users read back. A first line `# args: …` adds to the command line of `render`.
//! `UPDATE_GOLDEN=1` rewrites the outputs: review their diff like code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use futures::executor::block_on;
use rebound_api::config::Snapshot;
use rebound_operator::app;
use rebound_operator::apply::{Sink, files::Folder};
use rebound_operator::build::Install;
use rebound_operator::cli::{Cli, Command};
use rebound_operator::controller::Walk;
use rebound_operator::observe::{Source, files::Files};
use rebound_operator::status::Board;
use rebound_operator::status::document::StatusList;
use rebound_operator::status::file::StatusFile;
use serde::Serialize;

#[derive(Serialize)]
struct Golden<'a> {
    snapshots: Vec<&'a Snapshot>,
    status: &'a StatusList,
}

macro_rules! goldens {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            golden(stringify!($name));
        })+

        /// A golden that no test reads is no test.
        #[test]
        fn every_golden_has_its_test() {
            let tests = [$(stringify!($name)),+];
            for entry in std::fs::read_dir(DATA).unwrap() {
                let file = entry.unwrap().file_name().into_string().unwrap();
                let case = file.split('.').next().unwrap();
                assert!(tests.contains(&case), "tests/data/translate/{file} has no test");
            }
        }
    };
}

const DATA: &str = "tests/data/translate";

goldens! {
    s36_a_timeout_of_zero_is_none
    s39_route_backoff_is_never_below_its_base
    s81_the_seed_applies_unchanged
    s83_a_missing_service_is_no_mistake_and_no_target
    s83_a_missing_port_is_no_target
    s83_a_service_without_tcp_port_is_no_target
    s84_the_oldest_policy_holds_the_port
    s84_without_dates_the_name_decides
    s85_a_target_in_another_namespace_needs_a_grant
    s86_conditions_carry_the_generation_they_are_about
    s87_route_retry_wins_within_the_ceilings_of_the_policy
    s87_without_a_policy_the_default_ceilings_bind
    a_backend_that_does_not_resolve_keeps_its_share
    a_bad_expression_drops_its_rule_only
    a_class_of_another_controller_is_left_alone
    a_disabled_policy_holds_its_port
    a_route_attaches_where_it_is_allowed
    a_route_without_rules_matches_everything
    a_service_import_is_named_as_without_effect
    a_udp_port_of_the_same_number_is_not_taken
    a_route_on_listeners_that_serve_nothing_says_so
    a_rule_that_is_dropped_and_one_that_answers_500_are_told_apart
    a_rule_with_an_unknown_filter_answers_500
    endpoints_come_from_ready_slices
    fields_without_effect_are_named
    header_changes_of_rules_and_backends
    hostnames_meet_in_the_narrower_one
    listener_and_host_names_are_those_of_gateway_api
    listeners_that_are_not_distinct_are_all_refused
    matches_of_all_kinds
    only_http_is_served
    parameters_that_do_not_exist_refuse_class_and_gateway
    remarks_about_a_gateway_config_stand_with_who_names_it
    routes_stand_in_the_order_of_their_age
    two_gateways_cannot_share_a_port
    weights_are_kept
}

#[track_caller]
fn golden(name: &str) {
    let input = Path::new(DATA).join(name).with_extension("in.yaml");
    let output = Path::new(DATA).join(name).with_extension("out.yaml");
    let out = tempfile::tempdir().unwrap();
    let mut walk = walk(&input, out.path());
    let round = block_on(walk.reconcile()).unwrap();
    let snapshots = walk.sink.current().values().map(|set| set.snapshot()).collect();
    let golden = Golden { snapshots, status: &round.status };
    let found = serde_saphyr::to_string(&golden).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&output, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&output).unwrap_or_default();
    assert!(found == expected, "{} differs; UPDATE_GOLDEN=1 rewrites it. Now:\n{found}", output.display());
}

fn walk(input: &Path, out: &Path) -> Walk {
    let sink = Sink::Files(Folder::open(out.into()).unwrap());
    let board = Board::File(StatusFile::open(out));
    Walk::new(source(input), sink, board, Install::default(), Arc::default())
}

/// The source that `render` would read with the arguments of the file's first line.
fn source(input: &Path) -> Source {
    let text = std::fs::read_to_string(input).unwrap();
    let args = text.lines().next().and_then(|line| line.strip_prefix("# args: ")).unwrap_or_default();
    let file = input.to_str().unwrap();
    let fixed = ["rebound-operator", "render", "-f", file, "--out", "unused"];
    let cli = Cli::parse_from(fixed.into_iter().chain(args.split_whitespace()));
    let Command::Render(render) = cli.command else { unreachable!() };
    let paths: Vec<PathBuf> = render.paths;
    Source::Files(Box::new(Files::new(app::settings(paths, render.objects))))
}

/// A mistake in how a data plane is run is no reason to stop serving.
#[test]
fn a_gateway_that_is_refused_keeps_its_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.yaml");
    let out = folder.path().join("out");
    let round = |port: u16, infrastructure: &str| {
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web}}
spec: {{gatewayClassName: fsm, {infrastructure} listeners: [{{name: http, protocol: HTTP, port: {port}}}]}}
"
        );
        std::fs::write(&input, text).unwrap();
        let mut walk = walk(&input, &out);
        let lines = block_on(walk.reconcile()).unwrap().lines.join("\n");
        let snapshots = walk.sink.current().values().map(|set| set.snapshot().clone());
        (snapshots.collect::<Vec<_>>(), lines)
    };
    let missing =
        "infrastructure: {parametersRef: {group: gateway.flomesh.io, kind: GatewayConfig, name: missing}},";
    let (before, _) = round(8080, "");
    let (after, lines) = round(9090, missing);
    assert_eq!((before.len(), &after), (1, &before));
    assert!(lines.contains("GatewayConfig default/missing does not exist"), "{lines}");
    assert_eq!(round(9090, "").0[0].listeners[0].port, 9090);
}

#[test]
fn s86_a_policy_speaks_about_sixteen_gateways_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = |number: u16| {
        let port = 8000 + number;
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw-{number:02}}}
spec: {{gatewayClassName: fsm, listeners: [{{name: http, protocol: HTTP, port: {port}}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: route-{number}}}
spec:
  parentRefs: [{{name: gw-{number:02}}}]
  rules: [{{backendRefs: [{{name: web, port: 80}}]}}]
---
"
        )
    };
    let policy = "apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: retry}
spec:
  targetRef: {kind: Service, name: web}
  config: {retryOn: [5xx], numRetries: 1, backoffBaseInterval: 1}
";
    let text: String = (0..20).map(gateway).chain([policy.into()]).collect();
    let input = folder.path().join("in.yaml");
    std::fs::write(&input, format!("# args: --backend default/web:80=127.0.0.1:9000\n{text}")).unwrap();
    let round = block_on(walk(&input, &folder.path().join("out")).reconcile()).unwrap();
    let status = serde_json::to_value(&round.status).unwrap();
    let items = status["items"].as_array().unwrap();
    let policy = items.iter().find(|it| it["kind"] == "RetryPolicy").unwrap();
    let ancestors = policy["status"]["ancestors"].as_array().unwrap();
    let names: Vec<_> = ancestors.iter().map(|it| it["ancestorRef"]["name"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names[0], names[15]), (16, "gw-00", "gw-15"));
    let note = "the status of RetryPolicy default/retry holds 16 ancestors, the oldest Gateways first; 4 more are left out";
    assert!(status["warnings"].as_array().unwrap().iter().any(|it| it == note), "{status}");
}
