//! One YAML or JSON file to objects, each with the line of every field.
//!
//! Absent: what the objects mean. A file either parses as a whole or not at all.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Options, Spanned};

/// The most documents in one file.
pub const DOCUMENTS_MAX: usize = 10_000;
/// The most values in one file.
pub const NODES_MAX: usize = 1_000_000;
/// The most values that aliases of one file may repeat: a few lines of YAML can stand for terabytes.
pub const ALIASED_MAX: usize = 100_000;
/// The deepest nesting of values.
pub const DEPTH_MAX: usize = 64;

/// A value and where its parts stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub value: Value,
    pub lines: Lines,
}

/// The line of every field of a document, by its path (`spec.ports[0].config`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines {
    first: u64,
    by_path: BTreeMap<String, u64>,
}

/// Why a file is not YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDocument {
    pub line: u64,
    pub message: String,
}

/// The documents of a file; those that hold nothing are left out.
pub fn documents(text: &str) -> Result<Vec<Document>, BadDocument> {
    let parsed: Vec<Spanned<Tree>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| BadDocument {
            line: error.location().map_or(1, |at| at.line()),
            message: error.without_snippet().to_string(),
        })?;
    let filled = parsed.into_iter().filter(|node| !matches!(node.value, Tree::Scalar(Value::Null)));
    Ok(filled.map(Document::new).collect())
}

impl Document {
    fn new(node: Spanned<Tree>) -> Self {
        let mut lines = Lines { first: node.referenced.line(), by_path: BTreeMap::new() };
        let value = lines.record(String::new(), node);
        Self { value, lines }
    }

    /// The members of a `List`, or the document itself.
    pub fn flatten(mut self) -> Vec<Self> {
        let is_list = self.value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        let items = match self.value.get_mut("items") {
            Some(Value::Array(items)) if is_list => std::mem::take(items),
            _ => return vec![self],
        };
        let member = |(index, value)| Self { value, lines: self.lines.below(&format!("items[{index}]")) };
        items.into_iter().enumerate().map(member).collect()
    }
}

impl Lines {
    /// The line of a field, or of the closest field around it when it is not there.
    pub fn of(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(line) = self.by_path.get(path) {
                return *line;
            }
            let Some(end) = path.rfind(['.', '[']) else { return self.first };
            path = &path[..end];
        }
    }

    fn below(&self, prefix: &str) -> Self {
        let start = format!("{prefix}.");
        let inner = self.by_path.range(start.clone()..).map_while(|(path, line)| {
            let rest = path.strip_prefix(&start)?;
            Some((rest.to_owned(), *line))
        });
        Self { first: self.of(prefix), by_path: inner.collect() }
    }

    fn record(&mut self, path: String, node: Spanned<Tree>) -> Value {
        let value = match node.value {
            Tree::Scalar(value) => value,
            Tree::List(items) => self.record_list(&path, items),
            Tree::Map(fields) => self.record_map(&path, fields),
        };
        // A field's own line was recorded with its key; the root and the items of lists have no key.
        self.by_path.entry(path).or_insert(node.referenced.line());
        value
    }

    fn record_list(&mut self, path: &str, items: Vec<Spanned<Tree>>) -> Value {
        let items = items.into_iter().enumerate();
        Value::Array(items.map(|(index, item)| self.record(format!("{path}[{index}]"), item)).collect())
    }

    fn record_map(&mut self, path: &str, fields: Vec<(Spanned<String>, Spanned<Tree>)>) -> Value {
        let mut map = Map::new();
        for (key, node) in fields {
            let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
            self.by_path.insert(path.clone(), key.referenced.line());
            map.insert(key.value, self.record(path, node));
        }
        Value::Object(map)
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_depth: DEPTH_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIASED_MAX,
        },
    }
}

/// A parsed value whose parts still know their places.
enum Tree {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Map(fields))
    }
}
