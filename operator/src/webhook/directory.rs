//! Certificates that somebody else writes: cert-manager, OLM, the user. Read, never written.
//!
//! By content and not by file events: the kubelet changes a mounted Secret by swapping a link above the files.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::certificates::Certificates;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The largest certificate or key that is read, in bytes: a Secret is not larger.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Shows what `tls.crt` and `tls.key` of `directory` hold, from when they are there; looks `every` so often, until it
/// is dropped. Files that are broken, or of which only one has been replaced, change nothing.
pub async fn follow(directory: PathBuf, certificates: Certificates, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut follower = Follower { directory, certificates, seen: None };
    loop {
        ticks.tick().await;
        follower.look();
    }
}

struct Follower {
    directory: PathBuf,
    certificates: Certificates,
    /// What was found the last time: each change is told once.
    seen: Option<Seen>,
}

/// What a look at the files finds.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Missing,
    Pair { certificate: Vec<u8>, key: Vec<u8> },
    Unreadable(String),
}

impl Follower {
    /// The files are small, and in memory as every mounted Secret is: they are read where they are needed.
    fn look(&mut self) {
        let seen = find(&self.directory);
        if self.seen.as_ref() != Some(&seen) {
            self.tell(&seen);
            self.seen = Some(seen);
        }
    }

    fn tell(&self, seen: &Seen) {
        let directory = self.directory.display();
        match seen {
            Seen::Missing => info!(%directory, "the webhook waits for tls.crt and tls.key"),
            Seen::Unreadable(error) => {
                warn!(%directory, error, "the webhook keeps the certificate that it has");
            }
            Seen::Pair { certificate, key } => match self.certificates.replace(certificate, key) {
                Ok(()) => info!(%directory, "the webhook has a new certificate"),
                Err(error) => {
                    let error = &error as &dyn Error;
                    warn!(%directory, error, "the webhook keeps the certificate that it has");
                }
            },
        }
    }
}

fn find(directory: &Path) -> Seen {
    let read =
        |name| read(&directory.join(name)).map_err(|error| Seen::Unreadable(format!("{name}: {error}")));
    match (read("tls.crt"), read("tls.key")) {
        (Ok(Some(certificate)), Ok(Some(key))) => Seen::Pair { certificate, key },
        (Ok(_), Ok(_)) => Seen::Missing,
        (Err(unreadable), _) | (_, Err(unreadable)) => unreadable,
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match bounded(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if size > FILE_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes are too many")));
    }
    fs::read(path)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

    use super::*;

    fn pair() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["webhook.test".to_owned()]).unwrap()
    }

    struct Mount {
        folder: tempfile::TempDir,
        follower: Follower,
    }

    impl Mount {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (directory, certificates) = (folder.path().to_owned(), Certificates::default());
            Self { folder, follower: Follower { directory, certificates, seen: None } }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }

        /// The certificate that is shown after a look.
        fn shown(&mut self) -> Option<Vec<u8>> {
            self.follower.look();
            self.follower.certificates.shown()
        }
    }

    #[test]
    fn half_of_a_new_pair_leaves_the_last_good_one() {
        let (first, second) = (pair(), pair());
        let mut mount = Mount::new();
        assert_eq!(mount.shown(), None);
        mount.write("tls.crt", &first.cert.pem());
        assert_eq!(mount.shown(), None);
        mount.write("tls.key", &first.signing_key.serialize_pem());
        assert_eq!(mount.shown().unwrap(), first.cert.der().as_ref());

        mount.write("tls.crt", &second.cert.pem());
        assert_eq!(mount.shown().unwrap(), first.cert.der().as_ref());
        mount.write("tls.key", &second.signing_key.serialize_pem());
        assert_eq!(mount.shown().unwrap(), second.cert.der().as_ref());
    }

    #[test]
    fn files_that_go_away_or_are_no_certificates_leave_the_last_good_one() {
        let pair = pair();
        let mut mount = Mount::new();
        mount.write("tls.crt", &pair.cert.pem());
        mount.write("tls.key", &pair.signing_key.serialize_pem());
        assert!(mount.shown().is_some());

        mount.write("tls.crt", "no certificate");
        assert!(mount.shown().is_some());
        mount.write("tls.crt", &"x".repeat(1024 * 1024 + 1));
        assert!(mount.shown().is_some());
        fs::remove_file(mount.folder.path().join("tls.crt")).unwrap();
        assert!(mount.shown().is_some());
        fs::create_dir(mount.folder.path().join("tls.crt")).unwrap();
        assert_eq!(mount.shown().unwrap(), pair.cert.der().as_ref());
    }
}
