//! What holds for every manifest, not only for those that somebody thought of.
#![cfg(feature = "crd")]
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::sync::LazyLock;

use garde::Validate;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rebound_api::crd;
use rebound_api::crd::gateway_config::{self, Scale, Seccomp};
use rebound_api::crd::retry_policy::{Checked, RetryPolicySpec, check};
use rebound_api::policy::retry::{REPLAY_LIMIT_BYTES, RETRIES_MAX, RetryRules, WINDOW_MAX, WINDOW_MIN};
use serde_json::{Map, Value, json};

/// The schema of the spec, as the API server gets it.
static SPEC: LazyLock<Value> = LazyLock::new(|| {
    let definitions = serde_json::to_value(crd::all()).expect("a definition has text");
    definitions[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
});

/// A policy with every field in it.
fn full() -> Value {
    let manifest = include_str!("data/policies/everything_that_can_be_written.yaml");
    serde_saphyr::from_str(manifest).expect("a golden that is accepted")
}

/// A configuration with every field in it that has an effect.
fn full_config() -> Value {
    let manifest = include_str!("data/configs/everything_that_can_be_written.yaml");
    serde_saphyr::from_str(manifest).expect("a golden that is accepted")
}

/// Every place in a value, as a JSON pointer.
fn places(value: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, found: &mut Vec<String>) {
        found.push(at.into());
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, it)| walk(&format!("{at}/{name}"), it, found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, it)| walk(&format!("{at}/{i}"), it, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", value, &mut found);
    found
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = select(vec![
        "5xx", "503", "6xx", "2s", "0s", "1h", "64Ki", "Full", "Disabled", "Service", "GET", "true", "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_i64..20).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let name = prop_oneof![
            "[a-zA-Z]{1,12}",
            select(vec!["retryOn", "config", "retry", "port", "mode", "name"]).prop_map(String::from)
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// One way to spoil a manifest.
#[derive(Debug, Clone)]
enum Spoil {
    Replace(Value),
    Remove,
    Rename(String),
    Append(Value),
}

fn any_spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        3 => any_json().prop_map(Spoil::Replace),
        1 => Just(Spoil::Remove),
        1 => "[a-zA-Z.\\[\\]]{0,12}".prop_map(Spoil::Rename),
        1 => any_json().prop_map(Spoil::Append),
    ]
}

fn spoil(manifest: &mut Value, at: &str, how: Spoil) {
    let (parent, name) = at.rsplit_once('/').unwrap_or(("", ""));
    match how {
        Spoil::Replace(value) => manifest.pointer_mut(at).into_iter().for_each(|it| *it = value.clone()),
        Spoil::Append(value) => {
            if let Some(items) = manifest.pointer_mut(at).and_then(Value::as_array_mut) {
                items.push(value);
            }
        }
        Spoil::Remove => {
            drop(manifest.pointer_mut(parent).and_then(Value::as_object_mut).map(|it| it.remove(name)));
        }
        Spoil::Rename(to) => {
            let fields = manifest.pointer_mut(parent).and_then(Value::as_object_mut);
            if let Some((fields, value)) = fields.and_then(|it| it.remove(name).map(|value| (it, value))) {
                fields.insert(to, value);
            }
        }
    }
}

fn spoilt(sound: fn() -> Value) -> impl Strategy<Value = Value> {
    proptest::collection::vec((any::<Index>(), any_spoil()), 1..5).prop_map(move |spoils| {
        let mut manifest = sound();
        for (index, how) in spoils {
            let places = places(&manifest);
            let at: &String = index.get(&places);
            spoil(&mut manifest, at, how);
        }
        manifest
    })
}

/// The sense that rules must make, whatever they were made from.
fn assert_sound(rules: &RetryRules) {
    assert!(rules.retries_max <= RETRIES_MAX);
    assert!(rules.replay_max_bytes <= REPLAY_LIMIT_BYTES);
    let backoff = &rules.backoff;
    assert!(!backoff.base().is_zero() && backoff.base() <= backoff.max());
    assert!((1..=u32::from(rules.retries_max)).all(|retry| backoff.ceiling(retry) <= backoff.max()));
    assert!(rules.per_try_timeout.is_none_or(|limit| !limit.is_zero()));
    if let (Some(one), Some(all)) = (rules.per_try_timeout, rules.total_timeout) {
        assert!(one <= all);
    }
    assert!(rules.on.statuses.ranges().iter().all(|(low, high)| 400 <= *low && low <= high && *high <= 599));
    assert!(rules.methods.iter().all(|method| !method.is_empty() && method.is_ascii()));
    if let Some(budget) = rules.budget {
        assert!(budget.percent <= 100);
        assert!(
            [budget.interval, budget.floor_interval].iter().all(|it| (WINDOW_MIN..=WINDOW_MAX).contains(it))
        );
    }
}

fn assert_consistent(manifest: &Value) {
    let Checked { policy, rules, report } = check(manifest);
    assert_eq!(rules.is_some(), report.violations.is_empty(), "{report:?}");
    let mut places: Vec<_> = report.violations.iter().chain(&report.warnings).map(|it| &it.path).collect();
    let all = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), all, "one remark for each place: {report:?}");
    assert_eq!(check(manifest).report, report, "the same each time");
    let Some(rules) = rules else { return };
    let policy = policy.expect("an accepted object has a type");
    // A policy that nobody has put into a namespace may point at nothing yet.
    assert!(policy.metadata.namespace.is_none() || !policy.targets().is_empty());
    let ports: Vec<u16> = rules.listed_ports().map_or_else(|| vec![1, 8080], Iterator::collect);
    assert!(ports.iter().all(|port| rules.covers(*port)));
    ports.iter().filter_map(|port| rules.for_port(*port)).for_each(assert_sound);
}

