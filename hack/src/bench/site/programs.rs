//! The programs of the site, besides those that are measured: how they are started, and what processes take.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::SOON;
use crate::cleanup::Process;
use crate::programs::{ALLOCATOR, Programs};
use crate::tools::Program;

/// `kubectl proxy`: the API server in clear text, which costs less than the TLS that it saves the measurement.
pub(super) fn proxy(kubeconfig: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = Command::new(Program::Kubectl.build()?);
    command.args(["proxy", "--port=0", "--accept-hosts=.*"]).env("KUBECONFIG", kubeconfig);
    let (process, line) = first_line(&mut command, "Starting to serve on ")?;
    Ok((process, line.parse()?))
}

pub(super) fn dataplane(
    programs: &Programs,
    snapshot: &Path,
    log: fs::File,
) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = Command::new(&programs.dataplane);
    command.arg("--snapshot").arg(snapshot).args(["--admin", "127.0.0.1:0"]).envs(ALLOCATOR);
    command.arg("--bind").arg(Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(1..), 1).to_string());
    let (process, line) = first_line(command.stderr(log), "admin=")?;
    Ok((process, line.parse()?))
}

/// Starts a program and waits for a line that it prints; what it prints later is read and forgotten.
fn first_line(command: &mut Command, prefix: &'static str) -> anyhow::Result<(Process, String)> {
    let (reader, writer) = std::io::pipe()?;
    let process = Process::start(command.stdin(Stdio::null()).stdout(writer))?;
    command.stdout(Stdio::null());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if let Some(rest) = line.strip_prefix(prefix) {
                // Nobody waits any more.
                let _ = tell.send(rest.to_owned());
            }
        }
    });
    let line = told.recv_timeout(SOON).with_context(|| format!("no line `{prefix}…`"))?;
    Ok((process, line))
}

/// Bytes of memory that the process has in use.
pub(super) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Of all threads, to the tick of 10 ms.
pub(super) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
