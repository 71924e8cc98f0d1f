//! The grammars of names, versions and images that the rules ask about.

/// The longest name of an object.
const NAME_MAX_CHARS: usize = 253;

/// A DNS-1123 subdomain: what Kubernetes takes for the name of most objects.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= NAME_MAX_CHARS && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// A version as semver.org has it: three numbers, then perhaps `-prerelease` and `+build`.
pub(super) fn is_version(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, prerelease) = rest.split_once('-').map_or((rest, None), |(core, after)| (core, Some(after)));
    let numbers: Vec<_> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| is_number(number))
        && prerelease.is_none_or(|after| after.split('.').all(is_identifier))
        && build.is_none_or(|after| after.split('.').all(is_word))
}

fn is_identifier(text: &str) -> bool {
    is_word(text) && (is_number(text) || !text.chars().all(|c| c.is_ascii_digit()))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_number(text: &str) -> bool {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

/// The name of an image with its tag, its digest or both. Without either it would be whatever was pushed last.
pub(super) fn is_image(text: &str) -> bool {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    // A colon after the last slash begins a tag; one before it, a port.
    let after_slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[after_slash..].split_once(':') {
        Some((last, tag)) => (format!("{}{last}", &rest[..after_slash]), Some(tag)),
        None => (rest.to_owned(), None),
    };
    let hex =
        |text: &str| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit() && !c.is_uppercase());
    (tag.is_some() || digest.is_some())
        && is_repository(&name)
        && tag.is_none_or(|tag| {
            !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        })
        && digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(hex))
}

fn is_repository(name: &str) -> bool {
    let part = |part: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        part.chars().all(inside) && ends(part.chars().next()) && ends(part.chars().last())
    };
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let host = first.split_once(':').map_or(first, |(host, _)| host);
    (first.is_empty() || part(host)) && rest.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subdomain_is_lower_case_labels_between_dots() {
        for good in ["a", "validate.gateway.flomesh.io", "rebound-operator.v0.1.0", "0"] {
            assert!(is_subdomain(good), "{good}");
        }
        for bad in ["", "Validate.io", "a..b", "-a", "a-.b", "a_b", ".a", &"a".repeat(254)] {
            assert!(!is_subdomain(bad), "{bad}");
        }
    }

    #[test]
    fn a_version_is_semantic() {
        for good in ["0.1.0", "1.33.0", "1.0.0-rc.1", "1.0.0-0a.b+build.007", "1.0.0+x"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3.4", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.x"] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn an_image_names_what_is_meant() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let by_digest = format!("rebound/operator@{digest}");
        for good in ["rebound/operator:0.1.0", "localhost:5000/a/b:x", "a:1", &by_digest] {
            assert!(is_image(good), "{good}");
        }
        for bad in
            ["", "rebound/operator", "Rebound/operator:1", "a b:1", "a:", "localhost:5000/a", "a/@sha256:1"]
        {
            assert!(!is_image(bad), "{bad}");
        }
    }
}
