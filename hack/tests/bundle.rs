//! The bundle is what OLM takes, and a bundle that is broken on purpose is refused by the name of its fault.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hack::bundle::fault::Fault;
use hack::bundle::folder::Folder;
use hack::bundle::{check, findings};
use hack::programs::workspace;

const VERSION: &str = "manifests/rebound-operator.clusterserviceversion.yaml";
const DEFINITION: &str = "manifests/gateway.flomesh.io_retrypolicies.yaml";
const ANNOTATIONS: &str = "metadata/annotations.yaml";

/// The bundle as it is, to be broken.
struct Broken(Folder);

impl Broken {
    fn bundle() -> Self {
        Self(Folder::read(&workspace().join("bundle")).unwrap())
    }

    /// Replaces the first place of a text that must be there.
    #[track_caller]
    fn replace(mut self, file: &str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.0.files[file].clone()).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.0.files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
        self
    }

    fn add(mut self, file: &str, text: &str) -> Self {
        self.0.files.insert(file.to_owned(), text.as_bytes().to_vec());
        self
    }

    fn copy(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.0.files[from].clone()).unwrap();
        self.add(to, &text)
    }

    fn remove(mut self, file: &str) -> Self {
        assert!(self.0.files.remove(file).is_some(), "{file}");
        self
    }

    /// Exactly these faults are found, each told with its file.
    #[track_caller]
    fn refused_for(self, expected: &[Fault]) {
        let findings = findings(&self.0);
        let mut faults: Vec<_> = findings.iter().map(|finding| finding.fault).collect();
        faults.sort_unstable();
        faults.dedup();
        assert_eq!(faults, expected, "{findings:#?}");
        for finding in &findings {
            assert!(!finding.file.is_empty(), "{finding}");
            assert!(finding.to_string().contains(&format!("{:?}", finding.fault)), "{finding}");
        }
    }
}

#[track_caller]
fn edited(from: &str, to: &str, expected: Fault) {
    Broken::bundle().replace(VERSION, from, to).refused_for(&[expected]);
}

