//! The logins that have begun and have not come back yet.

use crate::door::secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// How long a login at the provider may take, in milliseconds.
pub(crate) const LASTS: i64 = 10 * 60_000;

/// How many logins are under way at once. The oldest one makes room.
const MOST: usize = 10_000;

/// A login that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// The hash of what the browser's cookie holds.
    browser: [u8; 32],
    /// The address that the provider sends the browser back to.
    pub(crate) redirect: String,
    /// The path that is shown afterwards.
    pub(crate) next: String,
    /// What the ID token must repeat.
    pub(crate) nonce: String,
    /// What shows the provider that the code is exchanged by whoever asked for it.
    pub(crate) verifier: String,
    until: i64,
}

impl Begun {
    pub(crate) fn new(browser: &str, redirect: String, next: String, now: i64) -> Self {
        Self {
            browser: hash(browser),
            redirect,
            next,
            nonce: secret(),
            verifier: secret(),
            until: now + LASTS,
        }
    }

    /// The hash of the verifier, as the provider gets it at first.
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(hash(&self.verifier))
    }
}

/// The logins under way, by the hash of their state.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<BTreeMap<[u8; 32], Begun>>);

impl Logins {
    /// Keeps a login. Returns its state.
    pub(crate) fn begin(&self, begun: Begun) -> String {
        let state = secret();
        let mut all = self.0.lock();
        let now = begun.until - LASTS;
        if all.len() >= MOST {
            all.retain(|_, begun| begun.until > now);
        }
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, begun)| begun.until);
            let oldest = oldest.map(|(hash, _)| *hash);
            oldest.and_then(|hash| all.remove(&hash));
        }
        all.insert(hash(&state), begun);
        state
    }

    /// The login with this state, if it has begun in this browser. It is gone after that.
    pub(crate) fn take(&self, browser: &str, state: &str, now: i64) -> Option<Begun> {
        let mut all = self.0.lock();
        let state = hash(state);
        // What others come back with does not end it.
        let is_own = all.get(&state).is_some_and(|begun| begun.browser == hash(browser));
        let begun = if is_own { all.remove(&state) } else { None };
        begun.filter(|begun| begun.until > now)
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(browser: &str, now: i64) -> Begun {
        Begun::new(browser, String::new(), String::new(), now)
    }

    #[test]
    fn a_login_comes_back_once_to_its_browser_and_in_time() {
        let logins = Logins::default();
        let state = logins.begin(begun("one", 0));
        assert!(logins.take("two", &state, 1).is_none());
        assert!(logins.take("one", "guessed", 1).is_none());
        assert!(logins.take("one", &state, 1).is_some());
        assert!(logins.take("one", &state, 1).is_none());
        let state = logins.begin(begun("one", 0));
        assert!(logins.take("one", &state, LASTS).is_none());
    }

    #[test]
    fn there_is_room_for_so_many() {
        let logins = Logins::default();
        let first = logins.begin(begun("one", 0));
        for at in 1..=MOST as i64 {
            logins.begin(begun("one", at));
        }
        assert_eq!(logins.0.lock().len(), MOST);
        assert!(logins.take("one", &first, 1).is_none());
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // Appendix B of RFC 7636.
        let mut begun = begun("", 0);
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".clone_into(&mut begun.verifier);
        assert_eq!(begun.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
