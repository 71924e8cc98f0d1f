//! Programs of the distribution that tests run against: a browser, Prometheus, valgrind. The machine's own if it has them, else
//! packages that are unpacked below `target/`: nothing is installed.
//!
//! apt says which libraries this machine lacks and fetches them, dpkg unpacks. Neither needs root; only the lists of a
//! machine that never asked apt anything do. Absent: versions. A distribution withdraws old ones, so none is pinned.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::cleanup::Process;
use crate::programs::workspace;
use crate::say;

/// The most time that fetching a package may take.
const FETCH_MAX: Duration = Duration::from_secs(10 * 60);
/// Below `usr/lib` of a package: the folder of an architecture, and one below it.
const LIBRARY_DEPTH: u32 = 2;

/// Tests run side by side, and one of them is enough.
static FETCHING: Mutex<()> = Mutex::new(());

/// A program of the distribution.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What it may be called, the best first.
    names: &'static [&'static str],
    /// The package that has it.
    package: &'static str,
    /// Where it is in the package.
    path: &'static str,
    /// Whether it needs libraries of other packages.
    needs_libraries: bool,
    /// What is fetched at most, in words.
    size: &'static str,
}

/// A browser without a window, which is told what to do through a pipe.
pub const BROWSER: Program = Program {
    names: &["chromium-headless-shell", "chromium", "google-chrome"],
    package: "chromium-headless-shell",
    path: "usr/lib/chromium/chromium-headless-shell",
    needs_libraries: true,
    size: "100 MB",
};

/// The Prometheus server.
pub const PROMETHEUS: Program = prometheus("usr/bin/prometheus", &["prometheus"]);

/// Its tool for rules and metrics.
pub const PROMTOOL: Program = prometheus("usr/bin/promtool", &["promtool"]);

/// What runs a program on a processor that counts its instructions.
pub const VALGRIND: Program = Program {
    names: &["valgrind"],
    package: "valgrind",
    path: "usr/bin/valgrind",
    needs_libraries: false,
    size: "20 MB",
};

/// Fetches what tests run against and is not there yet.
///
/// # Errors
/// When something is not to be had.
pub fn fetch_all() -> Result<(), String> {
    // What apt says may have many lines; the first has the advice.
    let reason = |error: anyhow::Error| format!("{error:#}").lines().next().unwrap_or_default().to_owned();
    [BROWSER, PROMETHEUS, PROMTOOL].iter().try_for_each(|program| program.command().map(drop)).map_err(reason)
}

