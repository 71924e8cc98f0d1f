//! Whether a bad collector is felt: the latency that 99 of 100 requests do not exceed, against tracing nothing.
//! While one of the two is looked at, the other one is stopped: what it has still to do for its collector would fall upon
//! the wrong side.

use std::net::TcpListener;
use std::path::Path;

use super::ratio::Ratio;
use super::scene::Scene;
use super::sink::{Sink, Way};
use super::{Args, Goal, alternate};
use crate::load::percentile;
use crate::say;

const P99_MAX: f64 = 1.10;
/// One: what is measured is the data plane and not the queue before it.
const CONNECTIONS: usize = 1;

pub(super) fn measure(program: &Path, args: &Args) -> anyhow::Result<Vec<Goal>> {
    let none = Scene::traced(program, None)?;
    let (refusing, slow) = (Sink::start(Way::Refuse)?, Sink::start(Way::Slow)?);
    let collectors = [
        ("a dead collector", dead()?),
        ("a slow collector", slow.endpoint()),
        ("a refusing collector", refusing.endpoint()),
    ];
    let goal = |(what, endpoint): (&'static str, String)| compare(program, what, &endpoint, &none, args);
    collectors.into_iter().map(goal).collect()
}

fn compare(
    program: &Path,
    what: &'static str,
    endpoint: &str,
    none: &Scene,
    args: &Args,
) -> anyhow::Result<Goal> {
    say::step(&format!("{what}: {} pairs of {} requests", args.pairs, args.requests));
    let bad = Scene::traced(program, Some(endpoint))?;
    let mut ratios = Vec::new();
    // The first pair fills caches and pools.
    for _ in 0..=args.pairs {
        let mut latencies = [Vec::new(), Vec::new()];
        alternate([&bad, none], |which, scene| {
            let _held = [none, &bad][which].dataplane.hold();
            latencies[which].extend(scene.load(args.slice(), CONNECTIONS)?.latencies);
            Ok(())
        })?;
        let [bad, none] = latencies.map(|mut all| {
            all.sort_unstable();
            percentile(&all, 99).as_secs_f64()
        });
        ratios.push(bad / none);
    }
    ratios.remove(0);
    Ok(Goal { what, measured: Ratio::of(&ratios), max: Some(P99_MAX) })
}

/// Where nobody listens.
fn dead() -> anyhow::Result<String> {
    Ok(format!("http://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}