fn assert_config_consistent(manifest: &Value) {
    let gateway_config::Checked { settings, report } = gateway_config::check(manifest);
    assert_eq!(settings.is_some(), report.violations.is_empty(), "{report:?}");
    assert!(report.violations.len() <= 100);
    let Some(settings) = settings else { return };
    match settings.scale() {
        Scale::Fixed(replicas) => assert!(replicas >= 1),
        Scale::Auto { min, max, cpu_percent } => assert!(1 <= min && min <= max && cpu_percent >= 1),
    }
    assert!(settings.workers().is_none_or(|workers| workers >= 1));
    assert_ne!(settings.seccomp(), Seccomp::Localhost(String::new()));
}

#[test]
fn a_huge_configuration_is_refused_in_few_words() {
    const MANY: usize = 10_000;
    let mut manifest = full_config();
    let fields: Map<_, _> = (0..MANY).map(|number| (format!("field{number}"), json!({}))).collect();
    manifest["spec"]["placement"]["affinity"] = fields.clone().into();
    manifest["spec"]["placement"]["tolerations"] = vec![Value::from(fields.clone()); 3].into();
    manifest["spec"]["placement"]["nodeSelector"] = fields.clone().into();
    manifest["spec"]["service"]["annotations"] = fields.into();
    let report = gateway_config::check(&manifest).report;
    assert_eq!(report.violations.len(), 100);
    assert_config_consistent(&manifest);
}

#[test]
fn a_huge_manifest_is_refused_in_few_words() {
    const MANY: usize = 100_000;
    let mut manifest = full();
    manifest["spec"]["ports"] = vec![json!({ "port": "x", "config": { "retryOn": ["6xx"] } }); MANY].into();
    manifest["spec"]["mode"] = "é".repeat(MANY).into();
    for number in 0..MANY {
        manifest["spec"][format!("targetRef{number}")] = json!({ "retryOn": [] });
    }
    let report = check(&manifest).report;
    assert!((1..=100).contains(&report.violations.len()), "{}", report.violations.len());
    assert_consistent(&manifest);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_spoilt_manifest_is_refused_or_makes_sense(manifest in spoilt(full)) {
        assert_consistent(&manifest);
    }

    #[test]
    fn a_spoilt_configuration_is_refused_or_makes_sense(manifest in spoilt(full_config)) {
        assert_config_consistent(&manifest);
    }

    #[test]
    fn any_value_at_all_is_refused_or_makes_sense(manifest in any_json()) {
        assert_consistent(&manifest);
    }

    /// What is not served by a typed client and a schema alike would be found by one layer and not by the other.
    #[test]
    fn the_bounds_of_the_schema_are_those_of_the_types(spec in any_spec()) {
        let typed: RetryPolicySpec = serde_json::from_value(spec.clone()).expect("of the right shape");
        prop_assert_eq!(within_bounds(&SPEC, &spec), typed.validate().is_ok(), "{}", spec);
    }

    #[test]
    fn s42_no_retry_is_so_late_that_its_wait_overflows(base_us in 1_u64..60_000_000, factor in 1_u32..1000, multiplier in 1_u32..=10, retry: u32) {
        use rebound_api::policy::backoff::{Backoff, Jitter};
        let base = std::time::Duration::from_micros(base_us);
        let backoff = Backoff::new(base, base * factor, multiplier, Jitter::Full).expect("in bounds");
        let (this, next) = (backoff.ceiling(retry), backoff.ceiling(retry.saturating_add(1)));
        prop_assert!(base <= this && this <= next && next <= backoff.max());
        prop_assert_eq!(backoff.ceiling(u32::MAX), if multiplier == 1 { base } else { backoff.max() });
    }
}

