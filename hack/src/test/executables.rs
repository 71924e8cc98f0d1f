//! The test executables of every package: built once, each package alone, and run under each driver.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;

use super::driver::Driver;
use super::libtest::{Output, Verdict};
use super::record::Entry;
use super::summary::{Row, Summary};
use super::{Tier, api_server, checks};
use crate::cleanup::Process;
use crate::programs::{Executable, cargo, executables, workspace};
use crate::say;

/// The most time that one test executable may take.
const EXECUTABLE_MAX: Duration = Duration::from_secs(10 * 60);
/// Lines of a failed executable's output that are shown; all of it is in the log.
const SHOWN_LINES: usize = 120;

/// A package with its test executables.
pub(super) struct Package {
    name: String,
    folder: PathBuf,
    has_doc_tests: bool,
    executables: Vec<Executable>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    doctest: bool,
}

/// One of the runs that a package's tests make.
pub(super) struct Run<'a> {
    /// Which of them.
    pub(super) tier: Tier,
    /// What they are allowed.
    pub(super) driver: Driver,
    /// What they are told.
    pub(super) variables: &'a [(&'a str, &'a OsStr)],
}

impl Run<'_> {
    fn of(&self, package: &Package) -> String {
        match self.tier {
            Tier::Fast => format!("{} with {}", package.name, self.driver),
            Tier::Tools | Tier::ApiServer | Tier::Cluster => {
                format!("{}, {}", package.name, self.tier.name())
            }
        }
    }

    fn command(&self, program: &Path) -> Command {
        match self.tier {
            Tier::Fast => self.driver.command(program),
            Tier::Tools => Command::new(program),
            Tier::ApiServer | Tier::Cluster => api_server::command(program),
        }
    }
}

impl Described {
    /// Every package has tests of the fast tier, in its sources.
    fn has_tests_of(&self, tier: Tier) -> bool {
        tier == Tier::Fast || self.targets.iter().any(|target| Tier::of(&target.name) == tier)
    }
}

/// Builds the tests of every package alone; a package that does not build is a failed row and left out.
pub(super) fn build(tiers: &[Tier], summary: &mut Summary) -> anyhow::Result<Vec<Package>> {
    let described = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let described: Metadata = serde_json::from_slice(&described.stdout).context("read cargo's metadata")?;
    let mut packages = Vec::new();
    let has_tests = |package: &Described| tiers.iter().any(|tier| package.has_tests_of(*tier));
    for package in described.packages.into_iter().filter(has_tests) {
        let started = Instant::now();
        let built = build_one(&package)?;
        let name = format!("build the tests of {}", package.name);
        summary.add(Row::check(&name, built.is_some(), started.elapsed()));
        packages.extend(built);
    }
    Ok(packages)
}

