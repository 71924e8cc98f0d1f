//! What a file must open with, and what never enters one.

use super::Breach;

/// Words that say a thing is unfinished. Split here, so that this file does not say them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];
/// Places of one machine, and hosts that another machine may not reach.
const NOT_PORTABLE: [&str; 7] = [
    concat!("/wo", "rk/"),
    concat!("/tmp/", "bash_jobs"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("registry.", "npmjs.org"),
    concat!("files.", "pythonhosted.org"),
];
/// A test that is there and does not run.
const IGNORED: &str = concat!("#[ign", "ore");

/// Every breach in the text of a file.
pub(super) fn breaches(path: &str, text: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let is_rust = path.ends_with(".rs");
    if is_rust && !text.starts_with("//!") {
        breaches.push(Breach::new(path, 1, "a module opens with `//!` and says what it is for".to_owned()));
    }
    for (line, text) in (1..).zip(text.lines()) {
        let found =
            |words: &[&str]| words.iter().find(|word| text.contains(**word)).map(|word| (*word).to_owned());
        let rules = [
            found(&NOT_PORTABLE).map(|word| format!("`{word}` is a place of one machine or a registry")),
            found(&UNFINISHED).filter(|_| is_rust).map(|word| format!("`{word}`: finish it, or file it")),
            found(&[IGNORED]).filter(|_| is_rust).map(|_| "a test that is there runs".to_owned()),
        ];
        breaches.extend(rules.into_iter().flatten().map(|rule| Breach::new(path, line, rule)));
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENING: &str = "//! A room.\n";

    fn count(path: &str, text: &str) -> usize {
        breaches(path, text).len()
    }

    #[test]
    fn a_module_without_an_opening_is_caught() {
        assert_eq!(count("api/src/x.rs", "use std::fmt;\n"), 1);
        assert_eq!(count("api/src/x.rs", OPENING), 0);
        assert_eq!(count("deny.toml", "[bans]\n"), 0);
    }

    #[test]
    fn every_unfinished_word_is_caught_in_rust() {
        for word in UNFINISHED {
            assert_eq!(count("api/src/x.rs", &format!("{OPENING}// {word}\n")), 1, "{word}");
        }
    }

    #[test]
    fn every_place_of_one_machine_is_caught_in_any_file() {
        for place in NOT_PORTABLE {
            assert_eq!(count("docs/x.md", &format!("see {place}x\n")), 1, "{place}");
            assert_eq!(count("api/src/x.rs", &format!("{OPENING}// {place}x\n")), 1, "{place}");
        }
    }

    #[test]
    fn an_ignored_test_is_caught_with_or_without_a_reason() {
        assert_eq!(count("api/src/x.rs", &format!("{OPENING}{IGNORED}]\n")), 1);
        assert_eq!(count("api/src/x.rs", &format!("{OPENING}{IGNORED} = \"slow\"]\n")), 1);
    }
}
