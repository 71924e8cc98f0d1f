//! Which of the 89 numbered promises of the retry semantics have a test that ran and passed.
//!
//! A test carries the number of its promise at the beginning of a segment of its path: `retry::tests::s07_…`. It
//! counts when it passed in the last full `cargo xtask test`: under both drivers, or once in a tier that runs once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use serde::Serialize;

use crate::say;
use crate::test::record::{Driver, Entry, Record, Verdict, fingerprint};

/// How many promises there are.
const PROMISES: u8 = 89;

/// Lists the promises that have no passing test.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print `{"covered": […], "missing": […]}`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Coverage {
    covered: BTreeSet<u8>,
    missing: BTreeSet<u8>,
}

/// `cargo xtask promises`.
///
/// # Errors
/// When the record of the last run cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let record = Record::last()?;
    let tests = match &record {
        None => {
            say::warn("there is no full test run on record: run `cargo xtask test`");
            &[]
        }
        Some(record) => {
            if record.sources != fingerprint()? {
                say::warn("sources changed since the last full test run: run `cargo xtask test`");
            }
            record.tests.as_slice()
        }
    };
    for driver in [Driver::Uring, Driver::Epoll] {
        if record.is_some() && !tests.iter().any(|entry| entry.driver == driver) {
            say::warn(&format!("the last full test run did not run with {driver}, so nothing counts"));
        }
    }
    let coverage = coverage(tests);
    if args.json {
        say::result(&serde_json::to_string(&coverage)?);
    } else {
        say::result(&format!("{} of {PROMISES} promises have a passing test", coverage.covered.len()));
        say::result(&format!("covered: {}", list(&coverage.covered)));
        say::result(&format!("missing: {}", list(&coverage.missing)));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(numbers: &BTreeSet<u8>) -> String {
    let numbers: Vec<_> = numbers.iter().map(u8::to_string).collect();
    if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
}

/// A promise is covered when a test that carries it passed in every run that it has, and none that carries it failed.
fn coverage(tests: &[Entry]) -> Coverage {
    let mut passed: BTreeMap<(&str, &str, &str), BTreeSet<Driver>> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    for entry in tests {
        match entry.verdict {
            Verdict::Passed => {
                let test = (entry.package.as_str(), entry.target.as_str(), entry.name.as_str());
                let runs = passed.entry(test).or_default();
                runs.insert(entry.driver);
                if entry.runs_once() {
                    runs.extend([Driver::Uring, Driver::Epoll]);
                }
            }
            Verdict::Failed => failed.extend(numbers(&entry.name)),
            Verdict::Ignored => {}
        }
    }
    let both = passed.iter().filter(|(_, drivers)| drivers.len() == 2);
    let mut covered: BTreeSet<u8> = both.flat_map(|((_, _, name), _)| numbers(name)).collect();
    covered.retain(|number| !failed.contains(number));
    let missing = (1..=PROMISES).filter(|number| !covered.contains(number)).collect();
    Coverage { covered, missing }
}

/// The promises whose numbers the path of a test carries.
fn numbers(test: &str) -> Vec<u8> {
    let carried = test.split("::").flat_map(|segment| segment.split('_').map_while(number));
    carried.filter(|number| (1..=PROMISES).contains(number)).collect()
}

/// `s07` at the beginning of a segment, or after another number: `s15_s17_nothing_is_kept`.
fn number(word: &str) -> Option<u8> {
    let digits = word.strip_prefix('s')?;
    (digits.len() == 2).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(driver: Driver, name: &str, verdict: Verdict) -> Entry {
        let name = name.to_owned();
        Entry { driver, package: "rebound-dataplane".to_owned(), target: "retry".to_owned(), name, verdict }
    }

    fn covered(tests: &[(Driver, &str, Verdict)]) -> Vec<u8> {
        let tests: Vec<_> =
            tests.iter().map(|(driver, name, verdict)| entry(*driver, name, *verdict)).collect();
        coverage(&tests).covered.into_iter().collect()
    }

    use Driver::{Epoll, Uring};
    use Verdict::{Failed, Ignored, Passed};

    #[test]
    fn a_promise_counts_when_its_test_passed_under_both_drivers() {
        assert_eq!(covered(&[(Uring, "a::s07_x", Passed), (Epoll, "a::s07_x", Passed)]), [7]);
        assert!(covered(&[(Uring, "s07_x", Passed)]).is_empty());
        assert!(covered(&[(Uring, "s07_x", Passed), (Epoll, "s07_y", Passed)]).is_empty());
    }

    #[test]
    fn one_run_is_enough_in_a_tier_that_runs_once() {
        let mut test = entry(Uring, "s07_x", Passed);
        assert!(coverage(std::slice::from_ref(&test)).covered.is_empty());
        test.target = "cluster_status".to_owned();
        assert_eq!(coverage(&[test]).covered, BTreeSet::from([7]));
    }

    #[test]
    fn ignored_and_failed_tests_cover_nothing() {
        assert!(covered(&[(Uring, "s07_x", Ignored), (Epoll, "s07_x", Ignored)]).is_empty());
        let other = [(Uring, "s07_x", Passed), (Epoll, "s07_x", Passed), (Epoll, "s07_y", Failed)];
        assert!(covered(&other).is_empty());
    }

    #[test]
    fn only_a_segment_of_the_path_carries_a_number() {
        assert_eq!(numbers("retry::s07_x::tests::s12_y"), [7, 12]);
        assert_eq!(numbers("s15_s17_nothing_is_kept"), [15, 17]);
        assert!(numbers("retry::nothing_s15_is_kept").is_empty());
        assert!(numbers("retry::is07_x").is_empty());
        assert!(numbers("retry::s7_x").is_empty());
        assert!(numbers("retry::s90_x").is_empty());
        assert!(numbers("retry::s00_x").is_empty());
    }

    #[test]
    fn covered_and_missing_make_up_all_promises() {
        let coverage = coverage(&[]);
        assert_eq!(coverage.missing.len(), usize::from(PROMISES));
        assert_eq!(serde_json::to_string(&coverage).unwrap().matches("89").count(), 1);
    }
}
