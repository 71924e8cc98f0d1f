//! Wrong policies at a real API server: who refuses what, and that everybody refuses the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod policies;
mod webhook;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use futures::StreamExt as _;
use futures::stream;
use hack::apiserver::Cluster;
use hack::programs::{Programs, workspace};
use hack::rig::{SEED_POLICY, sample};
use hack::say;
use hack::tools::Program;
use kube::Client;
use serde_json::{Value, json};

use policies::policies;
use webhook::{Webhook, client, create, policy, review};

const COUNT: usize = 10_000;
const SEED: u64 = 4;
/// Requests at a time, each on a connection that is kept.
const PARALLEL: usize = 16;
/// Policies in one file of the command line's.
const IN_ONE_FILE: usize = 100;
/// Disagreements that a failure shows.
const SHOWN_MAX: usize = 20;

/// Who says yes to each policy.
fn by_the_command_line(all: &[Value]) -> Vec<bool> {
    let folder = tempfile::tempdir().unwrap();
    for (number, some) in all.chunks(IN_ONE_FILE).enumerate() {
        // A policy in a line, so that a finding's line tells whose it is.
        let lines: Vec<_> = some.iter().map(|policy| format!("--- {policy}\n")).collect();
        fs::write(folder.path().join(format!("{number:04}.yaml")), lines.concat()).unwrap();
    }
    let operator = Programs::for_tests().unwrap().operator;
    let ran = Command::new(operator).args(["validate", "-o", "json"]).arg(folder.path()).output().unwrap();
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap().iter();
    let errors = findings.filter(|finding| finding["severity"] != "warning");
    let wrong: BTreeSet<usize> = errors
        .map(|finding| {
            let name =
                finding["file"].as_str().unwrap().rsplit('/').next().unwrap().trim_end_matches(".yaml");
            let line = usize::try_from(finding["line"].as_u64().unwrap()).unwrap();
            name.parse::<usize>().unwrap() * IN_ONE_FILE + line - 1
        })
        .collect();
    (0..all.len()).map(|index| !wrong.contains(&index)).collect()
}

async fn by_the_api_server(client: &Client, namespace: &str, policy: &Value) -> Result<(), String> {
    match create(client, namespace, policy).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Err(status.message.clone()),
        Err(error) => panic!("no answer about {policy}: {error:?}"),
    }
}

