//! A Gateway that serves while something happens to its configuration: requests to a backend that fails now and then
//! under a policy that rescues every one of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hack::apiserver::{Cluster, TestNamespace};
use hack::backend::Backend;
use hack::contents::contents;
use hack::http_client::Connection;
use hack::netns::Namespace;
use hack::objects::{BACKEND_PORT, BASE, PORT, backend, gateway, policy, route, service, slice, target};
use hack::operator_rig::Operator;
use hack::pod_rig::Pod;
use hack::rig::poll;
use hack::statuses::{self, Subject};
use serde_json::{Value, json};

use crate::site::SOON;

/// One answer in ten is 503. The delay leaves the machine to others.
const TARGET: &str = "/r?status=503:10&delay=20ms";
const DICE: u64 = 5;
/// Where the backend listens: an address of the data plane's network.
const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);
/// What an edit lets every answer say.
const EDITED: &str = "x-edited";

pub(crate) struct Traffic {
    pub(crate) namespace: TestNamespace,
    pub(crate) pod: Pod,
    operator: Arc<Operator>,
    backend: Backend,
}

impl Traffic {
    /// Starts the data plane, and waits until it is known to serve.
    pub(crate) fn start(cluster: &Cluster, operator: Arc<Operator>) -> Self {
        let namespace = cluster.namespace("traffic").unwrap();
        let mut rescue = policy("p", &target("a"));
        // Ten attempts at one in ten: nothing is lost in any test that ends.
        rescue["spec"]["config"] =
            json!({ "retryOn": ["5xx"], "numRetries": 10, "backoffBaseInterval": 0.001 });
        let objects = [service("a"), slice("a", BACKEND), gateway("web"), edit(None), rescue];
        namespace.apply_all(&objects).unwrap();
        let network = Namespace::new().unwrap();
        let start = || Backend::start_on((BACKEND, BACKEND_PORT).into(), DICE);
        let backend = network.enter(start).unwrap().unwrap();
        statuses::await_object(&namespace, &format!("deployment/{BASE}")).unwrap();
        let pod = Pod::start(cluster, &namespace, BASE, network).unwrap();
        let traffic = Self { namespace, pod, operator, backend };
        traffic.await_programmed();
        traffic
    }

    /// Everything that happens in `work` costs no request.
    pub(crate) fn is_not_harmed_by<T>(&self, work: impl FnOnce() -> T) -> T {
        let failed = || self.backend.statuses().get(&503).copied().unwrap_or_default();
        let failed_before = failed();
        let (done, outcome) = self.pod.under_load(PORT, TARGET, work).unwrap();
        assert_eq!(outcome.errors, Vec::<String>::new(), "{}", self.logs());
        assert_eq!(outcome.statuses.keys().collect::<Vec<_>>(), [&200], "{:?}", outcome.statuses);
        let rescued = failed() - failed_before;
        assert!(rescued > 10, "{rescued} of {} requests were retried", outcome.requests());
        done
    }

    /// An edit of the route shows in the answers. None: the route as it was first.
    pub(crate) fn takes_up(&self, mark: Option<&str>) {
        self.namespace.apply_all(&[edit(mark)]).unwrap();
        let mut last = None;
        let shows = || {
            let ask = || Connection::open(Pod::address(PORT))?.get("/r");
            let answer = self.pod.network().enter(ask).unwrap().ok()?;
            last = answer.header(EDITED).map(str::to_owned);
            (last.as_deref() == mark).then_some(())
        };
        assert!(poll(SOON, shows).is_some(), "{mark:?} was set; answers have {last:?}\n{}", self.logs());
    }

    pub(crate) fn await_programmed(&self) {
        for name in ["gateway/web", "retrypolicy/p"] {
            let said =
                statuses::await_said(&self.namespace, Subject::of(name), &["Programmed=True/Programmed"]);
            said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.logs()));
        }
    }

    pub(crate) fn contents(&self) -> BTreeMap<String, Value> {
        contents(&self.namespace).unwrap()
    }

    pub(crate) fn logs(&self) -> String {
        format!("{}\n{}", self.pod.logs(), self.operator.log_end())
    }
}

/// The route, with a mark that it sets in every answer.
fn edit(mark: Option<&str>) -> Value {
    let mut route = route("r", &backend("a"));
    if let Some(mark) = mark {
        let set = json!([{ "name": EDITED, "value": mark }]);
        let filter = json!({ "type": "ResponseHeaderModifier", "responseHeaderModifier": { "set": set } });
        route["spec"]["rules"][0]["filters"] = json!([filter]);
    }
    route
}
