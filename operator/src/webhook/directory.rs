//! Certificates that somebody else writes: cert-manager, OLM, the user. Read, never written.
//!
//! By content and not by file events: the kubelet changes a mounted Secret by swapping a link above the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::WebhookError;
use super::certificates::Certificates;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The largest certificate or key that is read, in bytes: a Secret is not larger.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Shows what `tls.crt` and `tls.key` of `directory` hold, from when they are there; looks `every` so often, until it
/// is dropped. Files that are broken, or of which only one has been replaced, change nothing.
pub async fn follow(directory: PathBuf, certificates: Certificates, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        ticks.tick().await;
        seen = match look(&directory) {
            Ok(found) if found == seen => seen,
            Ok(found) => {
                show(&directory, found.as_ref(), &certificates);
                found
            }
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "the webhook keeps the certificate that it has");
                seen
            }
        };
    }
}

fn show(directory: &Path, pair: Option<&Pair>, certificates: &Certificates) {
    let directory = directory.display();
    let Some(Pair { certificate, key }) = pair else {
        return info!(%directory, "there is no certificate for the webhook; waiting for tls.crt and tls.key");
    };
    match certificates.replace(certificate, key) {
        Ok(()) => info!(%directory, "the webhook has a new certificate"),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            warn!(%directory, error, "the webhook keeps the certificate that it has");
        }
    }
}

/// Both files; none while one of them is missing. Small and in memory as they are, they are read where they are needed.
fn look(directory: &Path) -> Result<Option<Pair>, WebhookError> {
    let certificate = read(directory.join("tls.crt"))?;
    let key = read(directory.join("tls.key"))?;
    Ok(certificate.zip(key).map(|(certificate, key)| Pair { certificate, key }))
}

fn read(path: PathBuf) -> Result<Option<Vec<u8>>, WebhookError> {
    match bounded(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(WebhookError::Read { path, source }),
    }
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if size > FILE_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes are too many")));
    }
    fs::read(path)
}