/// An independent reading of the bounds of a schema, as the API server has them.
fn within_bounds(schema: &Value, value: &Value) -> bool {
    let count = |keyword: &str| schema[keyword].as_u64().map(|count| count as usize);
    let counts = |found: usize, min: &str, max: &str| {
        count(min).is_none_or(|min| min <= found) && count(max).is_none_or(|max| found <= max)
    };
    match value {
        Value::Object(fields) => {
            fields.iter().all(|(name, it)| within_bounds(&schema["properties"][name], it))
        }
        Value::Array(items) => {
            counts(items.len(), "minItems", "maxItems")
                && items.iter().all(|it| within_bounds(&schema["items"], it))
        }
        Value::String(text) => counts(text.chars().count(), "minLength", "maxLength"),
        Value::Number(number) => {
            let number = number.as_f64().expect("finite");
            let bound = |keyword: &str| schema[keyword].as_f64();
            bound("minimum").is_none_or(|min| min <= number)
                && bound("maximum").is_none_or(|max| number <= max)
        }
        Value::Bool(_) | Value::Null => true,
    }
}

/// A spec of the right shape with values in and around their bounds.
fn any_spec() -> impl Strategy<Value = Value> {
    any::<u64>().prop_map(|seed| fill(&SPEC, &mut Dice(seed)))
}

/// A seeded generator: the shape comes from the schema, so a strategy for each type would only repeat it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// Mostly inside `min..=max`, now and then just outside.
    fn near(&mut self, min: f64, max: f64) -> f64 {
        match self.roll(40) {
            0 => min - 1.0,
            1 => max + 1.0,
            2 => min,
            3 => max,
            _ => min + (max - min) * (self.roll(1000) as f64 / 1000.0),
        }
    }

    fn count(&mut self, schema: &Value, min: &str, max: &str, usual: u64) -> usize {
        match self.roll(40) {
            0 => schema[min].as_u64().unwrap_or(1).saturating_sub(1) as usize,
            1 => schema[max].as_u64().unwrap_or(usual) as usize + 1,
            2 => schema[max].as_u64().unwrap_or(usual) as usize,
            _ => self.roll(usual) as usize + schema[min].as_u64().unwrap_or(0) as usize,
        }
    }
}

fn fill(schema: &Value, dice: &mut Dice) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values[dice.roll(values.len() as u64) as usize].clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let mut fields = Map::new();
            for (name, node) in schema["properties"].as_object().into_iter().flatten() {
                if required.contains(&json!(name)) || dice.roll(2) == 0 {
                    fields.insert(name.clone(), fill(node, dice));
                }
            }
            Value::Object(fields)
        }
        Some("array") => {
            let items = dice.count(schema, "minItems", "maxItems", 2);
            (0..items).map(|_| fill(&schema["items"], dice)).collect()
        }
        Some("string") => "é".repeat(dice.count(schema, "minLength", "maxLength", 5)).into(),
        Some("boolean") => (dice.roll(2) == 0).into(),
        Some("number") => dice.near(0.001, 60.0).into(),
        Some("integer") => {
            let bound = |keyword: &str| schema[keyword].as_f64().expect("every number has bounds");
            (dice.near(bound("minimum"), bound("maximum")) as i64).into()
        }
        _ => dice.roll(100).into(),
    }
}
