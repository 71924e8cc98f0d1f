//! Which endpoint gets an attempt: of two taken at random, the one with less load.
//!
//! A retry prefers endpoints that the request has not tried. When all have been tried, any will do: having tried is
//! no reason to fail.

use std::net::SocketAddr;

/// Picks one of `endpoints`, none that was `tried` if that leaves a choice. `load` is in requests; `below(n)` throws the
/// dice, uniform in `0..n`. None: there is no endpoint.
pub fn choose(
    endpoints: &[SocketAddr],
    tried: impl Fn(&SocketAddr) -> bool,
    load: impl Fn(SocketAddr) -> u32,
    mut below: impl FnMut(usize) -> usize,
) -> Option<SocketAddr> {
    if !endpoints.iter().any(&tried) {
        return less_loaded(endpoints, load, &mut below);
    }
    let fresh: Vec<_> = endpoints.iter().copied().filter(|endpoint| !tried(endpoint)).collect();
    less_loaded(if fresh.is_empty() { endpoints } else { &fresh }, load, &mut below)
}

fn less_loaded(
    endpoints: &[SocketAddr],
    load: impl Fn(SocketAddr) -> u32,
    below: &mut impl FnMut(usize) -> usize,
) -> Option<SocketAddr> {
    match endpoints {
        [] => None,
        [only] => Some(*only),
        _ => {
            let first = below(endpoints.len());
            // Any but the first: an offset of at least one, around the end.
            let second = (first + 1 + below(endpoints.len() - 1)) % endpoints.len();
            let (first, second) = (endpoints[first], endpoints[second]);
            Some(if load(second) < load(first) { second } else { first })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(count: u16) -> Vec<SocketAddr> {
        (0..count).map(|n| SocketAddr::from(([127, 0, 0, 1], 1000 + n))).collect()
    }

    #[test]
    fn s59_a_retry_goes_to_an_endpoint_that_was_not_tried() {
        let all = endpoints(3);
        for _ in 0..100 {
            let chosen =
                choose(&all, |endpoint| all[..2].contains(endpoint), |_| 0, |n| fastrand::usize(..n));
            assert_eq!(chosen, Some(all[2]));
        }
    }

    #[test]
    fn s59_s60_when_all_were_tried_any_endpoint_will_do() {
        for count in 1..4 {
            let all = endpoints(count);
            assert!(choose(&all, |_| true, |_| 0, |n| fastrand::usize(..n)).is_some());
        }
    }

    #[test]
    fn the_busier_of_two_is_passed_over() {
        let all = endpoints(2);
        let load = |endpoint| u32::from(endpoint == all[0]);
        for _ in 0..100 {
            assert_eq!(choose(&all, |_| false, load, |n| fastrand::usize(..n)), Some(all[1]));
        }
    }

    #[test]
    fn without_endpoints_there_is_no_choice() {
        assert_eq!(choose(&[], |_| false, |_| 0, |_| 0), None);
    }
}
