//! The order of reports: that of the document.

use serde_json::Value;

/// Where `path` stands in `object`: the position at each step down. Compares as the document reads; what is missing
/// comes after what is there.
pub(super) fn position(object: &Value, path: &str) -> Vec<usize> {
    let mut node = object;
    let mut positions = Vec::new();
    for step in path.split(['.', '[']) {
        let Some((position, child)) = child(node, step) else {
            positions.push(usize::MAX);
            break;
        };
        positions.push(position);
        node = child;
    }
    positions
}

fn child<'a>(node: &'a Value, step: &str) -> Option<(usize, &'a Value)> {
    if let Some(index) = step.strip_suffix(']') {
        let index: usize = index.parse().ok()?;
        return Some((index, node.get(index)?));
    }
    node.as_object()?
        .iter()
        .enumerate()
        .find_map(|(position, (name, child))| (name == step).then_some((position, child)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_stand_as_the_document_reads_and_what_is_missing_comes_last() {
        let object = json!({ "a": { "b": [1, { "c": 2 }], "d": 3 }, "e": 4 });
        let paths =
            ["a", "a.b", "a.b[0]", "a.b[1]", "a.b[1].c", "a.b[1].x", "a.b[2]", "a.d", "a.x", "e", "x"];
        let positions: Vec<_> = paths.iter().map(|path| position(&object, path)).collect();
        assert!(positions.is_sorted(), "{positions:?}");
    }
}
