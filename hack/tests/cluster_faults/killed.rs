//! An operator that is killed at any of its writes: the next one ends with the same bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hack::contents::{generation, without_generation};
use hack::fault_proxy::{Fate, FaultProxy, Request};
use hack::objects::BASE;
use hack::operator_rig::Operator;
use hack::rig::poll;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::site::{Ground, SOON, Site, free_lease};

/// More writes than there are: a test that gets so far would never end.
const WRITES_MAX: usize = 60;
/// The class that the operator brings along.
const CLASS: &str = "/gatewayclasses";
/// What the operator has made in a namespace, and what it was made of.
const EVERYTHING: &str = "gateway,httproute,retrypolicy,configmap,serviceaccount,role,rolebinding,deployment.apps,\
                          service,poddisruptionbudget";

/// Starts an operator that is killed in place of its write number `fatal`. Returns whether it came to that.
fn killed_at(site: &Site, proxy: &FaultProxy, fatal: usize) -> bool {
    free_lease(&site.cluster);
    let victim = Arc::new(Mutex::new(None::<u32>));
    let (writes, of_judge) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&victim));
    let counted = Arc::clone(&writes);
    let here = format!("/namespaces/{}/", site.namespace.name());
    proxy.judge(move |request: &Request| {
        let is_ours = request.target.contains(&here) || request.target.contains(CLASS);
        if !request.is_write() || request.is_beside() || !is_ours {
            return Fate::Passed;
        }
        if counted.fetch_add(1, Ordering::SeqCst) < fatal {
            return Fate::Passed;
        }
        // It may be so fast that nobody knows its id yet.
        let id = poll(SOON, || *of_judge.lock().unwrap()).unwrap();
        kill(Pid::from_raw(id as i32), Signal::SIGKILL).unwrap_or_default();
        Fate::Lost
    });
    let mut operator = Operator::spawn(proxy.kubeconfig()).unwrap();
    *victim.lock().unwrap() = Some(operator.id());
    let outcome = poll(SOON, || match operator.has_ended() {
        true => Some(true),
        false => (writes.load(Ordering::SeqCst) > 0 && site.is_settled()).then_some(false),
    });
    outcome.unwrap_or_else(|| panic!("{}", operator.log_end()))
}

#[test]
fn at_any_write_of_an_edit_it_ends_with_the_same_bytes_and_a_later_generation() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    site.apply_all("b");
    let b = without_generation(site.settle(), BASE);
    site.lead_to("a");
    let settled = site.settle();
    let a = without_generation(settled.clone(), BASE);
    let mut last = generation(&settled, BASE).unwrap();
    let proxy = FaultProxy::start(&site.rights).unwrap();
    for fatal in 0..WRITES_MAX {
        let (backend, expected) = if fatal % 2 == 0 { ("b", &b) } else { ("a", &a) };
        site.lead_to(backend);
        let was_killed = killed_at(&site, &proxy, fatal);
        let settled = site.settle();
        let now = generation(&settled, BASE).unwrap();
        assert!(now > last, "killed at write {fatal}: generation {now} after {last}");
        assert_eq!(&without_generation(settled, BASE), expected, "killed at write {fatal}");
        last = now;
        if !was_killed {
            assert!(fatal > 2, "{fatal}");
            return;
        }
    }
    panic!("it never came to an end");
}

/// From nothing to everything, the class included.
#[test]
fn at_any_write_of_the_first_round_it_ends_with_the_same_bytes() {
    let ground = Ground::new();
    let environment = ground.enter();
    let site = Site::new(environment.cluster());
    let first_time = || {
        site.namespace.kubectl(&["delete", EVERYTHING, "--all"]).unwrap();
        site.cluster.kubectl(&["delete", "gatewayclass", "fsm", "--ignore-not-found"]).unwrap();
        site.apply_all("a");
    };
    first_time();
    let expected = (site.settle(), site.said());
    assert_eq!(generation(&expected.0, BASE), Some(1));
    let proxy = FaultProxy::start(&site.rights).unwrap();
    for fatal in 0..WRITES_MAX {
        first_time();
        let was_killed = killed_at(&site, &proxy, fatal);
        assert_eq!((site.settle(), site.said()), expected, "killed at write {fatal}");
        if !was_killed {
            assert!(fatal > 10, "{fatal}");
            return;
        }
    }
    panic!("it never came to an end");
}