fn build_one(package: &Described) -> anyhow::Result<Option<Package>> {
    let name = &package.name;
    say::step(&format!("building the tests of {name} (cargo test --no-run --all-features -p {name})"));
    let built = cargo()
        .args(["test", "--no-run", "--all-features", "-p", name, "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()?;
    // Programs are built beside the tests that need them; only tests are run.
    let tests =
        |executable: &Executable| executable.path.parent().is_some_and(|folder| folder.ends_with("deps"));
    Ok(built.status.success().then(|| Package {
        name: name.clone(),
        folder: package.manifest_path.parent().unwrap_or(workspace()).to_path_buf(),
        has_doc_tests: package.targets.iter().any(|target| target.doctest),
        executables: executables(&built.stdout).into_iter().filter(tests).collect(),
    }))
}

/// Runs every test executable that a package has for this run; without one there is no row.
pub(super) fn run(package: &Package, run: &Run<'_>, summary: &mut Summary) -> anyhow::Result<Vec<Entry>> {
    let executables: Vec<_> =
        package.executables.iter().filter(|executable| Tier::of(&executable.target) == run.tier).collect();
    if executables.is_empty() {
        return Ok(Vec::new());
    }
    say::step(&format!("testing {}", run.of(package)));
    let started = Instant::now();
    let mut entries = Vec::new();
    let mut broken = Vec::new();
    for executable in executables {
        match run_one(package, executable, run)? {
            Ok(output) => entries.extend(output.tests.into_iter().map(|(name, verdict)| Entry {
                driver: run.driver,
                package: package.name.clone(),
                target: executable.target.clone(),
                name,
                verdict,
            })),
            Err(reason) => broken.push(format!("{}: {reason}", executable.target)),
        }
    }
    let count = |verdict| entries.iter().filter(|entry| entry.verdict == verdict).count();
    let counts = [count(Verdict::Passed), count(Verdict::Failed) + broken.len(), count(Verdict::Ignored)];
    summary.add(Row::tests(&run.of(package), counts, started.elapsed()).note(&broken.join("; ")));
    Ok(entries)
}

fn run_one(
    package: &Package,
    executable: &Executable,
    run: &Run<'_>,
) -> anyhow::Result<Result<Output, String>> {
    let log = Log::create(&format!("{}-{}-{:?}", package.name, executable.target, run.driver))?;
    let mut command = run.command(&executable.path);
    command.current_dir(&package.folder).env("CARGO_MANIFEST_DIR", &package.folder);
    command.envs(run.variables.iter().copied());
    command.stdin(Stdio::null()).stdout(File::create(&log.out)?).stderr(File::create(&log.err)?);
    let ended = Process::start(&mut command)?.wait(EXECUTABLE_MAX)?;
    let output = match ended {
        None => Err(format!("did not end within {} s", EXECUTABLE_MAX.as_secs())),
        Some(status) => Output::read(&log.read()).and_then(|output| {
            let failed = output.count(Verdict::Failed) > 0;
            if failed == status.success() { Err(format!("ended with {status}")) } else { Ok(output) }
        }),
    };
    if output.as_ref().map_or(true, |output| output.count(Verdict::Failed) > 0) {
        log.show();
    }
    Ok(output)
}

/// Runs the examples in the documentation; they have nothing to do with drivers.
pub(super) fn run_doc_tests(packages: &[Package], summary: &mut Summary) -> anyhow::Result<()> {
    for package in packages.iter().filter(|package| package.has_doc_tests) {
        say::step(&format!("testing the examples in the documentation of {}", package.name));
        let started = Instant::now();
        let log = Log::create(&format!("{}-doc", package.name))?;
        let mut command = cargo();
        command.args(["test", "--doc", "--all-features", "-p", &package.name]).stdin(Stdio::null());
        command.stdout(File::create(&log.out)?).stderr(File::create(&log.err)?);
        let ended = Process::start(&mut command)?.wait(checks::CARGO_MAX)?;
        let passed = ended.is_some_and(|status| status.success());
        let output = Output::read(&log.read()).unwrap_or_default();
        let failed = output.count(Verdict::Failed).max(usize::from(!passed));
        if failed > 0 {
            log.show();
        }
        let counts = [output.count(Verdict::Passed), failed, output.count(Verdict::Ignored)];
        if counts != [0; 3] {
            summary.add(Row::tests(&format!("{}, documentation", package.name), counts, started.elapsed()));
        }
    }
    Ok(())
}

/// What an executable prints, in files that stay until the next run.
struct Log {
    out: PathBuf,
    err: PathBuf,
}

impl Log {
    fn create(name: &str) -> anyhow::Result<Self> {
        let folder = workspace().join("target/rebound/logs");
        fs::create_dir_all(&folder)?;
        let file = |kind: &str| folder.join(format!("{name}.{kind}").to_lowercase());
        Ok(Self { out: file("out"), err: file("err") })
    }

    fn read(&self) -> String {
        read(&self.out)
    }

    fn show(&self) {
        for path in [&self.err, &self.out] {
            let text = read(path);
            let lines: Vec<_> = text.lines().collect();
            say::warn(&format!("the end of {}:", path.display()));
            lines[lines.len().saturating_sub(SHOWN_LINES)..].iter().for_each(|line| say::quote(line));
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
