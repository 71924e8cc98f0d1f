//! When certificates change. Pure: the moment is handed in.
//!
//! No request is lost on the way. A new certificate is made long before the old one ends; API servers are told to trust
//! both; only then is it shown, and the old one stays trusted until the next change.

use std::time::{Duration, SystemTime};

use super::WebhookError;
use super::keyring::{Keyring, Pair};

/// How long before its end a certificate gets a successor.
pub const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a successor is trusted before it is shown: each API server has to notice.
pub const SETTLE: Duration = Duration::from_secs(60);

/// What the Secret is to hold from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// What it holds.
    Stays(Keyring),
    /// Something else.
    Changes(Keyring),
}

/// Decides it. `names` is what certificates are to be for, `trusted` what the API servers have been told to trust.
///
/// # Errors
/// When a certificate cannot be made.
pub(super) fn turn(
    keyring: Option<Keyring>,
    names: &[String],
    trusted: &str,
    now: SystemTime,
) -> Result<Turn, WebhookError> {
    let Some(mut keyring) = keyring.filter(|it| !it.serving.expires_within(Duration::ZERO, now)) else {
        return Ok(Turn::Changes(Keyring::new(Pair::make(names, now)?)));
    };
    match keyring.next.take_if(|next| is_settled(next, trusted, now)) {
        Some(next) => return Ok(Turn::Changes(keyring.showing(next))),
        None if keyring.next.is_some() => return Ok(Turn::Stays(keyring)),
        None => {}
    }
    let is_due = keyring.serving.expires_within(RENEW_BEFORE, now) || keyring.serving.names != names;
    if !is_due {
        return Ok(Turn::Stays(keyring));
    }
    let next = Some(Pair::make(names, now)?);
    Ok(Turn::Changes(Keyring { serving: keyring.serving, next, previous: None }))
}

fn is_settled(next: &Pair, trusted: &str, now: SystemTime) -> bool {
    trusted.contains(&next.authority) && next.is_older_than(SETTLE, now)
}

#[cfg(test)]
mod tests {
    use super::super::keyring::LIFETIME;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn names() -> Vec<String> {
        vec!["webhook.test".into()]
    }

    /// A keyring, the moment in which it was made, and what API servers trust then.
    fn made() -> (Keyring, SystemTime, String) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let Turn::Changes(keyring) = turn(None, &names(), "", now).unwrap() else { panic!("there was none") };
        let trusted = keyring.authorities();
        (keyring, now, trusted)
    }

    /// What the Secret changes to, if it does.
    fn after(keyring: &Keyring, trusted: &str, now: SystemTime) -> Option<Keyring> {
        match turn(Some(keyring.clone()), &names(), trusted, now).unwrap() {
            Turn::Changes(changed) => Some(changed),
            Turn::Stays(same) => {
                assert_eq!(same, *keyring);
                None
            }
        }
    }

    #[test]
    fn a_certificate_stays_until_it_is_due() {
        let (keyring, now, trusted) = made();
        assert_eq!(after(&keyring, &trusted, now), None);
        assert_eq!(after(&keyring, &trusted, now + LIFETIME - RENEW_BEFORE - SECOND), None);
    }

    #[test]
    fn a_successor_is_trusted_before_it_is_shown() {
        let (keyring, now, trusted) = made();
        let due = now + LIFETIME - RENEW_BEFORE;
        let prepared = after(&keyring, &trusted, due).unwrap();
        assert_eq!(prepared.serving, keyring.serving, "nobody trusts the new one yet");
        let both = prepared.authorities();
        assert_eq!(after(&prepared, &trusted, due + SETTLE), None, "API servers have not been told");
        assert_eq!(after(&prepared, &both, due + SETTLE - SECOND), None, "they may not have noticed");

        let shown = after(&prepared, &both, due + SETTLE).unwrap();
        assert_eq!(Some(&shown.serving), prepared.next.as_ref());
        assert_eq!(shown.authorities(), both, "a replica may show the old one for another moment");
        assert_eq!(after(&shown, &both, due + SETTLE), None);
    }

    #[test]
    fn an_old_authority_is_forgotten_with_the_change_after_it() {
        let (first, now, trusted) = made();
        let due = now + LIFETIME - RENEW_BEFORE;
        let prepared = after(&first, &trusted, due).unwrap();
        let second = after(&prepared, &prepared.authorities(), due + SETTLE).unwrap();
        let third = after(&second, &second.authorities(), due + LIFETIME).unwrap();
        assert!(!third.authorities().contains(&first.serving.authority));
    }

    #[test]
    fn one_that_has_ended_is_replaced_at_once() {
        let (keyring, now, trusted) = made();
        let fresh = after(&keyring, &trusted, now + LIFETIME).unwrap();
        assert_ne!(fresh.serving, keyring.serving);
        assert_eq!(fresh.next, None);
    }

    #[test]
    fn one_for_other_names_gets_a_successor() {
        let (keyring, now, trusted) = made();
        let other = vec!["127.0.0.1".to_owned()];
        let Turn::Changes(prepared) = turn(Some(keyring), &other, &trusted, now).unwrap() else { panic!() };
        assert_eq!(prepared.next.unwrap().names, other);
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let (keyring, now, trusted) = made();
        assert_eq!(after(&keyring, &trusted, now - LIFETIME), None);
    }
}