const fn prometheus(path: &'static str, names: &'static [&'static str]) -> Program {
    // What it depends on is for its old web page.
    Program { names, package: "prometheus", path, needs_libraries: false, size: "20 MB" }
}

impl Program {
    /// The program, ready to be started; fetched now if it is not there yet.
    ///
    /// # Errors
    /// When this machine has neither the program nor apt, or apt does not know the package or cannot fetch it.
    pub fn command(&self) -> anyhow::Result<Command> {
        if let Some(installed) = self.installed() {
            return Ok(Command::new(installed));
        }
        let folder = workspace().join("target/rebound/debian").join(self.package);
        let _alone = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
        if !folder.is_dir() {
            let packages = self.packages().with_context(|| self.advice())?;
            say::step(&format!("fetching {} and unpacking it, once: up to {}", self.package, self.size));
            fetch(&packages, &folder).with_context(|| self.advice())?;
        }
        let mut command = Command::new(folder.join(self.path));
        command.env("LD_LIBRARY_PATH", env::join_paths(libraries(&folder.join("usr/lib"), LIBRARY_DEPTH)?)?);
        Ok(command)
    }

    fn installed(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let in_path =
            |name: &&str| env::split_paths(&path).map(|folder| folder.join(name)).find(|it| it.is_file());
        self.names.iter().find_map(in_path)
    }

    /// The packages that this machine lacks.
    fn packages(&self) -> anyhow::Result<Vec<String>> {
        let answer = self.simulate()?;
        let missing = || answer.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        let missing: Vec<_> =
            missing().filter(|name| self.needs_libraries || *name == self.package).collect();
        ensure!(
            !missing.is_empty(),
            "apt says that {} is installed, and it is not where it should be",
            self.package
        );
        Ok(missing.into_iter().map(str::to_owned).collect())
    }

    /// What apt would do. A new machine, such as a container, has no lists of packages yet.
    fn simulate(&self) -> anyhow::Result<String> {
        let ask =
            || said(Command::new("apt-get").args(["-s", "--no-install-recommends", "install", self.package]));
        ask().or_else(|_| update().and_then(|()| ask()))
    }

    fn advice(&self) -> String {
        format!(
            "{} is needed: install the package {} or put a program of that name into PATH",
            self.names[0], self.package
        )
    }
}

/// Fetches and unpacks packages into a folder, which is there as a whole or not at all.
fn fetch(packages: &[String], folder: &Path) -> anyhow::Result<()> {
    let parent = folder.parent().context("a folder in a folder")?;
    fs::create_dir_all(parent)?;
    let staged = tempfile::Builder::new().prefix(".fetch-").tempdir_in(parent)?;
    let (fetched, unpacked) = (staged.path().join("packages"), staged.path().join("root"));
    fs::create_dir(&fetched)?;
    fs::create_dir(&unpacked)?;
    let download =
        || said(Command::new("apt-get").args(["-q", "download"]).args(packages).current_dir(&fetched));
    // Lists of some age name versions that have been withdrawn.
    download().or_else(|_| update().and_then(|()| download()))?;
    for package in fs::read_dir(&fetched)? {
        said(Command::new("dpkg").arg("-x").arg(package?.path()).arg(&unpacked))?;
    }
    match fs::rename(&unpacked, folder) {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        renamed => Ok(renamed?),
    }
}

/// Asks for the lists of packages, which is for root alone.
fn update() -> anyhow::Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the lists of packages are missing or old: `apt-get update` as root"
    );
    said(Command::new("apt-get").args(["-q", "update"])).map(drop)
}

/// Runs a command to its end and returns what it said on stdout.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let name = format!("{} {:?}", command.get_program().display(), command.get_args().collect::<Vec<_>>());
    let (reader, writer) = io::pipe()?;
    let log = tempfile::NamedTempFile::new()?;
    let mut process = Process::start(command.stdin(Stdio::null()).stdout(writer).stderr(log.reopen()?))?;
    // Its copy of the pipe would keep the reader waiting.
    command.stdout(Stdio::null());
    let text = io::read_to_string(reader)?;
    match process.wait(FETCH_MAX)? {
        Some(status) if status.success() => Ok(text),
        Some(_) => bail!("{name} failed: {}", fs::read_to_string(log.path())?.trim()),
        None => bail!("{name} took longer than {} s", FETCH_MAX.as_secs()),
    }
}

/// The folders with shared libraries, at most so deep.
fn libraries(folder: &Path, depth: u32) -> anyhow::Result<BTreeSet<OsString>> {
    let mut found = BTreeSet::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && depth > 0 {
            found.extend(libraries(&path, depth - 1)?);
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so")) {
            found.insert(folder.as_os_str().to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_where_packages_put_them() {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path();
        fs::create_dir_all(lib.join("x86_64-linux-gnu/pulseaudio")).unwrap();
        fs::create_dir_all(lib.join("empty")).unwrap();
        fs::write(lib.join("x86_64-linux-gnu/libogg.so.0"), "").unwrap();
        fs::write(lib.join("x86_64-linux-gnu/pulseaudio/libpulsecommon-16.1.so"), "").unwrap();
        let expected =
            ["x86_64-linux-gnu", "x86_64-linux-gnu/pulseaudio"].map(|name| lib.join(name).into_os_string());
        assert_eq!(libraries(lib, LIBRARY_DEPTH).unwrap(), BTreeSet::from(expected));
    }
}
