//! Bounds of numbers, lists and texts: the garde attributes of the types, which are also the schema's.

use garde::Validate;

use super::schema::{Schema, bounds};
use crate::violation::{Reason, Violation};

/// Every value of the spec outside its bounds.
pub(super) fn check<S: Validate<Context = ()>>(spec: &S, schema: &Schema, found: &mut Vec<Violation>) {
    let Err(report) = spec.validate() else { return };
    found.extend(report.iter().map(|(path, error)| {
        let path = camel_case(&format!("spec.{path}"));
        let message = schema.at(&path).map_or_else(|| error.message().to_owned(), bounds);
        Violation::new(path, Reason::OutOfRange, message)
    }));
}

/// garde names fields as Rust does; users know them as the manifest does.
fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.extend(c.to_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}
