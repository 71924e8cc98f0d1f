//! What the objects of a Gateway are called.

use rebound_api::name::LABEL_MAX_CHARS;
use xxhash_rust::xxh3::xxh3_64;

use crate::shards;

/// Hexadecimal digits of the hash in a name that had to be changed.
const HASH_CHARS: usize = 10;
/// In front of a name that would begin with a digit: the name of a Service must not (RFC 1035).
const PREFIX: &str = "gw-";

/// How the name of the ConfigMap ends that takes the reports of the agents.
const REPORT: &str = "-report";

/// The names of the objects of one Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    base: String,
}

impl Names {
    /// `<gateway>-<class>`, as a DNS label that begins with a letter. A text that is none, or is too long, is changed,
    /// and gets a hash so that no two Gateways of a namespace come to the same name by it.
    pub fn new(gateway: &str, class: &str) -> Self {
        let plain = format!("{gateway}-{class}");
        let mut base = plain.replace('.', "-");
        if base.starts_with(|c: char| c.is_ascii_digit()) {
            base.insert_str(0, PREFIX);
        }
        if base != plain || base.len() > LABEL_MAX_CHARS {
            // With `/`, which no name holds, `a.b` of `c` and `a` of `b.c` differ.
            base = cut(&base, &format!("{gateway}/{class}"), LABEL_MAX_CHARS);
        }
        Self { base }
    }

    /// The ServiceAccount, Role, RoleBinding, Deployment, Service, PodDisruptionBudget and HorizontalPodAutoscaler.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The ConfigMap that names the shards.
    pub fn manifest(&self) -> String {
        shards::manifest_name(&self.base)
    }

    /// The ConfigMap of a shard.
    pub fn shard(&self, index: usize) -> String {
        shards::shard_name(&self.base, index)
    }

    /// The ConfigMap that takes the reports of the agents.
    pub fn report(&self) -> String {
        format!("{}{REPORT}", self.base)
    }
}

/// Whether agents report in a ConfigMap of this name.
pub fn is_report(name: &str) -> bool {
    name.ends_with(REPORT)
}

/// A name as the value of a label, which is shorter than a name may be.
pub fn label_value(name: &str) -> String {
    if name.len() <= LABEL_MAX_CHARS { name.into() } else { cut(name, name, LABEL_MAX_CHARS) }
}

/// As much of `text` as fits with the hash of `whole` behind it. Names are ASCII: every byte is a character.
fn cut(text: &str, whole: &str, chars_max: usize) -> String {
    let kept: String = text.chars().take(chars_max - HASH_CHARS - 1).collect();
    let hash = format!("{:016x}", xxh3_64(whole.as_bytes()));
    format!("{}-{}", kept.trim_end_matches(['-', '.']), &hash[..HASH_CHARS])
}

#[cfg(test)]
mod tests {
    use rebound_api::name::NAME_MAX_CHARS;

    use super::*;

    #[test]
    fn a_name_that_fits_is_taken_as_it_is() {
        let names = Names::new("fsm-gateway", "fsm");
        assert_eq!(names.base(), "fsm-gateway-fsm");
        assert_eq!(names.manifest(), "fsm-gateway-fsm-config");
        assert_eq!(names.shard(3), "fsm-gateway-fsm-config-v1-3");
        assert_eq!(names.report(), "fsm-gateway-fsm-report");
        assert_eq!(Names::new(&"a".repeat(59), "fsm").base(), format!("{}-fsm", "a".repeat(59)));
    }

    #[test]
    fn any_other_becomes_a_name_that_a_service_can_have() {
        let long = "a".repeat(NAME_MAX_CHARS);
        let dashes = format!("{}.{}", "a".repeat(51), "b".repeat(40));
        for gateway in [&long, &dashes, "1", "a.b.c", "1.2", &"a".repeat(60)] {
            let base = Names::new(gateway, "fsm").base;
            let is_label = base.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(is_label && base.len() <= LABEL_MAX_CHARS && !base.contains("--"), "{base}");
            assert!(base.starts_with(|c: char| c.is_ascii_lowercase()), "{base}");
        }
    }

    #[test]
    fn gateways_that_a_change_would_make_equal_stay_apart() {
        let base = |gateway: &str, class: &str| Names::new(gateway, class).base;
        let long = "a".repeat(70);
        let all = [
            base("a.b", "c"),
            base("a-b", "c"),
            base("a", "b.c"),
            base("1", "c"),
            base("gw-1", "c"),
            base(&long, "c"),
            base(&format!("{long}a"), "c"),
        ];
        let mut distinct = all.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }

    #[test]
    fn a_label_holds_a_long_name_cut() {
        assert_eq!(label_value("fsm"), "fsm");
        let value = label_value(&"a".repeat(NAME_MAX_CHARS));
        assert_eq!(value.len(), LABEL_MAX_CHARS);
    }
}
