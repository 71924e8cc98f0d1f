//! The real binary, a snapshot of its own, and a backend that answers from a list.
//!
//! Each environment takes a loopback address of its own, so that tests run side by side without fixed ports.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_debug_implementations,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests run off the cores")]

pub mod backend;
pub mod client;
pub mod payload;
pub mod snapshot;
pub mod wire;

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rebound_api::config::Snapshot;
use rebound_api::config::codec::encode;
use tempfile::TempDir;

use self::client::{Client, Response};

/// Everything that is waited for happens by then, or the test fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct TestEnv {
    directory: TempDir,
    bind: IpAddr,
    admin: SocketAddr,
    live: Option<SocketAddr>,
    process: Child,
}

pub struct Options {
    pub workers: u16,
    /// The most files that the process may have open; none: as many as this one.
    pub files_max: Option<u32>,
    /// What `--driver` says; none: nothing.
    pub driver: Option<&'static str>,
    /// Whether there is an access log: see [`TestEnv::access_log`].
    pub access_log: bool,
    /// Further flags.
    pub flags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 1, files_max: None, driver: None, access_log: false, flags: vec![] }
    }
}

impl TestEnv {
    /// A data plane that serves `snapshot`.
    pub fn start(snapshot: &Snapshot) -> Self {
        Self::start_with(snapshot, &Options::default())
    }