#[test]
fn the_bundle_of_this_project_has_no_fault() {
    let findings = check(&workspace().join("bundle")).unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn a_webhook_without_its_deployment_is_refused() {
    edited("deploymentName: rebound-operator", "deploymentName: rebound", Fault::WebhookDeploymentMissing);
}

#[test]
fn an_illegal_webhook_name_is_refused() {
    for name in ["Validate.Gateway", "validate_gateway", "\"\""] {
        let line = format!("generateName: {name}");
        edited("generateName: validate.gateway.flomesh.io", &line, Fault::BadWebhookName);
    }
}

#[test]
fn a_definition_that_is_not_owned_is_refused() {
    let other = DEFINITION.replace("retrypolicies", "others");
    Broken::bundle()
        .copy(DEFINITION, &other)
        .replace(&other, "name: retrypolicies.gateway.flomesh.io", "name: others.gateway.flomesh.io")
        .refused_for(&[Fault::FileWithoutOwner]);
}

#[test]
fn an_owned_kind_without_its_definition_is_refused() {
    Broken::bundle().remove(DEFINITION).refused_for(&[Fault::OwnedWithoutFile]);
    Broken::bundle()
        .replace(VERSION, "      version: v1alpha1\n  description", "      version: v1\n  description")
        .refused_for(&[
            Fault::OwnedWithoutFile,
            Fault::FileWithoutOwner,
            Fault::ForeignExample,
            Fault::MissingExample,
        ]);
}

#[test]
fn a_kind_that_olm_does_not_install_is_refused() {
    for (group, kind) in [
        ("gateway.networking.k8s.io/v1", "GatewayClass"),
        ("v1", "Namespace"),
        ("apps/v1", "Deployment"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ] {
        let object = format!("apiVersion: {group}\nkind: {kind}\nmetadata:\n  name: x\n");
        Broken::bundle().add("manifests/x.yaml", &object).refused_for(&[Fault::ForbiddenKind]);
    }
}

#[test]
fn a_webhook_for_everything_for_olm_or_for_webhooks_is_refused() {
    let from = "rules:\n    - apiGroups:\n      - gateway.flomesh.io";
    for group in ["'*'", "operators.coreos.com", "olm.operatorframework.io"] {
        let to = from.replace("gateway.flomesh.io", group);
        edited(from, &to, Fault::ForbiddenRule);
    }
    Broken::bundle()
        .replace(VERSION, from, &from.replace("gateway.flomesh.io", "admissionregistration.k8s.io"))
        .replace(
            VERSION,
            "      - retrypolicies\n      - gatewayconfigs\n      scope",
            "      - ValidatingWebhookConfigurations\n      scope",
        )
        .refused_for(&[Fault::ForbiddenRule]);
}

#[test]
fn two_service_versions_or_none_are_refused() {
    Broken::bundle()
        .copy(VERSION, "manifests/other.yaml")
        .replace("manifests/other.yaml", "name: rebound-operator.v0.1.0", "name: rebound-operator.v0.2.0")
        .replace("manifests/other.yaml", "\n  version: \"0.1.0\"", "\n  version: 0.2.0")
        .refused_for(&[Fault::SeveralServiceVersions]);
    Broken::bundle().remove(VERSION).refused_for(&[Fault::NoServiceVersion, Fault::FileWithoutOwner]);
}

#[test]
fn an_annotation_that_is_missing_or_wrong_is_refused() {
    let package = "  operators.operatorframework.io.bundle.package.v1: rebound-operator\n";
    // Without the package there is no saying what the version must be called.
    Broken::bundle()
        .replace(ANNOTATIONS, package, "")
        .refused_for(&[Fault::MissingAnnotation, Fault::BadName]);
    Broken::bundle()
        .replace(ANNOTATIONS, "registry+v1", "helm")
        .refused_for(&[Fault::WrongAnnotation, Fault::ImageLabels]);
    Broken::bundle()
        .replace(ANNOTATIONS, "default.v1: candidate", "default.v1: stable")
        .refused_for(&[Fault::BadChannel, Fault::ImageLabels]);
    Broken::bundle()
        .replace(ANNOTATIONS, "channels.v1: candidate", "channels.v1: candidate,preview")
        .refused_for(&[Fault::BadChannel, Fault::ImageLabels]);
}

#[test]
fn an_image_that_is_not_listed_is_refused_wherever_it_is_used() {
    edited("image: rebound/operator:0.1.0\n", "image: rebound/operator:0.2.0\n", Fault::ImageNotRelated);
    edited("value: rebound/dataplane:0.1.0", "value: rebound/dataplane:0.2.0", Fault::ImageNotRelated);
    let untagged = "image: rebound/dataplane\n";
    Broken::bundle()
        .replace(VERSION, "image: rebound/dataplane:0.1.0\n", untagged)
        .refused_for(&[Fault::ImageNotRelated, Fault::BadImage]);
}

#[test]
fn any_install_mode_but_all_namespaces_is_refused() {
    let from = "- supported: true\n    type: AllNamespaces";
    edited(from, "- supported: false\n    type: AllNamespaces", Fault::BadInstallModes);
    edited(from, "- supported: true\n    type: OwnNamespace", Fault::BadInstallModes);
    let two = format!("{from}\n  - supported: false\n    type: OwnNamespace");
    edited(from, &two, Fault::BadInstallModes);
}

#[test]
fn examples_are_of_owned_kinds_and_each_has_one() {
    Broken::bundle()
        .replace(VERSION, "\"kind\": \"RetryPolicy\"", "\"kind\": \"Gateway\"")
        .refused_for(&[Fault::ForeignExample, Fault::MissingExample]);
    edited("alm-examples: |-\n      [", "alm-examples: |-\n      {", Fault::BadExamples);
}

#[test]
fn the_account_that_olm_makes_is_not_shipped_and_is_the_one_that_runs() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: rebound-operator\n";
    Broken::bundle().add("manifests/account.yaml", account).refused_for(&[Fault::ServiceAccountShipped]);
    edited(
        "        serviceAccountName: rebound-operator\n      deployments",
        "        serviceAccountName: other\n      deployments",
        Fault::ServiceAccountMismatch,
    );
}

#[test]
fn rights_to_define_kinds_and_wildcards_are_refused() {
    let from = "apiGroups:\n          - gateway.networking.k8s.io\n          resources:\n          - gatewayclasses\n          verbs:\n          - create";
    edited(
        from,
        &from.replace("- gatewayclasses", "- customresourcedefinitions"),
        Fault::ForbiddenPermission,
    );
    edited(from, &from.replace("- create", "- '*'"), Fault::ForbiddenPermission);
}

#[test]
fn names_and_versions_are_of_one_piece() {
    edited("name: rebound-operator.v0.1.0", "name: rebound-operator-0.1.0", Fault::BadName);
    edited("minKubeVersion: \"1.33.0\"", "minKubeVersion: \"1.33\"", Fault::BadMinKubeVersion);
    Broken::bundle()
        .replace(VERSION, "\n  version: \"0.1.0\"", "\n  version: v0.1")
        .refused_for(&[Fault::BadName, Fault::BadVersion]);
    edited("\n  version: \"0.1.0\"", "\n  replaces: Rebound\n  version: \"0.1.0\"", Fault::BadName);
}

#[test]
fn what_a_catalog_shows_is_there_and_known() {
    edited("mediatype: image/svg+xml", "mediatype: image/webp", Fault::BadIcon);
    edited("capabilities: Basic Install", "capabilities: Everything", Fault::UnknownValue);
    edited("categories: Networking", "categories: Gateways", Fault::UnknownValue);
    edited("displayName: Rebound", "displayName: \"\"", Fault::MissingField);
    edited("email: maintainers@rebound.example", "email: nobody", Fault::BadContact);
    edited("displayName: Retry Policy\n", "displayName: \"\"\n", Fault::Undescribed);
    edited("statusDescriptors:", "descriptorsOfTheStatus:", Fault::Undescribed);
}

#[test]
fn webhooks_are_what_the_api_server_takes() {
    edited("containerPort: 443", "containerPort: 0", Fault::BadPort);
    edited("targetPort: 9443", "targetPort: 70000", Fault::BadPort);
    edited("webhookPath: /validate", "webhookPath: validate", Fault::BadWebhookPath);
    edited("sideEffects: None", "sideEffects: Some", Fault::BadWebhook);
    edited("timeoutSeconds: 5", "timeoutSeconds: 31", Fault::BadWebhook);
    edited("failurePolicy: Fail", "failurePolicy: Panic", Fault::BadWebhook);
    edited(
        "webhookPath: /validate",
        "webhookPath: /validate\n    conversionCRDs: [x.y.z]",
        Fault::ForeignConversion,
    );
    let version = String::from_utf8(Broken::bundle().0.files[VERSION].clone()).unwrap();
    let (_, webhooks) = version.split_once("  webhookdefinitions:\n").unwrap();
    Broken::bundle().add(VERSION, &format!("{version}{webhooks}")).refused_for(&[Fault::DuplicateWebhook]);
}

#[test]
fn deployments_say_what_they_need_and_have_names_of_their_own() {
    edited("cpu: 50m", "cpu: \"\"", Fault::MissingRequests);
    edited("strategy: deployment", "strategy: helm", Fault::NoDeployment);
    Broken::bundle()
        .replace(
            VERSION,
            "        name: rebound-operator\n        spec:\n",
            "        name: Rebound\n        spec:\n",
        )
        .refused_for(&[Fault::BadDeploymentName, Fault::WebhookDeploymentMissing]);
}

#[test]
fn the_layout_is_flat_and_each_file_is_one_object() {
    Broken::bundle().copy(DEFINITION, "manifests/deep/x.yaml").refused_for(&[Fault::NestedFolder]);
    Broken::bundle().copy(DEFINITION, "manifests/again.yaml").refused_for(&[Fault::DuplicateObject]);
    for text in ["a: b\n", ": {", "", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n---\nkind: b\n"] {
        Broken::bundle().add("manifests/x.yaml", text).refused_for(&[Fault::NotOneObject]);
    }
    let mut empty = Broken(Folder::default());
    empty.0.dockerfile = Some(String::new());
    let findings = findings(&empty.0);
    assert_eq!(findings.iter().filter(|finding| finding.fault == Fault::MissingFolder).count(), 2);
}

#[test]
fn what_olm_v1_does_not_resolve_is_refused() {
    let dependencies = "dependencies:\n- type: olm.package\n";
    Broken::bundle().add("metadata/dependencies.yaml", dependencies).refused_for(&[Fault::Dependency]);
    let required = "  customresourcedefinitions:\n    required:\n    - name: x.y\n    owned:";
    edited("  customresourcedefinitions:\n    owned:", required, Fault::Dependency);
}

#[test]
fn a_bundle_that_olm_cannot_unpack_is_too_large() {
    let dice: Vec<u64> = (0..150_000)
        .scan(1_u64, |state, _| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Some(*state)
        })
        .collect();
    let data: String = dice.iter().map(|number| format!("{number:016x}")).collect();
    let secret = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: large\ndata:\n  x: {data}\n");
    Broken::bundle().add("manifests/large.yaml", &secret).refused_for(&[Fault::TooLarge]);
}

#[test]
fn the_image_repeats_the_annotations() {
    let mut bundle = Broken::bundle();
    bundle.0.dockerfile =
        bundle.0.dockerfile.map(|text| text.replace("channels.v1=candidate", "channels.v1=fast"));
    bundle.refused_for(&[Fault::ImageLabels]);
    let mut bundle = Broken::bundle();
    bundle.0.dockerfile = None;
    bundle.refused_for(&[Fault::ImageLabels]);
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place() {
    let broken = Broken::bundle()
        .replace(VERSION, "deploymentName: rebound-operator", "deploymentName: rebound")
        .replace(VERSION, "generateName: validate.gateway.flomesh.io", "generateName: Validate");
    let told: Vec<_> = findings(&broken.0).iter().map(ToString::to_string).collect();
    let place = format!("{VERSION}: spec.webhookdefinitions[0]");
    assert_eq!(
        told,
        [
            format!(
                "{place}.deploymentName: WebhookDeploymentMissing: `rebound` is none of the deployments [\"rebound-operator\"]"
            ),
            format!(
                "{place}.generateName: BadWebhookName: must be a DNS-1123 subdomain: it becomes the webhook's name"
            ),
        ]
    );
}
