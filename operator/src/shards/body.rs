//! The body of a snapshot file, as a sequence of pieces: what `serde_json` writes for a `Snapshot`.

use super::manifest::Manifest;

/// Passes the pieces to `put`. `texts` are JSON lists in the order of [`Manifest::entries`].
pub(super) fn write<'a>(
    manifest: &Manifest,
    texts: impl IntoIterator<Item = &'a [u8]>,
    mut put: impl FnMut(&[u8]),
) {
    let Manifest { generation, gateway, .. } = manifest;
    let mut texts = texts.into_iter();
    // Names need no escapes.
    put(format!(r#"{{"generation":{generation},"gateway":"{gateway}""#).as_bytes());
    for (name, entries) in manifest.lists() {
        put(format!(r#","{name}":["#).as_bytes());
        for (index, text) in texts.by_ref().take(entries.len()).enumerate() {
            put(if index == 0 { b"" } else { b"," });
            put(items(text));
        }
        put(b"]");
    }
    put(b"}");
}

/// A list without its brackets.
fn items(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text)
}
