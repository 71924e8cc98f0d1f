//! `cargo xtask <verb>`: the scripts of the project.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hack::{
    apiserver, backend, bench, bundle, cleanup, demo, deny_io_uring, generate, promises, repro, say,
    screenshot, test, tidy,
};

/// The scripts of the project. A newcomer needs `demo` and `test`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Play the seed's page on this machine: a flaky backend, with and without the RetryPolicy.
    Demo(demo::Args),
    /// Run every check and test; with io_uring and without.
    Test(test::Args),
    /// Run a real API server with our CRDs, for tests and to try things on.
    Apiserver(apiserver::Args),
    /// List the numbered promises that have no passing test.
    Promises(promises::Args),
    /// Write the generated files: CRDs and reference pages.
    Gen(generate::Args),
    /// Check the OLM bundle as OLM would, and before it does.
    Bundle(bundle::Args),
    /// Check the house rules.
    Tidy,
    /// Measure what the project promises.
    Bench(bench::Args),
    /// Show what a decision record says about somebody else's code.
    Repro(repro::Args),
    /// Take the picture of the live page that the docs show.
    Screenshot(screenshot::Args),
    /// Run the scripted backend by itself.
    Backend(backend::Args),
    /// Run a command with io_uring forbidden, as it is in most containers.
    DenyIoUring(deny_io_uring::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    say::start();
    match run(cli.verb) {
        Ok(code) => code,
        Err(error) => {
            say::warn(&format!("failed: {error:#}"));
            cleanup::leave(1)
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Demo(args) => demo::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Apiserver(args) => apiserver::run(&args),
        Verb::Promises(args) => promises::run(&args),
        Verb::Gen(args) => generate::run(&args),
        Verb::Bundle(args) => bundle::run(&args),
        Verb::Tidy => tidy::run(),
        Verb::Repro(args) => repro::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Screenshot(args) => screenshot::run(&args),
        Verb::Backend(args) => backend::run(&args).map(|()| ExitCode::SUCCESS),
        Verb::DenyIoUring(args) => deny_io_uring::run(&args).map(|()| ExitCode::SUCCESS),
    }
}
