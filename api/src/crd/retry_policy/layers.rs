//! Which configuration holds for a port: its own, and below it the one that it inherits, field by field.

use super::config::RetryConfig;
use super::{ListedPort, RetryPolicySpec, Written};

/// The configurations of one scope, the strongest first. At least one.
#[derive(Debug, Clone)]
pub(super) struct Layers<'a>(Vec<Written<'a>>);

/// Every scope for which the policy has rules: its listed ports, or, as none, every port.
pub(super) fn in_force<'a>(spec: &'a RetryPolicySpec) -> Vec<(Option<u16>, Layers<'a>)> {
    if spec.ports.is_none() {
        return Layers::of_policy(spec).into_iter().map(|layers| (None, layers)).collect();
    }
    // A port outside its bounds has been reported; 0 is no port of anything.
    let number = |port: i32| u16::try_from(port).unwrap_or(0);
    let of_port = |port: ListedPort<'a>| Some((Some(number(port.port)), Layers::of_port(spec, &port)?));
    spec.ports().filter_map(of_port).collect()
}

/// A value, and where the user wrote it.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) path: String,
    pub(super) value: T,
}

impl<'a> Layers<'a> {
    /// Of a listed port; none if neither it nor the policy has a configuration.
    pub(super) fn of_port(spec: &'a RetryPolicySpec, port: &ListedPort<'a>) -> Option<Self> {
        let layers: Vec<_> = port.configs.iter().cloned().chain(spec.configs()).collect();
        (!layers.is_empty()).then_some(Self(layers))
    }

    /// Of the policy's own configuration alone.
    pub(super) fn of_policy(spec: &'a RetryPolicySpec) -> Option<Self> {
        let layers: Vec<_> = spec.configs().collect();
        (!layers.is_empty()).then_some(Self(layers))
    }

    /// The value of a field in the strongest layer that has it.
    pub(super) fn pick<T>(
        &self,
        field: &str,
        read: impl Fn(&'a RetryConfig) -> Option<T>,
    ) -> Option<Found<T>> {
        self.0.iter().find_map(|layer| {
            read(layer.config).map(|value| Found { path: format!("{}.{field}", layer.path), value })
        })
    }

    /// The same where nobody asks for the place.
    pub(super) fn value<T>(&self, read: impl Fn(&'a RetryConfig) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|layer| read(layer.config))
    }

    /// Where the strongest configuration stands.
    pub(super) fn path(&self) -> &str {
        self.0.first().map_or("spec", |layer| layer.path.as_str())
    }

    /// Where each configuration stands.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|layer| layer.path.as_str())
    }
}
