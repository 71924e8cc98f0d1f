//! One snapshot after the other: what was read before spares work and decides nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use rebound_api::config::codec::{decode, encode};
use rebound_api::config::reader::Reader;
use rebound_api::config::route::Route;
use rebound_api::config::shared::Shared;
use rebound_api::config::{FORMAT_VERSION, Snapshot};
use rebound_api::name::Generation;

use super::snapshots::{any_snapshot, sample};
use super::{seal, seal_json};

/// A change of the list that it is carried out on; places are taken modulo its length.
#[derive(Debug, Clone)]
enum Edit {
    /// Takes over the item of another snapshot.
    Replace(usize, usize),
    Insert(usize, usize),
    Remove(usize),
    Swap(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = || 0_usize..8;
    prop_oneof![
        (place(), place()).prop_map(|(at, from)| Edit::Replace(at, from)),
        (place(), place()).prop_map(|(at, from)| Edit::Insert(at, from)),
        place().prop_map(Edit::Remove),
        (place(), place()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn carry_out<T: Clone>(edit: &Edit, list: &mut Vec<T>, others: &[T]) {
    let (length, other) = (list.len(), |from: usize| others.get(from % others.len().max(1)).cloned());
    match *edit {
        Edit::Replace(at, from) if length > 0 => list[at % length] = other(from).unwrap_or(list[0].clone()),
        Edit::Insert(at, from) => {
            let at = at % (length + 1);
            list.splice(at..at, other(from));
        }
        Edit::Remove(at) if length > 0 => drop(list.remove(at % length)),
        Edit::Swap(a, b) if length > 0 => list.swap(a % length, b % length),
        Edit::Replace(..) | Edit::Remove(_) | Edit::Swap(..) => {}
    }
}

proptest! {
    /// Whether they can be served or not: indices may lead nowhere after an edit, and services stand twice.
    #[test]
    fn whatever_was_read_before_a_file_means_the_same(
        first in any_snapshot(),
        other in any_snapshot(),
        edits in vec((0..3, edit()), 1..12),
    ) {
        let (mut reader, mut snapshot) = (Reader::default(), first);
        for (list, edit) in edits {
            match list {
                0 => carry_out(&edit, &mut snapshot.listeners, &other.listeners),
                1 => carry_out(&edit, &mut snapshot.routes, &other.routes),
                _ => carry_out(&edit, &mut snapshot.clusters, &other.clusters),
            }
            let body = serde_json::to_vec(&snapshot).expect("a snapshot has text");
            prop_assert_eq!(&serde_json::from_slice::<Snapshot>(&body).expect("its own text"), &snapshot);
            let bytes = seal(FORMAT_VERSION, &body);
            let (again, afresh) = (reader.read(&bytes), decode(&bytes));
            if let Ok(read) = &again {
                prop_assert_eq!(read, &snapshot);
            }
            prop_assert_eq!(again.map_err(|it| it.to_string()), afresh.map_err(|it| it.to_string()));
        }
    }
}

/// Reads a snapshot and another, and says for each route of the second whether it is one of the first.
fn shared(first: &Snapshot, second: &Snapshot) -> Vec<bool> {
    let mut reader = Reader::default();
    let mut read = |snapshot| reader.read(&encode(snapshot).expect("valid")).expect("whole");
    let (first, second) = (read(first), read(second));
    second.routes.iter().map(|route| first.routes.iter().any(|it| it.is(route))).collect()
}

/// The routes of the sample, five times with a name of their own.
fn ten_routes() -> Snapshot {
    let mut snapshot = sample();
    let copies = (0..5).flat_map(|number| snapshot.routes.iter().map(move |route| (number, route)));
    let named = |(number, route): (usize, &Shared<Route>)| {
        let mut route = route.clone();
        route.name = format!("server/{}-{number}", route.name.name()).parse().expect("a name");
        route
    };
    snapshot.routes = copies.map(named).collect();
    snapshot
}

#[test]
fn what_stays_is_shared_when_others_are_changed_added_or_removed() {
    let first = ten_routes();
    let mut changed = first.clone();
    changed.generation = Generation(first.generation.0 + 1);
    for at in [2, 7] {
        changed.routes[at].rules[0].request_timeout_ms = Some(77);
    }
    let of_two = |length: usize, new: &[usize]| (0..length).map(|at| !new.contains(&at)).collect::<Vec<_>>();
    assert_eq!(shared(&first, &changed), of_two(10, &[2, 7]));
    let mut added = first.clone();
    added.routes.insert(4, changed.routes[2].clone());
    assert_eq!(shared(&first, &added), of_two(11, &[4]));
    let mut removed = first.clone();
    removed.routes.remove(4);
    assert_eq!(shared(&first, &removed), of_two(9, &[]));
}

#[test]
fn after_a_file_that_is_refused_the_next_good_one_is_read() {
    let (mut reader, snapshot) = (Reader::default(), ten_routes());
    let good = encode(&snapshot).expect("valid");
    let mut body = serde_json::to_value(&snapshot).expect("a snapshot has text");
    body["routes"][5]["rules"] = "none".into();
    for _ in 0..2 {
        assert_eq!(reader.read(&good).expect("whole"), snapshot);
        let error = reader.read(&seal_json(&body)).expect_err("no rules").to_string();
        assert!(error.starts_with("the snapshot's routes[5]: invalid type: string \"none\""), "{error}");
    }
    assert_eq!(reader.read(&good).expect("whole"), snapshot);
}
