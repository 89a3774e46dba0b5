//! The logins that have begun and have not come back yet.
//!
//! A browser brings everything back that is known of its login, sealed with a secret of this server, so that
//! nothing is kept of those that never come back: whoever begins very many keeps nobody else out.

use crate::door::{is_same, secret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// How long a login at the provider may take, in milliseconds.
pub(crate) const LASTS: i64 = 10 * 60_000;

/// Of how many logins it is known that they have come back. The oldest one makes room.
const MOST: usize = 10_000;

/// A login that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// What the provider returns as it is.
    pub(crate) state: String,
    /// The address that the provider sends the browser back to.
    pub(crate) redirect: String,
    /// The path that is shown afterwards.
    pub(crate) next: String,
    /// What the ID token must repeat.
    pub(crate) nonce: String,
    /// What shows the provider that the code is exchanged by whoever asked for it.
    pub(crate) verifier: String,
}

impl Begun {
    /// The hash of the verifier, as the provider gets it at first.
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

/// Seals logins, and opens each once.
#[derive(Debug)]
pub(crate) struct Logins {
    secret: String,
    /// The states that have come back, and until when they could.
    used: Mutex<BTreeMap<String, i64>>,
}

impl Default for Logins {
    fn default() -> Self {
        Self { secret: secret(), used: Mutex::default() }
    }
}

impl Logins {
    /// Begins a login in the browser with this cookie.
    pub(crate) fn begin(&self, browser: &str, redirect: &str, next: &str, now: i64) -> Begun {
        let head = format!("{}.{}.{}", now + LASTS, secret(), URL_SAFE_NO_PAD.encode(next));
        self.of(&head, browser, redirect, next)
    }

    /// The login with this state, if it has begun in this browser. It is gone after that.
    pub(crate) fn take(
        &self,
        browser: &str,
        redirect: &str,
        state: &str,
        now: i64,
    ) -> Option<Begun> {
        let (head, _) = state.rsplit_once('.')?;
        let mut parts = head.splitn(3, '.');
        let until: i64 = parts.next()?.parse().ok()?;
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?).ok()?;
        let begun = self.of(head, browser, redirect, &next);
        if !is_same(&begun.state, state) || until <= now {
            return None;
        }
        let mut used = self.used.lock();
        used.retain(|_, until| *until > now);
        if used.len() >= MOST {
            let oldest = used.iter().min_by_key(|(_, until)| **until);
            let oldest = oldest.map(|(state, _)| state.clone());
            oldest.and_then(|state| used.remove(&state));
        }
        used.insert(state.to_owned(), until).is_none().then_some(begun)
    }

    fn of(&self, head: &str, browser: &str, redirect: &str, next: &str) -> Begun {
        let sealed = |what: &str| self.seal(&[what, head, browser, redirect]);
        Begun {
            state: format!("{head}.{}", sealed("state")),
            redirect: redirect.to_owned(),
            next: next.to_owned(),
            nonce: sealed("nonce"),
            verifier: sealed("verifier"),
        }
    }

    fn seal(&self, parts: &[&str]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length is a key");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_comes_back_once_to_its_browser_and_in_time() {
        let logins = Logins::default();
        let begun = logins.begin("one", "https://here", "/console/é?a=b", 0);
        let take = |browser: &str, redirect: &str, state: &str, now: i64| {
            logins.take(browser, redirect, state, now)
        };
        assert_eq!(take("two", "https://here", &begun.state, 1), None);
        assert_eq!(take("one", "https://there", &begun.state, 1), None);
        assert_eq!(take("one", "https://here", &begun.state.replacen('6', "7", 1), 1), None);
        for guessed in ["", "guessed", "..", "1.2.3.4", "9999999999999.x.Lw.x"] {
            assert_eq!(take("one", "https://here", guessed, 1), None, "{guessed}");
        }
        assert_eq!(take("one", "https://here", &begun.state, LASTS), None);
        assert_eq!(take("one", "https://here", &begun.state, 1), Some(begun.clone()));
        assert_eq!(take("one", "https://here", &begun.state, 2), None);
        // Another server, or this one after a restart, knows nothing of it.
        assert_eq!(Logins::default().take("one", "https://here", &begun.state, 1), None);
    }

    #[test]
    fn whoever_begins_many_keeps_nobody_out() {
        let logins = Logins::default();
        let first = logins.begin("one", "r", "/", 0);
        for at in 1..=3 * MOST as i64 {
            logins.begin("other", "r", "/", at % 100);
        }
        assert!(logins.take("one", "r", &first.state, 200).is_some());
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        let logins = Logins::default();
        let (one, two) = (logins.begin("b", "r", "/", 0), logins.begin("b", "r", "/", 0));
        let all = [&one.state, &one.nonce, &one.verifier, &two.state, &two.nonce, &two.verifier];
        let different: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), 6);
        // RFC 7636 wants 43 characters or more.
        assert!(one.verifier.len() >= 43);
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // Appendix B of RFC 7636.
        let mut begun = Logins::default().begin("", "", "", 0);
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".clone_into(&mut begun.verifier);
        assert_eq!(begun.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