async fn by_the_webhook(client: &Client, policy: &Value) -> Result<(), String> {
    let response = review(client, policy).await.unwrap();
    if response["allowed"] == true { Ok(()) } else { Err(response["status"]["message"].to_string()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s82_the_api_server_the_command_line_and_the_webhook_agree_about_10000_policies() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.namespace("parity").unwrap();
    let webhook = Webhook::start(&cluster, namespace.name()).await;
    let (server, direct) = (client(&cluster).await, webhook.client());
    let all = policies(SEED, COUNT);

    let started = Instant::now();
    let validated = by_the_command_line(&all);
    let command_line = started.elapsed();
    let (server, direct, name) = (&server, &direct, namespace.name());
    let answers = stream::iter(&all).map(|policy| async move {
        let (asked, reviewed) =
            tokio::join!(by_the_api_server(server, name, policy), by_the_webhook(direct, policy));
        (policy, asked, reviewed)
    });
    let answers: Vec<_> = answers.buffered(PARALLEL).collect().await;

    let disagree = answers
        .iter()
        .zip(&validated)
        .filter(|((_, asked, reviewed), valid)| asked.is_ok() != **valid || reviewed.is_ok() != **valid);
    let disagree: Vec<_> = disagree
        .map(|((policy, asked, reviewed), valid)| {
            format!(
                "{}\n  API server: {asked:?}\n  webhook: {reviewed:?}\n  command line: {valid}",
                policy["spec"]
            )
        })
        .collect();
    let shown = disagree.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(disagree.is_empty(), "{} of {COUNT} disagree:\n{shown}", disagree.len());

    let valid = validated.iter().filter(|valid| **valid).count();
    assert!(
        (COUNT / 2..COUNT * 3 / 4).contains(&valid),
        "{valid} of {COUNT} are valid: both kinds are tried"
    );
    say::step(&format!(
        "{COUNT} policies, {valid} of them valid: {:.1} s, {:.1} s of it the command line",
        started.elapsed().as_secs_f64(),
        command_line.as_secs_f64()
    ));
}

/// The page with the answers that users see.
const PAGE: &str = "docs/tasks/write-a-retry-policy.md";

/// What kubectl prints to both of its streams, in a folder that holds the page's manifests and the samples; without the
/// spaces that it leaves at the end of a line.
fn kubectl(cluster: &Cluster, namespace: &str, folder: &Path, command: &str) -> String {
    let arguments = command.strip_prefix("kubectl ").unwrap().split(' ');
    let ran = Command::new(Program::Kubectl.build().unwrap())
        .args(["-n", namespace])
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("KUBECACHEDIR", folder.join("cache"))
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8([ran.stderr, ran.stdout].concat()).unwrap();
    said.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s82_users_see_what_the_page_shows() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.namespace("page").unwrap();
    let _webhook = Webhook::start(&cluster, namespace.name()).await;
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("config/samples/seed");
    fs::create_dir_all(&seed).unwrap();
    fs::write(seed.join("retry_policy.yaml"), sample(SEED_POLICY).unwrap()).unwrap();
    let page = fs::read_to_string(workspace().join(PAGE)).unwrap();
    for manifest in blocks(&page, "yaml") {
        if let Some(name) = manifest.lines().next().unwrap().strip_prefix("# ") {
            fs::write(folder.path().join(name), manifest).unwrap();
        }
    }

    let shown = blocks(&page, "console").into_iter().filter_map(|block| block.strip_prefix("$ kubectl "));
    let mut printed = Vec::new();
    for block in shown {
        let (command, expected) = block.split_once('\n').unwrap();
        let said = kubectl(&cluster, namespace.name(), folder.path(), &format!("kubectl {command}"));
        assert_eq!(said, expected, "{command}");
        printed.push(said);
    }
    let [three, schema, warning] = printed.as_slice() else { panic!("three examples: {printed:?}") };
    let paths = ["spec.config.retryOn[0]: ", "spec.config.retryOn[2]: ", "spec.config.perTryTimeout: "];
    assert!(paths.iter().all(|path| three.contains(path)) && three.matches("spec.").count() == 3, "{three}");
    assert!(schema.contains("spec.config.numRetries") && !schema.contains("webhook"), "{schema}");
    assert!(warning.starts_with("Warning: ") && warning.contains("2+4+8+16+20 = 50 s"), "{warning}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_webhook_our_own_kinds_are_refused_and_no_others() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.namespace("webhook-down").unwrap();
    let webhook = Webhook::start(&cluster, namespace.name()).await;
    let server = client(&cluster).await;
    create(&server, namespace.name(), &policy("5xx")).await.unwrap();
    namespace.apply(&policy("5xx").to_string()).unwrap();

    webhook.stop().await;
    let refused = create(&server, namespace.name(), &policy("5xx")).await.unwrap_err();
    assert!(refused.to_string().contains("failed calling webhook"), "{refused}");
    namespace.kubectl(&["create", "configmap", "other"]).unwrap();
    namespace.kubectl(&["delete", "retrypolicy", "orders"]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_alone_refuses_a_base_interval_of_0() {
    let cluster = Cluster::shared().unwrap();
    let namespace = cluster.namespace("schema").unwrap();
    let server = client(&cluster).await;
    for (interval, message) in [
        (json!(0), "must be 0.001 to 60"),
        (json!(0.0), "must be 0.001 to 60"),
        (json!(0.0005), "greater than or equal to 0.001"),
        (json!(61), "less than or equal to 60"),
    ] {
        let mut policy = policy("5xx");
        policy["spec"]["config"]["backoffBaseInterval"] = interval;
        let refused = create(&server, namespace.name(), &policy).await.unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
    for interval in [json!(0.001), json!(1), json!(60.0)] {
        let mut policy = policy("5xx");
        policy["spec"]["config"]["backoffBaseInterval"] = interval;
        create(&server, namespace.name(), &policy).await.unwrap();
    }
}