    pub fn start_with(snapshot: &Snapshot, options: &Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("snapshot"), encode(snapshot).unwrap()).unwrap();
        let env = Self::spawn(directory, own_address(), options);
        env.await_generation(snapshot.generation.0);
        env
    }

    /// A data plane whose snapshot is still to be published.
    pub fn start_unconfigured() -> Self {
        Self::start_unconfigured_with(&Options::default())
    }

    pub fn start_unconfigured_with(options: &Options) -> Self {
        Self::spawn(tempfile::tempdir().unwrap(), own_address(), options)
    }

    fn spawn(directory: TempDir, bind: IpAddr, options: &Options) -> Self {
        let mut process = command(directory.path(), bind, options).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut told = |name: &str| -> SocketAddr {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(name).unwrap().parse().unwrap()
        };
        let admin = told("admin=");
        let has_live_page = options.flags.iter().any(|flag| flag.starts_with("--live"));
        let live = has_live_page.then(|| told("live="));
        // Read on, so that the process never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { directory, bind, admin, live, process }
    }

    /// A second data plane with the same snapshot on the same address: what it says before it ends.
    pub fn rival(&self) -> std::process::Output {
        let mut command = command(self.directory.path(), self.bind, &Options::default());
        command.stderr(Stdio::piped()).output().unwrap()
    }

    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address(snapshot::PORT))
    }

    /// The most memory that the process ever held, in bytes.
    pub fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Descriptors with a number below `limit`: those above it were inherited, whatever the limit is.
    pub fn descriptors_below(&self, limit: u32) -> u32 {
        let names = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let numbers = names.filter_map(|name| name.unwrap().file_name().to_str()?.parse::<u32>().ok());
        numbers.filter(|number| *number < limit).count() as u32
    }

    /// The processor time that all threads take from now on for so long.
    pub fn processor_time_over(&self, time: Duration) -> Duration {
        let before = self.processor_time();
        std::thread::sleep(time);
        self.processor_time() - before
    }

    /// So far, to the tick of 10 ms.
    fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name in parentheses may hold anything; user and system time are the 12th and 13th field behind it.
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// One request on a connection of its own.
    pub fn send(&self, request: &str) -> Response {
        self.client().send(request)
    }

    pub fn get(&self, path: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
    }

    /// Replaces the snapshot by rename and waits until it is served.
    pub fn publish(&self, snapshot: &Snapshot) {
        self.write(&encode(snapshot).unwrap());
        self.await_generation(snapshot.generation.0);
    }

    /// Replaces the file by rename, whatever the bytes are.
    pub fn write(&self, bytes: &[u8]) {
        let next = self.directory.path().join("next");
        std::fs::write(&next, bytes).unwrap();
        std::fs::rename(next, self.directory.path().join("snapshot")).unwrap();
    }

    pub fn admin(&self, path: &str) -> Response {
        Client::connect(self.admin).send(&format!("GET {path} HTTP/1.1\r\nhost: admin\r\n\r\n"))
    }

    /// Connects to the live page, for which there must be a flag.
    pub fn live_client(&self) -> Client {
        Client::connect(self.live.unwrap())
    }

    /// Connects to the admin address and says nothing.
    pub fn admin_client(&self) -> Client {
        Client::connect(self.admin)
    }

    pub fn generation(&self) -> serde_json::Value {
        serde_json::from_slice(&self.admin("/generation").body).unwrap()
    }

    /// The value of a metric whose labels include those behind the name, added up over all others. Numbers of Service
    /// ports that are zero have no sample, but their family has a type.
    pub fn metric(&self, name: &str) -> u64 {
        let page = String::from_utf8(self.admin("/metrics").body).unwrap();
        let (family, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
        let parts = ["", "_count", "_sum", "_bucket"];
        let mut families = parts.iter().filter_map(|part| family.strip_suffix(part));
        assert!(families.any(|name| page.contains(&format!("# TYPE {name} "))), "no {family} in:\n{page}");
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let of = series.strip_prefix(family)?;
            let wanted = of.is_empty() || of.starts_with('{');
            (wanted && labels.iter().all(|label| of.contains(label))).then(|| value.parse::<u64>().unwrap())
        };
        page.lines().filter_map(value).sum()
    }

    pub fn await_metric(&self, name: &str, wanted: u64) {
        await_that(&format!("{name} is {wanted}"), || self.metric(name) == wanted);
    }

    /// The sum of a metric over labels that begin like this.
    pub fn metrics(&self, prefix: &str) -> u64 {
        let page = String::from_utf8(self.admin("/metrics").body).unwrap();
        let lines = page.lines().filter(|line| line.starts_with(prefix));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    pub fn await_metric_above(&self, name: &str, floor: u64) {
        await_that(&format!("{name} is above {floor}"), || self.metric(name) > floor);
    }

    pub fn await_generation(&self, wanted: u64) {
        await_that("the generation is active", || self.generation()["generation"] == wanted);
    }

    /// The lines of the access log, as soon as there are so many.
    pub fn access_log(&self, count: usize) -> Vec<serde_json::Value> {
        let read = || std::fs::read_to_string(self.directory.path().join("access.log")).unwrap_or_default();
        await_that("the access log has its lines", || read().lines().count() >= count);
        read().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the process to end by itself.
    pub fn await_exit(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process did not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn command(directory: &Path, bind: IpAddr, options: &Options) -> Command {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_rebound-dataplane");
    let mut command = match options.files_max {
        None => Command::new(PROGRAM),
        Some(max) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {max}; exec \"$0\" \"$@\""), PROGRAM]);
            shell
        }
    };
    command.arg("--snapshot").arg(directory.join("snapshot"));
    command.args(["--admin", "127.0.0.1:0", "--bind", &bind.to_string()]);
    command.args(["--workers", &options.workers.to_string(), "--log", "error"]);
    options.driver.map(|driver| command.args(["--driver", driver]));
    if options.access_log {
        command.args(["--access-log", "json", "--access-log-file"]).arg(directory.join("access.log"));
    }
    command.args(&options.flags).env("OTEL_BSP_SCHEDULE_DELAY", "10");
    command.stdout(Stdio::piped());
    command
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// How long something takes.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let value = act();
    (value, started.elapsed())
}

/// Polls until the condition holds.
#[track_caller]
pub fn await_that(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A loopback address that no other test uses.
pub fn own_address() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(..), fastrand::u8(1..255)))
}
