//! How far the configuration of a Gateway has come: from written to served.

use std::collections::BTreeMap;

use rebound_api::crd::condition::{Condition, ConditionType, Reason};
use rebound_api::name::{Generation, ObjectKey};

use crate::build::{Applied, Config, Desired};
use crate::observe::world::Fleet;
use crate::validate::verdict::Verdicts;

/// What one walk has come to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    pub verdicts: &'a Verdicts,
    pub applied: &'a [Desired<Applied>],
    /// Of Gateways that are not in here nothing is to be seen: they are served from files.
    pub fleets: &'a BTreeMap<ObjectKey, Fleet>,
    pub needs: &'a Needs,
}

/// The configuration that data planes must serve for an object to be programmed: the one in which the newest version of
/// the object first stood. A later change of something else is none of its business.
#[derive(Debug, Clone, Default)]
pub struct Needs(BTreeMap<Subject, (Option<i64>, Generation)>);

/// Who waits, and for which Gateway's data planes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Gateway(ObjectKey),
    Policy { policy: ObjectKey, gateway: ObjectKey },
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is served, and by whom.
    Served(String),
    /// It is on its way.
    Pending(String),
    /// It cannot be given to a data plane.
    Refused(String),
}

impl Needs {
    /// After a walk: whoever is new or has changed waits for what was just applied.
    pub fn note(&mut self, verdicts: &Verdicts, applied: &[Desired<Applied>]) {
        let given: BTreeMap<_, _> =
            applied.iter().filter_map(|it| Some((&it.gateway, it.generation()?))).collect();
        let mut needs = BTreeMap::new();
        let mut keep = |subject: Subject, object: Option<i64>, given: Option<&Generation>| {
            let known = self.0.get(&subject).filter(|(known, _)| *known == object).copied();
            if let Some(need) = known.or_else(|| given.map(|given| (object, *given))) {
                needs.insert(subject, need);
            }
        };
        for gateway in &verdicts.gateways {
            keep(Subject::Gateway(gateway.key.clone()), gateway.generation, given.get(&gateway.key));
        }
        for policy in &verdicts.policies {
            let held = policy.targets.iter().filter(|target| !target.holds_nothing());
            for ancestor in held.flat_map(|target| &target.ancestors) {
                let (policy_key, gateway) = (policy.key.clone(), ancestor.gateway.clone());
                let given = given.get(&gateway);
                keep(Subject::Policy { policy: policy_key, gateway }, policy.generation, given);
            }
        }
        self.0 = needs;
    }

    fn of(&self, subject: &Subject) -> Option<Generation> {
        self.0.get(subject).map(|(_, generation)| *generation)
    }
}

impl Outcome<'_> {
    pub(super) fn of_gateway(&self, gateway: &ObjectKey) -> Progress {
        self.progress(gateway, &Subject::Gateway(gateway.clone()))
    }

    pub(super) fn of_policy(&self, policy: &ObjectKey, gateway: &ObjectKey) -> Progress {
        self.progress(gateway, &Subject::Policy { policy: policy.clone(), gateway: gateway.clone() })
    }

    fn progress(&self, gateway: &ObjectKey, subject: &Subject) -> Progress {
        let config = self.applied.iter().find(|it| it.gateway == *gateway).map(|it| &it.config);
        match config {
            Some(Config::Refused { message } | Config::TooMuch { message }) => {
                return Progress::Refused(message.clone());
            }
            Some(Config::Pending { message }) => return Progress::Pending(message.clone()),
            Some(Config::Unchanged(_) | Config::Changed { .. }) | None => {}
        }
        let Some(fleet) = self.fleets.get(gateway) else {
            let message = "the snapshot is written; `/generation` of the data plane tells when it serves it";
            return Progress::Served(message.into());
        };
        let Some(needed) = self.needs.of(subject) else {
            return Progress::Pending("nothing has been written yet".into());
        };
        served(fleet, needed)
    }
}

impl Progress {
    /// In the words of Gateway API.
    pub(super) fn condition(self) -> Condition {
        match self {
            Self::Served(message) => Condition::holds(ConditionType::Programmed, Reason::Programmed, message),
            Self::Pending(message) => Condition::fails(ConditionType::Programmed, Reason::Pending, message),
            Self::Refused(message) => Condition::fails(ConditionType::Programmed, Reason::Invalid, message),
        }
    }
}

/// Every pod that takes traffic must have reported the generation; one that takes none yet gets it before it does.
fn served(fleet: &Fleet, needed: Generation) -> Progress {
    if fleet.ready.is_empty() {
        return Progress::Pending("no pod of the data plane is ready".into());
    }
    let reports = fleet.ready.iter().filter_map(|pod| fleet.reports.get(pod));
    let up_to_date: Vec<_> = reports.clone().filter(|report| report.generation >= needed.0).collect();
    let (serving, all) = (up_to_date.len(), fleet.ready.len());
    if serving < all {
        let errors = reports.filter_map(|report| report.error.as_deref()).next();
        let why = errors.map(|error| format!("; one of the others says: {error}")).unwrap_or_default();
        return Progress::Pending(format!("{serving} of {all} ready pods serve it{why}"));
    }
    let mut drivers: Vec<_> = up_to_date.iter().map(|report| report.driver.as_str()).collect();
    drivers.sort_unstable();
    drivers.dedup();
    Progress::Served(format!(
        "served by {all} {} with {}",
        if all == 1 { "pod" } else { "pods" },
        drivers.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::observe::world::Report;

    fn fleet(ready: &[&str], reports: &[(&str, u64, Option<&str>)]) -> Fleet {
        let report = |(pod, generation, error): &(&str, u64, Option<&str>)| {
            let error = error.map(String::from);
            ((*pod).to_owned(), Report { generation: *generation, driver: "epoll".into(), error })
        };
        Fleet {
            addresses: Vec::new(),
            pods: BTreeSet::new(),
            ready: ready.iter().map(|it| (*it).to_owned()).collect(),
            reports: reports.iter().map(report).collect(),
        }
    }

    #[test]
    fn every_ready_pod_must_serve_it() {
        let of = |ready: &[&str], reports: &[(&str, u64, Option<&str>)]| {
            served(&fleet(ready, reports), Generation(3))
        };
        assert!(matches!(of(&[], &[("a", 3, None)]), Progress::Pending(_)));
        assert!(matches!(of(&["a"], &[]), Progress::Pending(_)));
        assert!(matches!(of(&["a", "b"], &[("a", 3, None), ("b", 2, None)]), Progress::Pending(_)));
        assert!(matches!(of(&["a"], &[("a", 4, None), ("b", 2, None)]), Progress::Served(_)));
        let Progress::Pending(message) = of(&["a"], &[("a", 2, Some("too large"))]) else { panic!() };
        assert_eq!(message, "0 of 1 ready pods serve it; one of the others says: too large");
        let both = of(&["a", "b"], &[("a", 3, None), ("b", 3, None)]);
        assert_eq!(both, Progress::Served("served by 2 pods with epoll".into()));
    }
}
