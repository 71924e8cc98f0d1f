//! What can be wrong with a bundle: each fault has a name, and is found at a place.

use std::fmt;

/// The name of a rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `manifests/` or `metadata/` is not there or empty.
    MissingFolder,
    /// `manifests/` has folders of its own.
    NestedFolder,
    /// A file is not one object with an apiVersion, a kind and a name.
    NotOneObject,
    /// There is no ClusterServiceVersion.
    NoServiceVersion,
    /// There is more than one ClusterServiceVersion.
    SeveralServiceVersions,
    /// An object of a kind that OLM does not install.
    ForbiddenKind,
    /// Two objects of one kind and name.
    DuplicateObject,
    /// Compressed, the manifests do not fit into the ConfigMap that OLM unpacks them into.
    TooLarge,
    /// An annotation of the bundle is not there.
    MissingAnnotation,
    /// An annotation of the bundle says what it cannot say.
    WrongAnnotation,
    /// A channel that is named against the convention, or a default that is none of the channels.
    BadChannel,
    /// The labels of the image do not repeat the annotations.
    ImageLabels,
    /// Something is required that OLM v1 does not resolve.
    Dependency,
    /// The name of the version is no name, or not that of its package and version.
    BadName,
    /// A version that is not semantic.
    BadVersion,
    /// `minKubeVersion` is not there or no version.
    BadMinKubeVersion,
    /// Other than exactly the install mode AllNamespaces.
    BadInstallModes,
    /// An annotation of the service version with a value that catalogs do not know.
    UnknownValue,
    /// What a catalog shows is not there.
    MissingField,
    /// Not one icon of a known media type.
    BadIcon,
    /// A maintainer, a provider or a link without a name, a mail address or a URL.
    BadContact,
    /// A kind is owned and its definition is not in the bundle.
    OwnedWithoutFile,
    /// A definition is in the bundle and not owned.
    FileWithoutOwner,
    /// An owned kind that is not described, with its fields and resources.
    Undescribed,
    /// The examples are not a list of objects.
    BadExamples,
    /// An example of a kind that is not owned.
    ForeignExample,
    /// An owned kind without an example.
    MissingExample,
    /// Not the strategy `deployment` with at least one deployment.
    NoDeployment,
    /// The name of a deployment is illegal or taken.
    BadDeploymentName,
    /// A container does not say what it needs.
    MissingRequests,
    /// A deployment runs as an account that gets no rights, or rights go to an account that nothing runs as.
    ServiceAccountMismatch,
    /// The ServiceAccount that OLM makes is shipped as an object too.
    ServiceAccountShipped,
    /// A right to define kinds, or a wildcard.
    ForbiddenPermission,
    /// An image that is used and not listed in `relatedImages`.
    ImageNotRelated,
    /// What should name an image does not.
    BadImage,
    /// A webhook of a deployment that the service version does not have.
    WebhookDeploymentMissing,
    /// The name of a webhook is not a DNS-1123 subdomain.
    BadWebhookName,
    /// Two webhooks of one type and name.
    DuplicateWebhook,
    /// A port that cannot be one.
    BadPort,
    /// A rule for the group `*`, for OLM's own groups or for webhook configurations.
    ForbiddenRule,
    /// The path of a webhook does not begin with `/`.
    BadWebhookPath,
    /// A field of a webhook that the API server would refuse, or that is not there.
    BadWebhook,
    /// A conversion webhook for a kind that is not owned.
    ForeignConversion,
}

/// A fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// The file, from the bundle's folder.
    pub file: String,
    /// The field; empty when it is about the whole file.
    pub path: String,
    /// The same in words.
    pub message: String,
}

impl Finding {
    pub(super) fn of_file(fault: Fault, file: &str, message: impl Into<String>) -> Self {
        Self { fault, file: file.to_owned(), path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, file, path, message } = self;
        match path.as_str() {
            "" => write!(f, "{file}: {fault:?}: {message}"),
            path => write!(f, "{file}: {path}: {fault:?}: {message}"),
        }
    }
}
