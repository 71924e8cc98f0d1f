//! What installs the operator says what its command line takes, and the program serves where they look for it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use clap::{CommandFactory as _, Parser as _};
use rebound_operator::cli::{Certificates, Cli, Command, Controller};
use serde_json::Value;

fn read(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The only container of a Deployment's specification.
fn container(deployment: &Value) -> &Value {
    &deployment["template"]["spec"]["containers"][0]
}

fn installed() -> Value {
    container(&read("../config/manager/deployment.yaml")["spec"]).clone()
}

fn from_bundle() -> Value {
    let version = read("../bundle/manifests/rebound-operator.clusterserviceversion.yaml");
    container(&version["spec"]["install"]["spec"]["deployments"][0]["spec"]).clone()
}

/// The arguments as the program understands them.
fn started(container: &Value) -> Controller {
    let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    match Cli::try_parse_from(["rebound-operator"].into_iter().chain(arguments)).unwrap().command {
        Command::Controller(controller) => controller,
        other => panic!("{other:?}"),
    }
}

fn port(container: &Value, name: &str) -> u64 {
    let ports = container["ports"].as_array().unwrap();
    ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].as_u64().unwrap()
}

#[test]
fn it_listens_where_the_manifests_look_for_it() {
    for container in [installed(), from_bundle()] {
        let controller = started(&container);
        assert_eq!(u64::from(controller.admin.port()), port(&container, "admin"));
        assert_eq!(u64::from(controller.webhook.port()), port(&container, "webhook"));
    }
}

#[test]
fn certificates_are_its_own_when_it_is_applied_and_olms_in_the_bundle() {
    assert_eq!(started(&installed()).webhook_certs, Certificates::SelfManaged);
    let controller = started(&from_bundle());
    assert_eq!(controller.webhook_certs, Certificates::Directory);
    // OLM and the overlay for cert-manager mount the certificate here.
    assert_eq!(controller.webhook_cert_dir.to_str(), Some("/tmp/k8s-webhook-server/serving-certs"));
    let patch = read("../config/certmanager/deployment_patch.yaml");
    let mount = &container(&patch["spec"])["volumeMounts"][0]["mountPath"];
    assert_eq!(mount.as_str(), controller.webhook_cert_dir.to_str());
}

#[test]
fn it_runs_the_images_that_it_was_installed_with() {
    for container in [installed(), from_bundle()] {
        let controller = started(&container);
        let variables = container["env"].as_array().unwrap();
        let value =
            |name: &str| variables.iter().find(|variable| variable["name"] == name).unwrap()["value"].clone();
        assert_eq!(value("REBOUND_OPERATOR_IMAGE"), container["image"]);
        assert_eq!(
            value("REBOUND_OPERATOR_IMAGE"),
            controller.operator_image.as_str(),
            "the default is the same"
        );
        assert_eq!(value("REBOUND_DATAPLANE_IMAGE"), controller.dataplane_image.as_str());
    }
}

#[test]
fn every_variable_that_the_program_reads_of_its_pod_is_given() {
    let command = Cli::command();
    let arguments = command.find_subcommand("controller").unwrap().get_arguments();
    let read: Vec<_> = arguments.filter_map(|argument| argument.get_env()?.to_str()).collect();
    assert!(read.contains(&"POD_NAMESPACE"), "{read:?}");
    for container in [installed(), from_bundle()] {
        let given: Vec<_> =
            container["env"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        for variable in &read {
            assert!(given.contains(variable) || *variable == "RUST_LOG", "{variable} is not in {given:?}");
        }
    }
}
