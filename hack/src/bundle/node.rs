//! A place in an object: a value that knows its file and its path, so that whoever finds a fault can say where.

use serde_json::Value;

use super::fault::{Fault, Finding};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) file: &'a str,
    pub(super) path: String,
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(file: &'a str, value: &'a Value) -> Self {
        Self { file, path: String::new(), value }
    }

    /// A field, which may not be there. Dots lead further in.
    pub(super) fn at(&self, path: &str) -> Self {
        let value = path.split('.').fold(self.value, |value, name| &value[name]);
        self.child(path, value)
    }

    /// A field whose name has dots.
    pub(super) fn key(&self, name: &str) -> Self {
        self.child(name, &self.value[name])
    }

    /// The items of a list; none if it is not one.
    pub(super) fn items(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        let item = |(at, value)| Self { file: self.file, path: format!("{}[{at}]", self.path), value };
        items.map(item).collect()
    }

    /// The text here; empty if there is none.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// The texts of a list of texts.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        self.items().iter().map(Self::text).collect()
    }

    /// Whether there is nothing: no value, or an empty one.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    pub(super) fn finding(&self, fault: Fault, message: impl Into<String>) -> Finding {
        Finding { fault, file: self.file.to_owned(), path: self.path.clone(), message: message.into() }
    }

    fn child(&self, name: &str, value: &'a Value) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { file: self.file, path, value }
    }
}
