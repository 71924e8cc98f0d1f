//! The house rules that a compiler cannot know: who may use whom, how a module opens, what never enters a file.
//!
//! Every rule is a pure function over the text of files; this room collects the files and asks each rule.

mod imports;
mod mentions;
mod texts;
mod tokens;
mod trees;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::programs::workspace;
use crate::{bundle, generate, say, sources};

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// File, relative to the workspace, or the command that shows the breach.
    pub place: String,
    /// Line in the file, from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// The rule, in words.
    pub rule: String,
}

impl Breach {
    fn new(place: &str, line: usize, rule: String) -> Self {
        Self { place: place.to_owned(), line, rule }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.rule),
            line => write!(f, "{}:{line}: {}", self.place, self.rule),
        }
    }
}

/// `cargo xtask tidy`.
///
/// # Errors
/// When a file cannot be read or cargo fails.
pub fn run() -> anyhow::Result<ExitCode> {
    let breaches = breaches()?;
    for breach in &breaches {
        say::result(&breach.to_string());
    }
    say::result(&format!("{} breaches of the house rules", breaches.len()));
    Ok(if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every breach in the project.
///
/// # Errors
/// When a file cannot be read or cargo fails.
pub fn breaches() -> anyhow::Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    for path in sources::list(&["rs", "toml", "yaml", "md", "json", "sh"])? {
        let text = fs::read_to_string(workspace().join(&path))?;
        breaches.extend(of_file(&slashes(&path), &text));
    }
    breaches.extend(trees::breaches()?);
    let stale = generate::stale()?.into_iter();
    breaches.extend(stale.map(|path| Breach::new(&path, 0, "stale: run `cargo xtask gen`".to_owned())));
    let faults = bundle::check(&workspace().join("bundle"))?.into_iter();
    breaches.extend(faults.map(|fault| Breach::new("bundle", 0, fault.to_string())));
    Ok(breaches)
}

fn of_file(path: &str, text: &str) -> Vec<Breach> {
    let mut breaches = texts::breaches(path, text);
    if path.ends_with(".rs") {
        breaches.extend(imports::breaches(path, text));
    }
    breaches
}

fn slashes(path: &std::path::Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The path of the module that a file holds: `dataplane/src/retry/decide.rs` is `dataplane::retry::decide`.
fn module_of(path: &str) -> Vec<String> {
    let path = PathBuf::from(path.trim_end_matches(".rs"));
    let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.get(1).is_some_and(|part| part == "src") {
        parts.remove(1);
    }
    if parts.last().is_some_and(|part| part == "lib" || part == "main" || part == "mod") {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let breaches: Vec<_> = breaches().unwrap().iter().map(Breach::to_string).collect();
        assert_eq!(breaches, Vec::<String>::new());
    }

    #[test]
    fn a_file_is_a_module() {
        assert_eq!(module_of("dataplane/src/retry/decide.rs"), ["dataplane", "retry", "decide"]);
        assert_eq!(module_of("dataplane/src/retry.rs"), ["dataplane", "retry"]);
        assert_eq!(module_of("api/src/lib.rs"), ["api"]);
    }
}
