//! "Did you mean …?": the one place that decides when a mistyped word is close enough to a known one.

/// No suggestion is further away than this.
const EDITS_MAX: usize = 3;
/// Longer words are not compared: nobody mistypes them, and the comparison is quadratic.
const WORD_MAX_CHARS: usize = 64;

/// The known word that `word` most likely stands for: equal but for case, or few edits away for its length.
/// Of several equally near ones, the first.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().count() > WORD_MAX_CHARS {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, EDITS_MAX);
    known
        .into_iter()
        .map(|candidate| (edits(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The suggestion as the end of a sentence; empty when nothing is near.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

/// Levenshtein's distance: insertions, removals and replacements of characters, one row at a time.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 4] = ["connect-failure", "reset", "5xx", "UnsentOnly"];

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, WORDS), expected, "{word}");
    }

    #[test]
    fn a_word_that_is_nearly_right_is_recognised() {
        check("connection-failure", Some("connect-failure"));
        check("connect_failure", Some("connect-failure"));
        check("5XX", Some("5xx"));
        check("unsentonly", Some("UnsentOnly"));
        check("rest", Some("reset"));
    }

    #[test]
    fn a_word_that_is_something_else_gets_no_suggestion() {
        check("abc", None);
        check("", None);
        check("retriable-4xx", None);
        check(&"reset".repeat(100), None);
    }

    #[test]
    fn edits_count_insertions_removals_and_replacements() {
        for (from, to, count) in
            [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0), ("é", "e", 1)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
            assert_eq!(edits(to, from), count, "{to} {from}");
        }
    }
}
