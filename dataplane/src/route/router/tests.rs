//! Precedence, table by table. Every rule has a name, and a request is answered by the rule of that name.

use std::borrow::Cow;

use rebound_api::config::listener::{Attached, Protocol};
use rebound_api::config::route::{Backend, HeaderEdits, Match, Rule, ValueMatch, ValuePattern};
use rebound_api::name::Generation;

use super::*;

/// `GET example.com/` without anything, unless changed by verbs.
struct Asked {
    host: &'static str,
    method: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
}

impl RequestView for Asked {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.map(str::as_bytes)
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let found = self.headers.iter().find(|(candidate, _)| *candidate == name);
        found.map(|(_, value)| Cow::Borrowed(value.as_bytes()))
    }
}

fn get(path: &'static str) -> Asked {
    Asked { host: "example.com", method: "GET", path, query: None, headers: vec![] }
}

impl Asked {
    fn at(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn query(self, query: &'static str) -> Self {
        Self { query: Some(query), ..self }
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

fn on(path: PathMatch) -> Match {
    Match { path, method: None, headers: vec![], query: vec![] }
}

fn exact(path: &str) -> Match {
    on(PathMatch::Exact(path.into()))
}

fn prefix(path: &str) -> Match {
    on(PathMatch::Prefix(path.into()))
}

fn regex(path: &str) -> Match {
    on(PathMatch::Regex(path.into()))
}

fn value((name, value): (&str, &str)) -> ValueMatch {
    ValueMatch { name: name.into(), value: ValuePattern::Exact(value.into()) }
}

trait Demanding {
    fn method(self, method: &str) -> Self;
    fn headers(self, headers: &[(&str, &str)]) -> Self;
    fn parameters(self, query: &[(&str, &str)]) -> Self;
}

impl Demanding for Match {
    fn method(self, method: &str) -> Self {
        Self { method: Some(method.into()), ..self }
    }

    fn headers(self, headers: &[(&str, &str)]) -> Self {
        Self { headers: headers.iter().copied().map(value).collect(), ..self }
    }

    fn parameters(self, query: &[(&str, &str)]) -> Self {
        Self { query: query.iter().copied().map(value).collect(), ..self }
    }
}

/// A route, whose rules have one match each.
fn route(matches: impl IntoIterator<Item = Match>) -> Route {
    let rule = |item| Rule {
        matches: vec![item],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        request_timeout_ms: None,
        attempt_timeout_ms: None,
        backends: Vec::<Backend>::new(),
    };
    Route { name: "ns/route".parse().unwrap(), rules: matches.into_iter().map(rule).collect() }
}

fn listener(hostname: Option<&str>, routes: &[(u32, &[&str])]) -> Listener {
    let attached = |(route, hostnames): &(u32, &[&str])| Attached {
        route: *route,
        hostnames: hostnames.iter().map(ToString::to_string).collect(),
    };
    Listener {
        name: "listener".into(),
        port: 80,
        protocol: Protocol::Http,
        hostname: hostname.map(Into::into),
        routes: routes.iter().map(attached).collect(),
    }
}

struct Table(Router);

impl Table {
    fn new(listeners: Vec<Listener>, routes: Vec<Route>) -> Self {
        let gateway = "ns/gateway".parse().unwrap();
        let listeners = listeners.into_iter().map(Into::into).collect();
        let routes = routes.into_iter().map(Into::into).collect();
        let snapshot = Snapshot { generation: Generation(1), gateway, listeners, routes, clusters: vec![] };
        Self(Router::compile(&snapshot).unwrap())
    }

    /// One route for every host.
    fn of(matches: impl IntoIterator<Item = Match>) -> Self {
        Self::new(vec![listener(None, &[(0, &[])])], vec![route(matches)])
    }

    fn answer(&self, asked: &Asked) -> Option<(u32, u32)> {
        self.0.find(80, asked.host, asked).map(|id| (id.route, id.rule))
    }

    /// By the rule of the only route; none: by nobody.
    #[track_caller]
    fn gives(&self, asked: &Asked, rule: impl Into<Option<u32>>) {
        assert_eq!(self.answer(asked), rule.into().map(|rule| (0, rule)), "{} {}", asked.method, asked.path);
    }

    #[track_caller]
    fn leads_to(&self, asked: &Asked, route: impl Into<Option<u32>>) {
        assert_eq!(self.answer(asked).map(|(route, _)| route), route.into(), "{}{}", asked.host, asked.path);
    }
}

#[test]
fn an_exact_path_goes_before_an_expression_and_that_before_a_prefix() {
    let table = Table::of([prefix("/a/b"), regex("/a/.*"), exact("/a/b")]);
    table.gives(&get("/a/b"), 2);
    table.gives(&get("/a/b/c"), 1);
    let table = Table::of([prefix("/a"), exact("/a")]);
    table.gives(&get("/a"), 1);
    table.gives(&get("/a/"), 0);
}

#[test]
fn the_longest_prefix_goes_first() {
    let table = Table::of([prefix("/"), prefix("/a/b"), prefix("/a"), prefix("/a/b/c/d")]);
    table.gives(&get("/a/b/c"), 1);
    table.gives(&get("/a/x"), 2);
    table.gives(&get("/x"), 0);
    table.gives(&get("/a/b/c/d/e"), 3);
}

#[test]
fn a_prefix_ends_with_a_path_element() {
    let table = Table::of([prefix("/foo")]);
    for path in ["/foo", "/foo/", "/foo/bar"] {
        table.gives(&get(path), 0);
    }
    for path in ["/foobar", "/fo", "/Foo", "/", "", "foo", "/bar/foo"] {
        table.gives(&get(path), None);
    }
}

#[test]
fn the_longest_expression_goes_first_and_must_match_the_whole_path() {
    let table = Table::of([regex("/a.*"), regex("/ab.*"), regex("(?i)/case")]);
    table.gives(&get("/abc"), 1);
    table.gives(&get("/ac"), 0);
    table.gives(&get("/x/abc"), None);
    table.gives(&get("/CASE"), 2);
    table.gives(&get("/CASE/"), None);
    Table::of([regex("/a|/b")]).gives(&get("/bc"), None);
}

#[test]
fn an_exact_path_whose_demands_are_not_met_leaves_the_request_to_others() {
    let table = Table::of([exact("/a").method("POST"), prefix("/a").method("PUT"), prefix("/")]);
    table.gives(&get("/a").by("POST"), 0);
    table.gives(&get("/a").by("PUT"), 1);
    table.gives(&get("/a"), 2);
}

#[test]
fn a_method_goes_before_headers_and_those_before_query_parameters() {
    let table = Table::of([
        prefix("/"),
        prefix("/").parameters(&[("q", "1"), ("r", "2")]),
        prefix("/").headers(&[("a", "1")]),
        prefix("/").method("GET"),
    ]);
    let full = || get("/").header("a", "1").query("q=1&r=2");
    table.gives(&full(), 3);
    table.gives(&full().by("PUT"), 2);
    table.gives(&get("/").by("PUT").query("r=2&q=1"), 1);
    table.gives(&get("/").by("PUT").query("q=1"), 0);
}

#[test]
fn more_headers_go_first_and_then_more_query_parameters() {
    let table = Table::of([
        prefix("/").headers(&[("a", "1")]),
        prefix("/").headers(&[("a", "1"), ("b", "2")]),
        prefix("/").headers(&[("a", "1")]).parameters(&[("q", "1")]),
    ]);
    table.gives(&get("/").header("a", "1").header("b", "2").query("q=1"), 1);
    table.gives(&get("/").header("a", "1").query("q=1"), 2);
    table.gives(&get("/").header("a", "1"), 0);
    table.gives(&get("/").header("a", "2"), None);
}

#[test]
fn a_longer_path_goes_before_every_other_demand() {
    let table = Table::of([prefix("/").method("GET").headers(&[("a", "1")]), prefix("/a")]);
    table.gives(&get("/a").header("a", "1"), 1);
}

#[test]
fn between_equals_the_first_rule_of_the_oldest_route_goes_first() {
    let table = Table::of([prefix("/a").method("GET"), prefix("/a").method("GET")]);
    table.gives(&get("/a"), 0);
    let both = Table::new(
        vec![listener(None, &[(0, &[]), (1, &[])])],
        vec![route([prefix("/b"), prefix("/a")]), route([prefix("/a")])],
    );
    assert_eq!(both.answer(&get("/a")), Some((0, 1)));
}

#[test]
fn each_match_of_a_rule_stands_for_itself() {
    let mut several = route([exact("/a")]);
    several.rules[0].matches.push(exact("/b").method("PUT"));
    let table = Table::new(vec![listener(None, &[(0, &[])])], vec![several]);
    table.gives(&get("/a"), 0);
    table.gives(&get("/b").by("PUT"), 0);
    table.gives(&get("/b"), None);
}

#[test]
fn methods_are_compared_with_regard_to_case() {
    Table::of([prefix("/").method("GET")]).gives(&get("/").by("get"), None);
}

#[test]
fn header_expressions_must_match_the_whole_value() {
    let pattern = ValueMatch { name: "v".into(), value: ValuePattern::Regex("1|22".into()) };
    let table = Table::of([Match { headers: vec![pattern], ..prefix("/") }]);
    for (value, rule) in [("1", Some(0)), ("22", Some(0)), ("12", None), ("221", None), ("", None)] {
        table.gives(&get("/").header("v", value), rule);
    }
    table.gives(&get("/"), None);
}

/// Routes 0 to 3: this host, its children, its grandchildren, every host.
fn hosts() -> Table {
    let names: [&[&str]; 4] = [&["a.example.com"], &["*.example.com"], &["*.deep.example.com"], &[]];
    let attached: Vec<_> = (0..).zip(names).collect();
    let paths = ["/only-exact", "/only-wildcard", "/only-deep", "/only-any"];
    let routes = paths.map(|path| route([exact(path), prefix("/all")]));
    Table::new(vec![listener(None, &attached)], routes.into())
}

#[test]
fn the_most_specific_hostname_goes_first() {
    let table = hosts();
    table.leads_to(&get("/all").at("a.example.com"), 0);
    table.leads_to(&get("/all").at("b.example.com"), 1);
    table.leads_to(&get("/all").at("x.y.example.com"), 1);
    table.leads_to(&get("/all").at("x.deep.example.com"), 2);
    table.leads_to(&get("/all").at("deep.example.com"), 1);
    table.leads_to(&get("/all").at("example.com"), 3);
    table.leads_to(&get("/all").at(""), 3);
}

#[test]
fn a_wildcard_stands_for_whole_labels() {
    let table = hosts();
    table.leads_to(&get("/all").at("badexample.com"), 3);
    table.leads_to(&get("/all").at(".example.com"), 3);
    table.leads_to(&get("/only-wildcard").at("a.example.com.evil.test"), None);
}

#[test]
fn a_hostname_without_a_matching_rule_leaves_the_request_to_wider_ones() {
    let table = hosts();
    table.leads_to(&get("/only-wildcard").at("a.example.com"), 1);
    table.leads_to(&get("/only-any").at("a.example.com"), 3);
    table.leads_to(&get("/only-any").at("x.deep.example.com"), 3);
    table.leads_to(&get("/only-exact").at("b.example.com"), None);
}

#[test]
fn the_most_specific_listener_answers_alone() {
    let routes = vec![route([prefix("/wide")]), route([prefix("/narrow")]), route([prefix("/one")])];
    let listeners = vec![
        listener(None, &[(0, &[])]),
        listener(Some("*.example.com"), &[(1, &["*.example.com"])]),
        listener(Some("one.example.com"), &[(2, &["one.example.com"])]),
    ];
    let table = Table::new(listeners, routes);
    table.leads_to(&get("/wide").at("other.test"), 0);
    table.leads_to(&get("/narrow").at("a.example.com"), 1);
    table.leads_to(&get("/one").at("one.example.com"), 2);
    table.leads_to(&get("/wide").at("a.example.com"), None);
    table.leads_to(&get("/narrow").at("one.example.com"), None);
}

#[test]
fn a_port_without_a_listener_answers_nothing() {
    let table = Table::of([prefix("/")]);
    assert_eq!(table.0.find(81, "example.com", &get("/")), None);
    assert_eq!(table.0.ports().collect::<Vec<_>>(), [80]);
}

#[test]
fn a_bad_expression_is_told_with_its_place() {
    let bad = Snapshot {
        generation: Generation(1),
        gateway: "ns/gateway".parse().unwrap(),
        listeners: vec![listener(None, &[(0, &[])]).into()],
        routes: vec![route([prefix("/"), regex("(")]).into()],
        clusters: vec![],
    };
    let error = Router::compile(&bad).unwrap_err();
    assert_eq!(error.to_string(), "routes[0].rules[1].matches[0]");
    assert!(error.source.to_string().contains("unclosed group"), "{}", error.source);
}
