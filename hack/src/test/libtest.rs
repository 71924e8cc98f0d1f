//! Reads what a test executable of Rust's own harness prints.
//!
//! Pure. The lines are cross-checked with the harness's own totals, so that a line that was garbled by a child
//! process's output is a failure and never a test that silently does not count.

use serde::{Deserialize, Serialize};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It ran and held.
    Passed,
    /// It ran and did not hold.
    Failed,
    /// It did not run.
    Ignored,
}

/// The tests of one or more executables, in the order in which they ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) tests: Vec<(String, Verdict)>,
}

impl Output {
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.tests.iter().filter(|(_, ended)| *ended == verdict).count()
    }

    /// Reads everything that was printed.
    ///
    /// # Errors
    /// A sentence, when there are no totals or the lines do not add up to them.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let output = Self { tests: text.lines().filter_map(test).collect() };
        let totals: Vec<_> = text.lines().filter_map(totals).collect();
        if totals.is_empty() {
            return Err("the test executable printed no result".to_owned());
        }
        let counted = [Verdict::Passed, Verdict::Failed, Verdict::Ignored].map(|v| output.count(v));
        let total = totals.iter().fold([0; 3], |sum, [p, f, i]| [sum[0] + p, sum[1] + f, sum[2] + i]);
        if counted != total {
            return Err(format!("passed, failed, ignored: {counted:?} lines, but {total:?} in the totals"));
        }
        Ok(output)
    }
}

/// `test retry::tests::s07_x ... ok`, wherever in the line it begins.
fn test(line: &str) -> Option<(String, Verdict)> {
    let (before, verdict) = line.rsplit_once(" ... ")?;
    let start = before.rfind("test ")? + "test ".len();
    let name = before[start..].trim_end_matches(" - should panic");
    let verdict = match verdict.split(',').next()? {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed,
        "ignored" => Verdict::Ignored,
        _ => return None,
    };
    Some((name.to_owned(), verdict))
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn totals(line: &str) -> Option<[usize; 3]> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| counts.split("; ").find_map(|part| part.strip_suffix(what)?.trim().parse().ok());
    Some([count("passed")?, count("failed")?, count("ignored")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\nrunning 3 tests\ntest a::s07_b ... ok\ntest c - should panic ... ok\ntest d ... ignored, why\n\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s\n";

    #[test]
    fn every_test_is_read_with_its_verdict() {
        let tests = Output::read(GOOD).unwrap().tests;
        let named = |name: &str, verdict| (name.to_owned(), verdict);
        assert_eq!(
            tests,
            [named("a::s07_b", Verdict::Passed), named("c", Verdict::Passed), named("d", Verdict::Ignored)]
        );
    }

    #[test]
    fn a_line_that_a_child_wrote_into_is_still_read() {
        let text = GOOD.replace("test a::s07_b", "child says hello test a::s07_b");
        assert_eq!(Output::read(&text), Output::read(GOOD));
    }

    #[test]
    fn a_lost_line_is_an_error() {
        let text = GOOD.replace("test a::s07_b ... ok\n", "");
        assert!(Output::read(&text).unwrap_err().contains("totals"));
    }

    #[test]
    fn no_totals_are_an_error() {
        assert!(Output::read("running 3 tests\ntest a ... ok\n").is_err());
    }
}
