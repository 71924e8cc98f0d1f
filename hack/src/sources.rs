//! The files of the project, whether git knows them yet or not; never what a build has made.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::programs::workspace;

/// Folders that hold what was built or fetched.
const NOT_SOURCES: [&str; 2] = ["target", ".git"];

/// Paths relative to the workspace of all files with one of these extensions, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn list(extensions: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(Path::new(""), &mut found)?;
    let wanted = |path: &PathBuf| extensions.iter().any(|ext| path.extension() == Some(OsStr::new(ext)));
    found.retain(wanted);
    found.sort_unstable();
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(workspace().join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            found.push(path);
        } else if !NOT_SOURCES.iter().any(|name| entry.file_name() == *name) {
            walk(&path, found)?;
        }
    }
    Ok(())
}
