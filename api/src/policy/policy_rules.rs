//! What a whole policy means: the rules of every port, or of listed ports.

use std::collections::BTreeMap;

use super::retry::RetryRules;

/// The rules of one policy for the ports of its targets. Defaults are resolved and ports merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRules {
    enabled: bool,
    scope: Scope,
}

/// Which ports a policy speaks about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    EveryPort(RetryRules),
    Listed(BTreeMap<u16, RetryRules>),
}

impl PolicyRules {
    /// One set of rules for every port of the targets.
    pub fn every_port(rules: RetryRules) -> Self {
        Self { enabled: true, scope: Scope::EveryPort(rules) }
    }

    /// Rules for listed ports; the others get none.
    pub fn listed(rules: BTreeMap<u16, RetryRules>) -> Self {
        Self { enabled: true, scope: Scope::Listed(rules) }
    }

    /// The same policy, switched off: it keeps its ports, so that no younger policy steps in, and retries nothing.
    #[must_use]
    pub fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }

    /// The rules of a port; none: the policy is silent about the port or switched off.
    pub fn for_port(&self, port: u16) -> Option<&RetryRules> {
        self.enabled.then(|| self.scope.at(port)).flatten()
    }

    /// Whether the policy claims the port, also when it is switched off.
    pub fn covers(&self, port: u16) -> bool {
        self.scope.at(port).is_some()
    }

    /// The ports that the policy lists, ascending; none: it speaks about every port.
    pub fn listed_ports(&self) -> Option<impl Iterator<Item = u16>> {
        match &self.scope {
            Scope::EveryPort(_) => None,
            Scope::Listed(rules) => Some(rules.keys().copied()),
        }
    }

    /// False with `mode: Disabled`.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }
}

impl Scope {
    fn at(&self, port: u16) -> Option<&RetryRules> {
        match self {
            Self::EveryPort(rules) => Some(rules),
            Self::Listed(rules) => rules.get(&port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RetryRules {
        RetryRules::default()
    }

    #[test]
    fn ports_that_are_not_listed_get_nothing() {
        let policy = PolicyRules::listed([(8080, rules())].into());
        assert_eq!(policy.for_port(8080), Some(&rules()));
        assert_eq!(policy.for_port(80), None);
        assert!(!policy.covers(80));
        assert_eq!(policy.listed_ports().map(Iterator::collect), Some(vec![8080]));
    }

    #[test]
    fn a_policy_without_ports_speaks_about_all() {
        let policy = PolicyRules::every_port(rules());
        assert!([1, 80, 65535].iter().all(|port| policy.for_port(*port) == Some(&rules())));
        assert!(policy.listed_ports().is_none());
    }

    #[test]
    fn a_policy_that_is_switched_off_keeps_its_ports_and_retries_nothing() {
        let policy = PolicyRules::listed([(8080, rules())].into()).disabled();
        assert_eq!(policy.for_port(8080), None);
        assert!(policy.covers(8080) && !policy.covers(80) && !policy.is_enabled());
    }
}
