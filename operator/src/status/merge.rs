//! What a status has to become: our statements in the place of our earlier ones, everybody else's as they are.
//!
//! Pure: no client and no clock; the time is handed in.

use rebound_api::crd::parent_ref::ANCESTORS_MAX;
use serde_json::{Map, Value, json};

/// The lists in which several controllers speak, each under its name.
const SHARED: [&str; 2] = ["parents", "ancestors"];

/// The most parents of a route (Gateway API). The most ancestors of a policy are [`ANCESTORS_MAX`].
const PARENTS_MAX: usize = 32;

/// The status with our statements in it; none: it says all that already. `now` stands in statements that change.
pub(super) fn merged(live: &Value, wanted: &Value, controller: &str, now: &str) -> Option<Value> {
    let mut status = live.as_object().cloned().unwrap_or_default();
    for (field, wanted) in wanted.as_object().into_iter().flatten() {
        let value = match field.as_str() {
            "conditions" => conditions(&live["conditions"], wanted, now),
            "listeners" => listeners(&live["listeners"], wanted, now),
            "parents" => speakers(&live["parents"], wanted, PARENTS_MAX, controller, now),
            "ancestors" => speakers(&live["ancestors"], wanted, ANCESTORS_MAX, controller, now),
            _ => wanted.clone(),
        };
        status.insert(field.clone(), value);
    }
    let status = Value::Object(status);
    (status != *live && !(live.is_null() && is_silent(&status))).then_some(status)
}

/// Our statements taken out of a list in which several controllers speak; none: there are none.
pub(super) fn withdrawn(live: &Value, controller: &str) -> Option<Value> {
    let field = SHARED.into_iter().find(|field| live[field].is_array())?;
    let wanted = json!({ field: [] });
    let ours = |entry: &Value| entry["controllerName"] == controller;
    live[field].as_array()?.iter().any(ours).then(|| merged(live, &wanted, controller, "")).flatten()
}

/// The statements of `after` that are news: those that hold otherwise than before, and new ones that are bad.
pub(super) fn turned<'s>(before: &Value, after: &'s Value) -> Vec<&'s Value> {
    let old = every_condition(before);
    let is_news = |it: &&Value| {
        let mut before = old.iter().filter(|old| old["type"] == it["type"]).peekable();
        let is_first = before.peek().is_none();
        let said = before.any(|old| old["status"] == it["status"] && old["reason"] == it["reason"]);
        let expected = is_first && is_good(it);
        !(said || expected)
    };
    every_condition(after).into_iter().filter(is_news).collect()
}

/// Whether a statement is good news; some are when they do not hold.
pub(super) fn is_good(condition: &Value) -> bool {
    let inverted = condition["type"] == "Conflicted" || condition["type"] == "PartiallyInvalid";
    condition["status"] == if inverted { "False" } else { "True" }
}

fn every_condition(status: &Value) -> Vec<&Value> {
    let parts = SHARED.iter().flat_map(|field| status[*field].as_array().into_iter().flatten());
    let nested = parts.flat_map(|part| part["conditions"].as_array().into_iter().flatten());
    status["conditions"].as_array().into_iter().flatten().chain(nested).collect()
}

/// A status without any entry says nothing.
fn is_silent(status: &Value) -> bool {
    status.as_object().is_none_or(|fields| fields.values().all(|it| it.as_array().is_some_and(Vec::is_empty)))
}

/// Ours by type; types that we do not speak about stay. One that says the same keeps its time.
fn conditions(live: &Value, wanted: &Value, now: &str) -> Value {
    let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |list: &'_ [Value], kind: &Value| list.iter().position(|it| it["type"] == *kind);
    let mut merged: Vec<Value> =
        wanted.iter().map(|it| timed(it, find(live, &it["type"]).map(|at| &live[at]), now)).collect();
    merged.extend(live.iter().filter(|it| find(wanted, &it["type"]).is_none()).cloned());
    keep_order(merged, live)
}

/// The order of a list is no difference.
fn keep_order(mut merged: Vec<Value>, live: &[Value]) -> Value {
    let place = |it: &Value| live.iter().position(|old| old["type"] == it["type"]).unwrap_or(usize::MAX);
    merged.sort_by_key(place);
    Value::Array(merged)
}

fn timed(wanted: &Value, live: Option<&Value>, now: &str) -> Value {
    let mut condition = wanted.as_object().cloned().unwrap_or_else(Map::new);
    let same = live.filter(|live| live["status"] == wanted["status"]);
    let time = same.map(|live| live["lastTransitionTime"].clone()).filter(Value::is_string);
    condition.insert("lastTransitionTime".into(), time.unwrap_or_else(|| json!(now)));
    Value::Object(condition)
}

/// Listeners are ours alone; only their conditions have a past.
fn listeners(live: &Value, wanted: &Value, now: &str) -> Value {
    let before = |name: &Value| live.as_array().into_iter().flatten().find(|it| it["name"] == *name);
    let listener = |wanted: &Value| {
        let mut listener = wanted.clone();
        let live = before(&wanted["name"]).map_or(Value::Null, |it| it["conditions"].clone());
        listener["conditions"] = conditions(&live, &wanted["conditions"], now);
        listener
    };
    wanted.as_array().into_iter().flatten().map(listener).collect()
}

