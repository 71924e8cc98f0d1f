//! Which rule answers a request: by port, then host, then path, then what else the rule demands.
//!
//! Precedence is that of Gateway API 1.6: the most specific listener is chosen alone; within it the most specific
//! hostname first, falling through to wider ones when none of its rules match; then exact path, regular expression
//! (longest pattern), longest prefix; then method, number of headers, number of query parameters; then the order
//! of the snapshot, which puts older routes first. The cost of a lookup does not grow with the number of routes,
//! but for regular expressions and for rules on the very same path.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use rebound_api::config::Snapshot;
use rebound_api::config::listener::Listener;
use rebound_api::config::route::{PathMatch, Route};
use rebound_api::config::shared::Shared;
use regex::bytes::Regex;

use super::matcher::{Matcher, RequestView, compile_regex};

/// A rule by its place in the snapshot: route, then rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId {
    /// Index of the route.
    pub route: u32,
    /// Index of the rule within its route.
    pub rule: u32,
}

/// The compiled tables of one Gateway.
#[derive(Debug, Default)]
pub struct Router {
    ports: BTreeMap<u16, Hosts<Hosts<Paths>>>,
}

/// Something that is chosen by hostname.
#[derive(Debug)]
struct Hosts<T> {
    exact: HashMap<String, T>,
    /// Keyed by what follows the `*`: `.example.com`.
    wildcard: HashMap<String, T>,
    any: Option<T>,
}

/// The rules of one hostname.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Vec<u8>, Vec<Entry>>,
    prefix: HashMap<Vec<u8>, Vec<Entry>>,
    /// The lengths that occur among the prefixes, longest first: only these are looked up.
    prefix_lengths: Vec<usize>,
    regex: Vec<(Regex, usize, Entry)>,
}

#[derive(Debug)]
struct Entry {
    matcher: Matcher,
    rule: RuleId,
}

/// A regular expression that does not compile.
#[derive(Debug, thiserror::Error)]
#[error("routes[{}].rules[{}].matches[{item}]", rule.route, rule.rule)]
pub struct BadPattern {
    rule: RuleId,
    item: usize,
    #[source]
    source: regex::Error,
}

impl Router {
    /// Compiles a snapshot that has been checked.
    pub fn compile(snapshot: &Snapshot) -> Result<Self, BadPattern> {
        let mut router = Self::default();
        for listener in &snapshot.listeners {
            let port = router.ports.entry(listener.port).or_default();
            let hosts = port.at(listener.hostname.as_deref());
            attach(hosts, listener, &snapshot.routes)?;
        }
        router.ports.values_mut().flat_map(Hosts::values).flat_map(Hosts::values).for_each(Paths::sort);
        Ok(router)
    }

    /// The ports that are listened on.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.keys().copied()
    }

    /// The rule that answers; none: there is none, which is a 404. `host` is in lower case, without a port.
    pub fn find(&self, port: u16, host: &str, request: &impl RequestView) -> Option<RuleId> {
        let listener = self.ports.get(&port)?.candidates(host).next()?;
        listener.candidates(host).find_map(|paths| paths.find(request))
    }
}

fn attach(hosts: &mut Hosts<Paths>, listener: &Listener, routes: &[Shared<Route>]) -> Result<(), BadPattern> {
    for attached in &listener.routes {
        let route = &routes[attached.route as usize];
        if attached.hostnames.is_empty() {
            hosts.at(None).add(attached.route, route)?;
        }
        for hostname in &attached.hostnames {
            hosts.at(Some(hostname)).add(attached.route, route)?;
        }
    }
    Ok(())
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new(), any: None }
    }
}

impl<T: Default> Hosts<T> {
    fn at(&mut self, hostname: Option<&str>) -> &mut T {
        match hostname {
            None => self.any.get_or_insert_default(),
            Some(name) => match name.strip_prefix('*') {
                Some(suffix) => self.wildcard.entry(suffix.into()).or_default(),
                None => self.exact.entry(name.into()).or_default(),
            },
        }
    }
}

impl<T> Hosts<T> {
    fn values(&mut self) -> impl Iterator<Item = &mut T> {
        self.exact.values_mut().chain(self.wildcard.values_mut()).chain(&mut self.any)
    }

    /// Everything whose hostname covers `host`, most specific first. A wildcard stands for one or more labels.
    fn candidates(&self, host: &str) -> impl Iterator<Item = &T> {
        let suffixes = host.char_indices().filter(|(at, c)| *at > 0 && *c == '.').map(|(at, _)| &host[at..]);
        self.exact
            .get(host)
            .into_iter()
            .chain(suffixes.filter_map(|suffix| self.wildcard.get(suffix)))
            .chain(&self.any)
    }
}

impl Paths {
    fn add(&mut self, index: u32, route: &Route) -> Result<(), BadPattern> {
        for (rule_index, rule) in (0..).zip(&route.rules) {
            for (item, wanted) in rule.matches.iter().enumerate() {
                let rule = RuleId { route: index, rule: rule_index };
                let bad = |source| BadPattern { rule, item, source };
                let entry = Entry { matcher: Matcher::compile(wanted).map_err(bad)?, rule };
                match &wanted.path {
                    PathMatch::Exact(path) => self.exact.entry(path.clone().into()).or_default().push(entry),
                    PathMatch::Prefix(path) => {
                        self.prefix.entry(path.clone().into()).or_default().push(entry);
                    }
                    PathMatch::Regex(text) => {
                        self.regex.push((compile_regex(text).map_err(bad)?, text.len(), entry));
                    }
                }
            }
        }
        Ok(())
    }

    /// Stable: equal matches keep the order of the snapshot.
    fn sort(&mut self) {
        for entries in self.exact.values_mut().chain(self.prefix.values_mut()) {
            entries.sort_by_key(|entry| Reverse(entry.matcher.precedence()));
        }
        self.regex.sort_by_key(|(_, length, entry)| Reverse((*length, entry.matcher.precedence())));
        self.prefix_lengths = self.prefix.keys().map(Vec::len).collect();
        self.prefix_lengths.sort_unstable_by_key(|length| Reverse(*length));
        self.prefix_lengths.dedup();
    }

    fn find(&self, request: &impl RequestView) -> Option<RuleId> {
        let path = request.path();
        let first =
            |entries: &[Entry]| entries.iter().find(|entry| entry.matcher.holds(request)).map(|e| e.rule);
        let exact = || self.exact.get(path).and_then(|entries| first(entries));
        let regex = || {
            self.regex
                .iter()
                .find(|(regex, _, entry)| regex.is_match(path) && entry.matcher.holds(request))
                .map(|(_, _, entry)| entry.rule)
        };
        let prefix = || {
            self.prefix_lengths
                .iter()
                .filter_map(|length| prefix_of(path, *length))
                .find_map(|prefix| self.prefix.get(prefix).and_then(|entries| first(entries)))
        };
        exact().or_else(regex).or_else(prefix)
    }
}

/// The first `length` bytes of a path, if they end with a path element. The prefix `/` covers every path.
fn prefix_of(path: &[u8], length: usize) -> Option<&[u8]> {
    let whole_element = length == 1 || path.len() == length || path.get(length) == Some(&b'/');
    path.get(..length).filter(|_| whole_element)
}
