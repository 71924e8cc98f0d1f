//! The table at the end of a test run, and its last line.

use std::time::Duration;

/// One step of a run.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    time: Duration,
    note: String,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Summary {
    rows: Vec<Row>,
}

impl Row {
    /// A step that is one check.
    pub(super) fn check(name: &str, passed: bool, time: Duration) -> Self {
        let (passed, failed) = if passed { (1, 0) } else { (0, 1) };
        Self { name: name.to_owned(), passed, failed, skipped: 0, time, note: String::new() }
    }

    /// A step that is a number of tests.
    pub(super) fn tests(name: &str, counts: [usize; 3], time: Duration) -> Self {
        let [passed, failed, skipped] = counts;
        Self { name: name.to_owned(), passed, failed, skipped, time, note: String::new() }
    }

    /// A step that was not taken.
    pub(super) fn skipped(name: &str, reason: &str) -> Self {
        let note = reason.to_owned();
        Self { name: name.to_owned(), passed: 0, failed: 0, skipped: 1, time: Duration::ZERO, note }
    }

    /// With a word for the reader.
    pub(super) fn note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }

    fn result(&self) -> &'static str {
        match (self.failed, self.passed, self.skipped) {
            (0, 0, 0) => "no tests",
            (0, 0, _) => "SKIPPED",
            (0, ..) => "ok",
            _ => "FAILED",
        }
    }
}

impl Summary {
    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.rows.iter().any(|row| row.failed > 0)
    }

    pub(super) fn table(&self) -> String {
        let mut lines = vec![line("step", "result", "time", ["passed", "failed", "skipped"], "")];
        lines.extend(self.rows.iter().map(|row| {
            let counts = [row.passed, row.failed, row.skipped].map(|count| count.to_string());
            let time = format!("{:.1} s", row.time.as_secs_f64());
            line(&row.name, row.result(), &time, counts.each_ref().map(String::as_str), &row.note)
        }));
        lines.join("\n")
    }

    /// `N passed, N failed, N skipped`: the form that CI reads.
    pub(super) fn last_line(&self) -> String {
        let sum = |count: fn(&Row) -> usize| self.rows.iter().map(count).sum::<usize>();
        let (passed, failed, skipped) =
            (sum(|row| row.passed), sum(|row| row.failed), sum(|row| row.skipped));
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

fn line(step: &str, result: &str, time: &str, counts: [&str; 3], note: &str) -> String {
    let [passed, failed, skipped] = counts;
    let line = format!("{step:<44}{result:<10}{time:>9}{passed:>8}{failed:>8}{skipped:>9}  {note}");
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_adds_up_checks_tests_and_what_was_skipped() {
        let mut summary = Summary::default();
        summary.add(Row::check("format", true, Duration::ZERO));
        summary.add(Row::tests("api", [10, 0, 1], Duration::ZERO));
        summary.add(Row::skipped("tier cluster", "does not exist yet"));
        assert_eq!(summary.last_line(), "11 passed, 0 failed, 2 skipped");
        assert!(!summary.has_failed());
        assert!(summary.table().contains("does not exist yet"));
    }

    #[test]
    fn one_failed_test_fails_the_run() {
        let mut summary = Summary::default();
        summary.add(Row::tests("api", [10, 1, 0], Duration::ZERO));
        assert!(summary.has_failed());
        assert!(summary.table().contains("FAILED"));
    }
}