/// Entries of other controllers first, as they are; then as many of ours as there is room for: an API server takes no
/// more than `max`.
fn speakers(live: &Value, wanted: &Value, max: usize, controller: &str, now: &str) -> Value {
    let live = live.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_ours = |entry: &&Value| entry["controllerName"] == controller;
    let subject = |entry: &Value| [entry["parentRef"].clone(), entry["ancestorRef"].clone()];
    let entry = |wanted: &Value| {
        let before = live.iter().filter(is_ours).find(|it| subject(it) == subject(wanted));
        let before = before.map_or(Value::Null, |it| it["conditions"].clone());
        let mut entry = wanted.clone();
        entry["conditions"] = conditions(&before, &wanted["conditions"], now);
        entry
    };
    let theirs: Vec<Value> = live.iter().filter(|it| !is_ours(it)).cloned().collect();
    let room = max.saturating_sub(theirs.len());
    let ours = wanted.as_array().into_iter().flatten().take(room).map(entry);
    theirs.into_iter().chain(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "gateway.flomesh.io/rebound";

    fn condition(kind: &str, status: &str, time: &str) -> Value {
        json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": time})
    }

    fn without_time(mut condition: Value) -> Value {
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
        condition
    }

    #[test]
    fn what_says_the_same_is_no_difference_and_keeps_its_time() {
        let live = json!({"conditions": [condition("Accepted", "True", "t1")]});
        let wanted = json!({"conditions": [without_time(condition("Accepted", "True", ""))]});
        assert_eq!(merged(&live, &wanted, US, "t2"), None);
        let turned = json!({"conditions": [without_time(condition("Accepted", "False", ""))]});
        let status = merged(&live, &turned, US, "t2").unwrap();
        assert_eq!(status["conditions"], json!([condition("Accepted", "False", "t2")]));
    }

    #[test]
    fn s86_statements_of_others_stay_as_they_are() {
        let theirs = json!({"parentRef": {"name": "a"}, "controllerName": "theirs", "conditions": [condition("X", "True", "t0")]});
        let live =
            json!({"parents": [theirs], "conditions": [condition("Theirs", "True", "t0")], "extra": 1});
        let ours = json!({"parentRef": {"name": "b"}, "controllerName": US, "conditions": []});
        let wanted =
            json!({"parents": [ours], "conditions": [without_time(condition("Accepted", "True", ""))]});
        let status = merged(&live, &wanted, US, "t1").unwrap();
        assert_eq!(status["parents"], json!([theirs, ours]));
        assert_eq!(
            status["conditions"],
            json!([condition("Theirs", "True", "t0"), condition("Accepted", "True", "t1")])
        );
        assert_eq!(status["extra"], 1);
        let withdrawn = withdrawn(&status, US).unwrap();
        assert_eq!(withdrawn["parents"], json!([theirs]));
        assert_eq!(super::withdrawn(&withdrawn, US), None);
    }

    #[test]
    fn a_list_is_never_longer_than_it_may_be_and_ours_are_those_that_stay_out() {
        let entry = |controller: &str, at: usize| json!({"ancestorRef": {"name": at}, "controllerName": controller, "conditions": []});
        let entries =
            |controller: &str, count: usize| (0..count).map(|at| entry(controller, at)).collect::<Vec<_>>();
        let theirs = 3;
        let live = json!({"ancestors": entries("theirs", theirs)});
        let wanted = json!({"ancestors": entries(US, ANCESTORS_MAX)});
        let status = merged(&live, &wanted, US, "t").unwrap();
        let expected = [entries("theirs", theirs), entries(US, ANCESTORS_MAX - theirs)].concat();
        assert_eq!(status["ancestors"], json!(expected));
        assert_eq!(merged(&status, &wanted, US, "t"), None);
    }

    #[test]
    fn the_order_of_conditions_is_no_difference() {
        let live = json!({"conditions": [condition("B", "True", "t"), condition("A", "True", "t")]});
        let wanted = json!({"conditions": [without_time(condition("A", "True", "")), without_time(condition("B", "True", ""))]});
        assert_eq!(merged(&live, &wanted, US, "now"), None);
    }

    #[test]
    fn a_turn_is_told_and_a_new_text_is_not() {
        let before = json!({"parents": [{"conditions": [condition("Accepted", "True", "t")]}]});
        let mut after = before.clone();
        after["parents"][0]["conditions"][0]["message"] = json!("other");
        assert!(turned(&before, &after).is_empty());
        after["parents"][0]["conditions"][0]["status"] = json!("False");
        assert_eq!(turned(&before, &after).len(), 1);
        assert!(turned(&Value::Null, &before).is_empty(), "a good start is no news");
        assert_eq!(turned(&Value::Null, &after).len(), 1);
    }
}
