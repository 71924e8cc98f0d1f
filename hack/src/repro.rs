//! Reproductions of what other people's code does, for decisions that lean on it.

mod monoio_http;

use std::process::ExitCode;

use crate::say;

/// Shows what a decision record says about somebody else's code.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to look at.
    #[arg(value_enum)]
    what: What,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Why monoio-http is not the codec of shipped traffic.
    MonoioHttp,
}

/// What was done to a program, and what it did.
struct Finding {
    /// What was sent.
    sent: &'static str,
    /// What a sound implementation does.
    sound: &'static str,
    /// What happened.
    happened: String,
    /// Whether that is the defect that the decision record names.
    is_defect: bool,
}

/// `cargo xtask repro`. Fails when a defect no longer shows: then the decision should be looked at again.
///
/// # Errors
/// When an experiment cannot be made.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = match args.what {
        What::MonoioHttp => monoio_http::findings()?,
    };
    for (number, finding) in (1..).zip(&findings) {
        let verdict = if finding.is_defect { "defect" } else { "sound" };
        say::result(&format!("{number}. sent:  {}", finding.sent));
        say::result(&format!("   sound: {}", finding.sound));
        say::result(&format!("   did:   {} [{verdict}]", finding.happened));
    }
    let all = findings.iter().all(|finding| finding.is_defect);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
