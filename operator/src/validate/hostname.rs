//! What the hostnames of a listener and of a route have in common.

/// The narrower of both for each pair that intersects; `None`: nothing in common. Empty: every host of the listener.
pub(super) fn intersect(listener: Option<&str>, route: &[String]) -> Option<Vec<String>> {
    if route.is_empty() {
        return Some(Vec::new());
    }
    let mut common: Vec<String> = route.iter().filter_map(|route| narrower(listener, route)).collect();
    common.sort();
    common.dedup();
    (!common.is_empty()).then_some(common)
}

fn narrower(listener: Option<&str>, route: &str) -> Option<String> {
    let route = route.to_ascii_lowercase();
    let Some(listener) = listener else { return Some(route) };
    if covers(listener, &route) {
        return Some(route);
    }
    covers(&route, listener).then(|| listener.to_owned())
}

/// Whether every host of `narrow` is one of `wide`. A wildcard stands for one label or more.
fn covers(wide: &str, narrow: &str) -> bool {
    let Some(suffix) = wide.strip_prefix('*') else { return wide == narrow };
    let narrow = narrow.strip_prefix('*').unwrap_or(narrow);
    narrow == suffix || (narrow.len() > suffix.len() && narrow.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listener: Option<&str>, route: &[&str], expected: Option<&[&str]>) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(intersect(listener, &owned(route)), expected.map(owned));
    }

    #[test]
    fn the_narrower_hostname_is_what_both_have_in_common() {
        check(None, &[], Some(&[]));
        check(Some("a.example.com"), &[], Some(&[]));
        check(None, &["A.example.com"], Some(&["a.example.com"]));
        check(Some("*.example.com"), &["a.example.com", "b.org"], Some(&["a.example.com"]));
        check(Some("a.example.com"), &["*.example.com"], Some(&["a.example.com"]));
        check(Some("*.example.com"), &["*.a.example.com"], Some(&["*.a.example.com"]));
        check(Some("*.example.com"), &["*.example.com"], Some(&["*.example.com"]));
        check(Some("*.example.com"), &["a.b.example.com"], Some(&["a.b.example.com"]));
    }

    #[test]
    fn a_wildcard_does_not_cover_its_own_domain_or_a_longer_label() {
        check(Some("*.example.com"), &["example.com"], None);
        check(Some("*.example.com"), &["badexample.com"], None);
        check(Some("a.example.com"), &["b.example.com"], None);
    }
}
