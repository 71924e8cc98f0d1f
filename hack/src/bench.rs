//! Measurements that the project promises to reach, each with its own pass or fail.

mod observe;
mod propagation;
mod reload;
mod scale;
mod site;

use std::process::ExitCode;

/// Measures what the project promises.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Time from a policy edit to the data plane serving by it, under load.
    Reload(reload::Args),
    /// Time from an edit of a route in a cluster to the data plane serving by it, with many routes.
    Propagation(propagation::Args),
    /// What traces, metrics and access log cost, against the same program with them off.
    Observe(observe::Args),
    /// Memory and processor time with many routes in many namespaces, while endpoints come and go.
    Scale(scale::Args),
}

/// `cargo xtask bench`. Succeeds when the promise is kept.
///
/// # Errors
/// When something cannot be built, started or measured.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Reload(args) => reload::run(args),
        What::Propagation(args) => propagation::run(args),
        What::Observe(args) => observe::run(args),
        What::Scale(args) => scale::run(args),
    }
}
