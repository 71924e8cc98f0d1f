//! The certificates of an environment: one authority, one server, one administrator, and the key that signs the tokens
//! of ServiceAccounts.
//!
//! Everything is made anew for each environment and thrown away with it. Elliptic keys throughout: made in no time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// What the server answers to: its address, and the names that a client inside a cluster would use.
const SERVER_NAMES: [&str; 6] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Where the files of an environment's certificates are.
#[derive(Debug, Clone)]
pub(super) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Makes everything in `folder`, which is created.
    pub(super) fn create(folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let pki = Self { folder };
        let authority = pki.authority()?;
        let mut server = CertificateParams::new(SERVER_NAMES.map(str::to_owned).to_vec())?;
        name(&mut server, "kube-apiserver", None);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        pki.leaf("server", &server, &authority)?;
        let mut admin = CertificateParams::default();
        name(&mut admin, "admin", Some("system:masters"));
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        pki.leaf("admin", &admin, &authority)?;
        let tokens = KeyPair::generate()?;
        pki.write("tokens.key", &tokens.serialize_pem())?;
        pki.write("tokens.pub", &tokens.public_key_pem())?;
        Ok(pki)
    }

    fn authority(&self) -> anyhow::Result<Issuer<'static, KeyPair>> {
        let mut params = CertificateParams::default();
        name(&mut params, "rebound test environment", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        self.write("ca.crt", &params.self_signed(&key)?.pem())?;
        Ok(Issuer::new(params, key))
    }

    fn leaf(
        &self,
        file: &str,
        params: &CertificateParams,
        authority: &Issuer<'_, KeyPair>,
    ) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        self.write(&format!("{file}.crt"), &params.signed_by(&key, authority)?.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        fs::write(self.path(name), text).with_context(|| format!("write {name}"))
    }

    /// Where one of the files is: `ca.crt`, `server.{crt,key}`, `admin.{crt,key}`, `tokens.{key,pub}`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn name(params: &mut CertificateParams, common: &str, organisation: Option<&str>) {
    params.distinguished_name.push(DnType::CommonName, common);
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
}

/// A kubeconfig that holds files by their absolute paths, so that it can be read from anywhere.
pub(super) fn kubeconfig(server: &str, authority: &Path, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: rebound\n\
         clusters:\n- name: rebound\n  cluster:\n    server: {server}\n    certificate-authority: {}\n\
         contexts:\n- name: rebound\n  context:\n    cluster: rebound\n    user: rebound\n\
         users:\n- name: rebound\n  user:\n{user}",
        authority.display(),
    )
}

impl Pki {
    /// The administrator's entry in a kubeconfig.
    pub(super) fn admin(&self) -> String {
        format!(
            "    client-certificate: {}\n    client-key: {}\n",
            self.path("admin.crt").display(),
            self.path("admin.key").display()
        )
    }
}
