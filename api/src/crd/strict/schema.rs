//! The schema that the API server gets, and the forms in which the checks here need it. Made from the Rust types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use kube::core::cel::{CompiledSchema, compile_schema};

use apiextensions::{CustomResourceDefinition, JSONSchemaProps};
use apiextensions::{JSONSchemaPropsOrArray as Items, JSONSchemaPropsOrBool as Entries};

/// The schema of a kind.
#[derive(Debug)]
pub(in crate::crd) struct Schema {
    root: JSONSchemaProps,
    rules: CompiledSchema,
}

impl Schema {
    /// The schema of a whole object, with the fields that Kubernetes adds to every kind. The status is not looked
    /// into: it is for controllers to write, and ours is not the only one.
    pub(in crate::crd) fn of(definition: CustomResourceDefinition) -> Self {
        let versions = definition.spec.versions.into_iter();
        let mut root = versions.filter_map(|it| it.schema?.open_api_v3_schema).next().unwrap_or_default();
        let properties = root.properties.get_or_insert_default();
        let opaque = |type_: &str| JSONSchemaProps { type_: Some(type_.into()), ..Default::default() };
        properties.insert("status".into(), opaque("object"));
        for (name, type_) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            properties.insert(name.into(), opaque(type_));
            root.required.get_or_insert_default().push(name.into());
        }
        let rules = compile_schema(&serde_json::to_value(&root).unwrap_or_default());
        Self { root, rules }
    }

    /// The node of a whole object.
    pub(super) fn root(&self) -> &JSONSchemaProps {
        &self.root
    }

    /// The CEL rules.
    pub(super) fn rules(&self) -> &CompiledSchema {
        &self.rules
    }

    /// The node that `path` leads to.
    pub(super) fn at(&self, path: &str) -> Option<&JSONSchemaProps> {
        let mut node = &self.root;
        for step in path.split(['.', '[']) {
            node = if step.ends_with(']') { item(node)? } else { node.properties.as_ref()?.get(step)? };
        }
        Some(node)
    }
}

/// The definition of a kind as it is installed.
///
/// No field is `nullable`, although the Rust types can be absent: the API server then treats a null as if the field
/// were not there, also where the schema lists the allowed values.
pub(in crate::crd) fn without_nulls(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let versions = definition.spec.versions.iter_mut();
    versions.filter_map(|it| it.schema.as_mut()?.open_api_v3_schema.as_mut()).for_each(refuse_null);
    definition
}

/// The bounds of a node in words: `must be 0 to 10`.
pub(super) fn bounds(node: &JSONSchemaProps) -> String {
    let count = |bound: Option<i64>| bound.map(|bound| bound.to_string());
    let number = |bound: Option<f64>| bound.map(|bound| bound.to_string());
    match node.type_.as_deref() {
        Some("array") => format!("must hold {} items", span(count(node.min_items), count(node.max_items))),
        Some("string") => {
            format!("must have {} characters", span(count(node.min_length), count(node.max_length)))
        }
        _ => format!("must be {}", span(number(node.minimum), number(node.maximum))),
    }
}

fn span(min: Option<String>, max: Option<String>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "smaller".into(),
    }
}

/// The schema of an array's items.
pub(super) fn item(node: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match node.items.as_ref()? {
        Items::Schema(schema) => Some(schema),
        Items::Schemas(_) => None,
    }
}

/// The schema of a map's values.
pub(super) fn entry(node: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match node.additional_properties.as_ref()? {
        Entries::Schema(schema) => Some(schema),
        Entries::Bool(_) => None,
    }
}

fn refuse_null(node: &mut JSONSchemaProps) {
    node.nullable = None;
    node.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(refuse_null);
    if let Some(Items::Schema(item)) = &mut node.items {
        refuse_null(item);
    }
}
