//! Reads a bundle from its folder: nothing but names and bytes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::Context;

/// The name of the image's recipe, as messages have it.
pub const DOCKERFILE: &str = "bundle.Dockerfile";

/// The files of a bundle.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// By path from the bundle's folder, such as `metadata/annotations.yaml`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The recipe of the image, which lies beside the folder and is named after it.
    pub dockerfile: Option<String>,
}

impl Folder {
    /// Reads all of it.
    ///
    /// # Errors
    /// When the folder is not there, or a file cannot be read.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        walk(folder, "", &mut files).with_context(|| format!("read {}", folder.display()))?;
        let recipe = folder.with_file_name(format!(
            "{}.Dockerfile",
            folder.file_name().and_then(OsStr::to_str).unwrap_or_default()
        ));
        Ok(Self { files, dockerfile: fs::read_to_string(recipe).ok() })
    }

    /// The files directly in one of its folders.
    pub(super) fn inside<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let files =
            self.files.iter().filter(move |(path, _)| path.rsplit_once('/').is_some_and(|it| it.0 == folder));
        files.map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}
