//! Fields that exclude each other: the CEL rules of the schema, evaluated here as the API server does.

use kube::core::cel::{ErrorKind, Validator};
use serde_json::Value;

use super::schema::Schema;
use crate::violation::{Reason, Violation};

/// Every rule of the schema that `object` breaks. Fails closed: a rule that cannot be evaluated is a violation.
pub(super) fn check(object: &Value, schema: &Schema, found: &mut Vec<Violation>) {
    let Err(errors) = Validator::new().validate_compiled(schema.rules(), object, None) else { return };
    found.extend(errors.into_vec().into_iter().map(|error| {
        let reason = match (error.kind, error.reason.as_deref()) {
            (ErrorKind::ValidationFailure, Some("FieldValueRequired")) => Reason::Required,
            (ErrorKind::ValidationFailure, Some("FieldValueForbidden")) => Reason::Conflict,
            _ => Reason::Invalid,
        };
        Violation::new(error.field_path, reason, error.message)
    }));
}
