//! What lives on from plan to plan.

use std::time::Duration;

use rebound_api::config::retry::Budget as Terms;

use super::*;
use crate::clock;

const TERMS: Terms = Terms { percent: 0, interval_ms: 10_000, floor_count: 2, floor_interval_ms: 1_000 };

fn cluster(service: &str, budget: Option<Terms>) -> Cluster {
    Cluster { service: service.parse().unwrap(), endpoints: vec![], retry: None, budget }
}

fn compile(clusters: Vec<Cluster>, previous: Option<&Plan>, now: Instant) -> Plan {
    let clusters = clusters.into_iter().map(Shared::from).collect();
    let gateway = "ns/gateway".parse().unwrap();
    let snapshot =
        Snapshot { generation: Generation(1), gateway, listeners: vec![], routes: vec![], clusters };
    Plan::compile(snapshot, previous, now, 1).unwrap()
}

/// Retries that can still be afforded.
fn left(plan: &Plan, service: &str, now: Instant) -> usize {
    let budget = plan.target_of(&service.parse().unwrap()).unwrap().budget.as_ref().unwrap();
    (0..10).filter(|_| budget.withdraw(now)).count()
}

#[test]
fn s55_a_spent_budget_stays_spent_whatever_its_place_in_the_next_plan() {
    let now = clock::now();
    let first = compile(vec![cluster("ns/a:80", Some(TERMS))], None, now);
    assert_eq!(left(&first, "ns/a:80", now), 2);
    let second =
        compile(vec![cluster("ns/b:80", Some(TERMS)), cluster("ns/a:80", Some(TERMS))], Some(&first), now);
    assert_eq!(left(&second, "ns/a:80", now), 0);
    assert_eq!(left(&second, "ns/b:80", now), 2);
    assert_eq!(left(&second, "ns/a:80", now + Duration::from_secs(2)), 2, "and comes back with time");
}

#[test]
fn new_terms_are_a_new_budget() {
    let now = clock::now();
    let first = compile(vec![cluster("ns/a:80", Some(TERMS))], None, now);
    left(&first, "ns/a:80", now);
    let wider = Terms { floor_count: 3, ..TERMS };
    let second = compile(vec![cluster("ns/a:80", Some(wider))], Some(&first), now);
    assert_eq!(left(&second, "ns/a:80", now), 3);
    let none = compile(vec![cluster("ns/a:80", None)], Some(&second), now);
    assert!(none.target_of(&"ns/a:80".parse().unwrap()).unwrap().budget.is_none());
}

#[test]
fn s56_ports_of_one_service_have_budgets_of_their_own() {
    let now = clock::now();
    let plan = compile(vec![cluster("ns/a:80", Some(TERMS)), cluster("ns/a:81", Some(TERMS))], None, now);
    assert_eq!((left(&plan, "ns/a:80", now), left(&plan, "ns/a:81", now)), (2, 2));
}

#[test]
fn a_service_port_is_found_by_name() {
    let plan = compile(vec![cluster("ns/a:80", None), cluster("ns/b:80", None)], None, clock::now());
    for name in ["ns/a:80", "ns/b:80"] {
        let service = name.parse().unwrap();
        assert_eq!(plan.target_of(&service).unwrap().cluster.service, service);
    }
    assert!(plan.target_of(&"ns/a:81".parse().unwrap()).is_none());
}
