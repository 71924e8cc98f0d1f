//! From paths to manifests. The only file of this room that touches the disk.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Document, documents};
use super::finding::{Finding, Severity};
use super::manifest::Manifest;

/// The largest file that is read.
pub(super) const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The most files that are read from one folder.
pub(super) const FILES_MAX: usize = 10_000;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The files that the paths stand for, sorted and each once.
pub(super) fn list(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Finding>) {
    let mut files = Vec::new();
    let mut findings = Vec::new();
    for path in paths {
        match expand(path) {
            Ok(found) => files.extend(found),
            Err(error) => findings.push(unreadable(path, &error.to_string())),
        }
    }
    files.sort();
    files.dedup();
    (files, findings)
}

/// The objects of a file, and those documents in it that are none. Fails as a whole when the file does not parse, and
/// when nothing stands in it: between the two steps of a slow write every file is empty.
pub(super) fn manifests(path: &Path, namespace: &str) -> Result<(Vec<Manifest>, Vec<Finding>), Finding> {
    let text = read(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidData => unparsable(path, 1, "it is not UTF-8 text"),
        _ => unreadable(path, &error.to_string()),
    })?;
    if text.is_empty() {
        return Err(empty(path));
    }
    let file: Arc<Path> = path.into();
    let parsed = documents(&text).map_err(|bad| unparsable(path, bad.line, &bad.message))?;
    let mut manifests = Vec::new();
    let mut findings = Vec::new();
    for document in parsed.into_iter().flat_map(Document::flatten) {
        match Manifest::new(file.clone(), document, namespace) {
            Ok(manifest) => manifests.push(manifest),
            Err(finding) => findings.push(finding),
        }
    }
    Ok((manifests, findings))
}

fn expand(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.into()]);
    }
    let is_manifest = |path: &PathBuf| {
        let extension = path.extension().and_then(|it| it.to_str());
        path.is_file() && extension.is_some_and(|it| EXTENSIONS.contains(&it))
    };
    let entries = std::fs::read_dir(path)?.filter_map(|entry| entry.ok().map(|it| it.path()));
    let mut files: Vec<_> = entries.filter(is_manifest).take(FILES_MAX + 1).collect();
    if files.len() > FILES_MAX {
        return Err(std::io::Error::other(format!("the folder has more than {FILES_MAX} manifests")));
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    if length as u64 > FILE_MAX_BYTES {
        return Err(std::io::Error::other(format!("the file has more than {FILE_MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn unparsable(path: &Path, line: u64, message: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        file: path.into(),
        line,
        path: String::new(),
        message: format!("does not parse: {message}"),
    }
}

fn empty(path: &Path) -> Finding {
    Finding {
        severity: Severity::Warning,
        file: path.into(),
        line: 1,
        path: String::new(),
        message: "the file is empty; what it held stays in effect until the file is removed".into(),
    }
}

fn unreadable(path: &Path, message: &str) -> Finding {
    Finding {
        severity: Severity::Unreadable,
        file: path.into(),
        line: 1,
        path: String::new(),
        message: format!("cannot be read: {message}"),
    }
}
