//! Nonsense made of the seed's objects: other vendors' kinds, references to nothing, and things that do not belong
//! where they stand. Pure; the same dice give the same mutants.

use fastrand::Rng;
use hack::rig::{SEED, SEED_POLICY, sample};
use serde_json::{Value, json};

/// How many there are.
pub(crate) const MUTANTS: usize = 100;
const DICE: u64 = 7;
/// How often, of 256, it is a part that is spoiled and not the whole of it.
const DEEPER: u8 = 200;
/// A text longer than any field takes.
const LONG: usize = 100_000;

/// Objects of the seed's kinds with names that come after those of the seed: of the same age, the seed's win.
pub(crate) fn mutants() -> Vec<Value> {
    let seeds: Vec<_> = seeds().into_iter().filter(|it| it["kind"] != "Deployment").collect();
    let mut dice = Rng::with_seed(DICE);
    let chosen = seeds.iter().flat_map(|seed| wrong(seed).into_iter().map(|wrong| set(seed, wrong)));
    let mut mutants: Vec<_> = chosen.collect();
    while mutants.len() < MUTANTS {
        let mut mutant = seeds[mutants.len() % seeds.len()].clone();
        for _ in 0..dice.usize(1..3) {
            spoil(&mut mutant["spec"], &mut dice);
        }
        mutants.push(mutant);
    }
    for (index, mutant) in mutants.iter_mut().enumerate() {
        mutant["metadata"] = json!({ "name": format!("z-mutant-{index}") });
    }
    mutants
}

/// The objects of the seed's page.
pub(crate) fn seeds() -> Vec<Value> {
    let parse = |name: &&str| serde_saphyr::from_multiple::<Value>(&sample(name).unwrap()).unwrap();
    let mut seeds: Vec<_> = SEED.iter().chain(&[SEED_POLICY]).flat_map(parse).collect();
    // The page's namespace is not that of a test.
    for seed in &mut seeds {
        seed["spec"].get_mut("targetRef").and_then(Value::as_object_mut).map(|it| it.remove("namespace"));
    }
    seeds
}

/// What is wrong with something, in the words of its kind: where, and what stands there.
fn wrong(seed: &Value) -> Vec<(&'static str, Value)> {
    let extension = json!({ "group": "example.com", "kind": "Teleport", "name": "mars" });
    let certificate = json!({ "certificateRefs": [{ "name": "nothing" }] });
    match seed["kind"].as_str().unwrap() {
        "Gateway" => vec![
            ("/spec/gatewayClassName", json!("theirs")),
            ("/spec/listeners/0/protocol", json!("example.com/telepathy")),
            ("/spec/listeners/0/tls", certificate),
            (
                "/spec/listeners/0/allowedRoutes",
                json!({ "kinds": [{ "group": "example.com", "kind": "Road" }] }),
            ),
            ("/spec/addresses", json!([{ "type": "example.com/planet", "value": "mars" }])),
            ("/spec/infrastructure", json!({ "parametersRef": extension })),
        ],
        "HTTPRoute" => vec![
            ("/spec/rules/0/filters", json!([{ "type": "Teleport", "teleport": { "to": "mars" } }])),
            ("/spec/rules/0/filters", json!([{ "type": "ExtensionRef", "extensionRef": extension }])),
            ("/spec/rules/0/matches/0/path/type", json!("Thought")),
            (
                "/spec/rules/0/matches/0/path",
                json!({ "type": "RegularExpression", "value": "(((((a*)*)*)*)*" }),
            ),
            ("/spec/rules/0/backendRefs/0/kind", json!("Pod")),
            ("/spec/rules/0/backendRefs/0/namespace", json!("nothing")),
            ("/spec/rules/0/backendRefs/0/weight", json!(0)),
            ("/spec/parentRefs/0/kind", json!("Service")),
            ("/spec/parentRefs/0/group", json!("example.com")),
            ("/spec/parentRefs/0/sectionName", json!("nothing")),
            ("/spec/hostnames", json!(["*.\u{e9}.example.com", "1.2.3.4"])),
        ],
        "RetryPolicy" => vec![
            ("/spec/targetRef", json!({ "group": "example.com", "kind": "Planet", "name": "mars" })),
            ("/spec/targetRef/namespace", json!("nothing")),
            ("/spec/ports/0/port", json!(1)),
            ("/spec/ports/0/config/retryOn", json!(["6xx", "\u{202e}5xx", ""])),
            ("/spec/ports/0/config/backoffBaseInterval", json!(1e300)),
            ("/spec/config", json!({ "retryOn": ["5xx"], "perTryTimeout": "99999999999h" })),
        ],
        _ => vec![("/spec/type", json!("ExternalName")), ("/spec/ports", json!([]))],
    }
}

fn set(seed: &Value, (place, wrong): (&str, Value)) -> Value {
    let mut mutant = seed.clone();
    let (parent, field) = place.rsplit_once('/').unwrap();
    mutant.pointer_mut(parent).unwrap()[field] = wrong;
    mutant
}

/// Spoils something in a value.
fn spoil(value: &mut Value, dice: &mut Rng) {
    let part = match value {
        Value::Object(fields) => dice.choice(fields.values_mut().collect::<Vec<_>>()),
        Value::Array(items) => dice.choice(items.iter_mut().collect::<Vec<_>>()),
        _ => None,
    };
    match part {
        Some(part) if dice.u8(..) < DEEPER => spoil(part, dice),
        _ => replace(value, dice),
    }
}

/// Puts something else there: of the same type, or of any.
fn replace(value: &mut Value, dice: &mut Rng) {
    let numbers = [json!(0), json!(-1), json!(65_536), json!(i64::MAX), json!(1e300), json!(0.5)];
    let long = "x".repeat(LONG);
    let texts =
        ["", "nothing", "Teleport", "\u{e9}\u{202e}\u{1f680}", "a\u{0}b", "../..", "99999999999s", &long];
    let mut others = vec![Value::Null, json!(true), json!([{}]), json!({ "type": "Teleport" })];
    match value {
        Value::Object(fields) if dice.bool() => {
            let name = dice.choice(fields.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
            fields.remove(&name);
            fields.insert("teleport".to_owned(), json!({ "to": "mars" }));
            return;
        }
        Value::Array(items) => {
            let twice = [items.as_slice(), items.as_slice()].concat();
            others = vec![json!([]), json!([null]), Value::Array(twice)];
        }
        Value::String(_) => others.extend(texts.map(Value::from)),
        _ => others.extend(numbers),
    }
    *value = dice.choice(others).unwrap_or_default();
}
