//! Certificates that the operator makes itself. The leader writes them into a Secret and tells the API servers whom to
//! trust; every replica shows what the Secret holds.
//!
//! Read by name, every few seconds: the operator may not watch Secrets. Every write names the version that it is made
//! from, so of two that believe to lead only one succeeds, and the other looks again.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::pending;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::WebhookError;
use super::certificates::Certificates;
use super::configuration::{self, Place};
use super::keyring::Keyring;
use super::rotation::{self, Turn};
use crate::rbac;

pub use super::keyring::LIFETIME;
pub use super::rotation::{RENEW_BEFORE, SETTLE};

/// The Secret, in the operator's own namespace.
pub const SECRET: &str = rbac::CERTIFICATES;
/// Its one key.
pub const SECRET_KEY: &str = "keyring.json";
/// How often the Secret is read, and the configuration compared.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long one look may take, with everything that it writes.
pub const ROUND_MAX: Duration = Duration::from_secs(30);

/// What a replica has to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator's own namespace.
    pub namespace: String,
    /// Where API servers find the webhook.
    pub place: Place,
    /// How often to look: [`LOOK_EVERY`].
    pub every: Duration,
}

/// Keeps `certificates` showing what the replicas share, and all that is shared in order while this one leads; until it
/// is dropped. `clock` is the wall clock: a certificate ends by it, whatever a suspended machine has slept.
pub async fn run(
    client: Client,
    settings: Settings,
    certificates: Certificates,
    mut leader: watch::Receiver<bool>,
    clock: impl Fn() -> SystemTime,
) {
    let every = settings.every;
    let mut replica = Replica::new(client, settings, certificates);
    loop {
        let leads = *leader.borrow_and_update();
        let round = timeout(ROUND_MAX, replica.round(leads, clock())).await;
        match round.unwrap_or(Err(WebhookError::Late)) {
            Ok(()) => {}
            Err(error) if is_lost_race(&error) => debug!("another replica was faster; looking again"),
            Err(error) => {
                warn!(error = &error as &dyn Error, "the webhook keeps the certificate that it has");
            }
        }
        let _ = timeout(every, changed(&mut leader)).await;
    }
}

struct Replica {
    secrets: Api<Secret>,
    configurations: Api<ValidatingWebhookConfiguration>,
    roles: Api<ClusterRole>,
    place: Place,
    names: Vec<String>,
    certificates: Certificates,
    /// The certificate that is shown.
    shown: Option<String>,
}

impl Replica {
    fn new(client: Client, settings: Settings, certificates: Certificates) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &settings.namespace),
            configurations: Api::all(client.clone()),
            roles: Api::all(client),
            names: vec![settings.place.host().to_owned()],
            place: settings.place,
            certificates,
            shown: None,
        }
    }

    /// Looks once, puts in order what is not, if this replica leads, and shows what there is.
    async fn round(&mut self, leads: bool, now: SystemTime) -> Result<(), WebhookError> {
        let secret = self.secrets.get_opt(SECRET).await.map_err(api("read the certificates"))?;
        let keyring = secret.as_ref().and_then(keyring);
        let keyring = if leads { Some(self.lead(secret, keyring, now).await?) } else { keyring };
        keyring.map_or(Ok(()), |keyring| self.show(&keyring))
    }

    /// Whom to trust is told before what they vouch for is shown.
    async fn lead(
        &self,
        secret: Option<Secret>,
        keyring: Option<Keyring>,
        now: SystemTime,
    ) -> Result<Keyring, WebhookError> {
        let found =
            self.configurations.get_opt(configuration::NAME).await.map_err(api("read the configuration"))?;
        let owner = self.owner().await?;
        let trusted = configuration::trusted(found.as_ref());
        let keyring = match rotation::turn(keyring, &self.names, &trusted, now)? {
            Turn::Stays(keyring) => keyring,
            Turn::Changes(keyring) => {
                self.write(secret, &keyring, owner.clone()).await?;
                keyring
            }
        };
        self.configure(found, &keyring, owner).await?;
        Ok(keyring)
    }

    async fn write(
        &self,
        found: Option<Secret>,
        keyring: &Keyring,
        owner: Option<OwnerReference>,
    ) -> Result<(), WebhookError> {
        let data = [(SECRET_KEY.to_owned(), ByteString(keyring.to_bytes()?))].into();
        let written = match found {
            None => self.secrets.create(&PostParams::default(), &secret(data, owner)).await,
            Some(found) => {
                let metadata = json!({ "resourceVersion": found.metadata.resource_version });
                let patch = Patch::Merge(json!({ "metadata": metadata, "data": data }));
                self.secrets.patch(SECRET, &PatchParams::default(), &patch).await
            }
        };
        written.map_err(api("write the certificates"))?;
        info!(secret = SECRET, next = keyring.next.is_some(), "the webhook's certificates have changed");
        Ok(())
    }

    async fn configure(
        &self,
        found: Option<ValidatingWebhookConfiguration>,
        keyring: &Keyring,
        owner: Option<OwnerReference>,
    ) -> Result<(), WebhookError> {
        let desired = configuration::desired(&self.place, &keyring.authorities(), owner);
        let Some(found) = found else {
            let created = self.configurations.create(&PostParams::default(), &desired).await;
            return created.map(drop).map_err(api("create the configuration"));
        };
        let Some(patch) = configuration::repair(&found, &desired) else { return Ok(()) };
        let params = PatchParams::default();
        let patched = self.configurations.patch(configuration::NAME, &params, &Patch::Merge(patch)).await;
        patched.map(drop).map_err(api("repair the configuration"))
    }

    /// The ClusterRole that the operator was installed with: what is made for the whole cluster goes with it.
    async fn owner(&self) -> Result<Option<OwnerReference>, WebhookError> {
        let role = self.roles.get_opt(rbac::NAME).await.map_err(api("read the operator's ClusterRole"))?;
        Ok(role.and_then(|role| role.owner_ref(&())))
    }

    fn show(&mut self, keyring: &Keyring) -> Result<(), WebhookError> {
        let certificate = &keyring.serving.certificate;
        if self.shown.as_ref() != Some(certificate) {
            keyring.serving.show(&self.certificates)?;
            self.shown = Some(certificate.clone());
            info!("the webhook has a new certificate");
        }
        Ok(())
    }
}

fn secret(data: BTreeMap<String, ByteString>, owner: Option<OwnerReference>) -> Secret {
    let metadata = ObjectMeta {
        name: Some(SECRET.into()),
        labels: Some(configuration::labels()),
        owner_references: owner.map(|owner| vec![owner]),
        ..Default::default()
    };
    Secret { metadata, data: Some(data), ..Default::default() }
}

/// What the Secret holds; none, if it is of no use.
fn keyring(secret: &Secret) -> Option<Keyring> {
    let bytes = secret.data.as_ref()?.get(SECRET_KEY)?;
    let complain =
        |error: &WebhookError| warn!(error = error as &dyn Error, "the certificates are of no use");
    Keyring::read(&bytes.0).inspect_err(complain).ok()
}

fn api(action: &'static str) -> impl FnOnce(kube::Error) -> WebhookError {
    move |source| WebhookError::Api { action, source: Box::new(source) }
}

/// Somebody else has written since it was read.
fn is_lost_race(error: &WebhookError) -> bool {
    matches!(error, WebhookError::Api { source, .. } if matches!(&**source, kube::Error::Api(status) if status.code == 409))
}

/// Ends when somebody says who leads; never, once nobody can.
async fn changed(leader: &mut watch::Receiver<bool>) {
    if leader.changed().await.is_err() {
        pending::<()>().await;
    }
}
