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
