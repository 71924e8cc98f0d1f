//! Every way in which a snapshot file comes, changes and goes.

use std::fs;
use std::sync::mpsc::{Receiver, channel};

use rebound_api::config::codec::encode;
use rebound_api::name::Generation;
use tempfile::TempDir;

use super::*;

/// Much less than [`POLL_MAX`]: what is told by then was told by an event.
const SOON: Duration = Duration::from_secs(3);

type Report = Result<u64, String>;

struct Watched {
    directory: TempDir,
    reports: Receiver<Report>,
}

fn snapshot(generation: u64) -> Vec<u8> {
    let gateway = "ns/gateway".parse().unwrap();
    let (listeners, routes, clusters) = (vec![], vec![], vec![]);
    encode(&Snapshot { generation: Generation(generation), gateway, listeners, routes, clusters }).unwrap()
}

impl Watched {
    /// Watches `path` below a fresh directory, after `prepare` has been there.
    fn start(path: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let (sender, reports) = channel();
        let path = directory.path().join(path);
        std::thread::spawn(move || {
            let report = |loaded: Result<Snapshot, LoadError>| {
                let complaint = |error| match error {
                    LoadError::Read { source, .. } => source.to_string(),
                    LoadError::Decode { source, .. } => source.to_string(),
                };
                let report = loaded.map(|snapshot| snapshot.generation.0).map_err(complaint);
                sender.send(report).is_ok()
            };
            watch(&path, report).unwrap();
        });
        Self { directory, reports }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("next"), bytes).unwrap();
        fs::rename(self.path("next"), self.path(name)).unwrap();
    }

    #[track_caller]
    fn tells(&self, generation: u64) {
        assert_eq!(self.reports.recv_timeout(SOON).unwrap(), Ok(generation));
    }

    #[track_caller]
    fn complains(&self, about: &str) {
        let complaint = self.reports.recv_timeout(SOON).unwrap().unwrap_err();
        assert!(complaint.contains(about), "{complaint}");
    }
}

#[test]
fn a_file_that_is_there_is_read_at_once_and_again_when_it_is_replaced() {
    let watched =
        Watched::start("snapshot", |directory| fs::write(directory.join("snapshot"), snapshot(1)).unwrap());
    watched.tells(1);
    for generation in 2..20 {
        watched.replace("snapshot", &snapshot(generation));
        watched.tells(generation);
    }
}

#[test]
fn a_file_that_appears_late_is_read() {
    let watched = Watched::start("snapshot", |_| {});
    watched.replace("snapshot", &snapshot(1));
    watched.tells(1);
}

#[test]
fn a_file_that_is_written_in_place_is_read_when_it_is_whole() {
    let watched =
        Watched::start("snapshot", |directory| fs::write(directory.join("snapshot"), snapshot(1)).unwrap());
    watched.tells(1);
    let bytes = snapshot(2);
    fs::write(watched.path("snapshot"), &bytes).unwrap();
    // Half of it may be seen on the way.
    let last = std::iter::from_fn(|| watched.reports.recv_timeout(SOON).ok()).find(|report| *report == Ok(2));
    assert_eq!(last, Some(Ok(2)));
}

#[test]
fn the_same_content_is_told_once() {
    let watched =
        Watched::start("snapshot", |directory| fs::write(directory.join("snapshot"), snapshot(1)).unwrap());
    watched.tells(1);
    watched.replace("snapshot", &snapshot(1));
    watched.replace("snapshot", &snapshot(2));
    watched.tells(2);
}

#[test]
fn a_mounted_config_map_is_followed_through_its_links() {
    use std::os::unix::fs::symlink;
    let watched = Watched::start("snapshot", |directory| {
        fs::create_dir(directory.join("v1")).unwrap();
        fs::write(directory.join("v1/snapshot"), snapshot(1)).unwrap();
        symlink("v1", directory.join("..data")).unwrap();
        symlink("..data/snapshot", directory.join("snapshot")).unwrap();
    });
    watched.tells(1);
    fs::create_dir(watched.path("v2")).unwrap();
    fs::write(watched.path("v2/snapshot"), snapshot(2)).unwrap();
    symlink("v2", watched.path("..data_tmp")).unwrap();
    fs::rename(watched.path("..data_tmp"), watched.path("..data")).unwrap();
    watched.tells(2);
}

#[test]
fn s89_what_is_no_snapshot_is_told_and_the_next_good_one_is_read() {
    let watched =
        Watched::start("snapshot", |directory| fs::write(directory.join("snapshot"), snapshot(1)).unwrap());
    watched.tells(1);
    let good = snapshot(2);
    watched.replace("snapshot", &good[..good.len() - 1]);
    watched.complains("where its header says");
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    watched.replace("snapshot", &flipped);
    watched.complains("checksum");
    watched.replace("snapshot", b"");
    watched.complains("not a snapshot");
    watched.replace("snapshot", &good);
    watched.tells(2);
}

#[test]
fn s89_a_file_that_goes_away_changes_nothing() {
    let watched =
        Watched::start("snapshot", |directory| fs::write(directory.join("snapshot"), snapshot(1)).unwrap());
    watched.tells(1);
    fs::remove_file(watched.path("snapshot")).unwrap();
    watched.replace("snapshot", &snapshot(2));
    watched.tells(2);
}
