//! Logins of browsers: who is logged in, and by which texts forms show that they come from our own
//! pages.

use crate::oidc;
use axum::http::HeaderMap;
use axum::http::header;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq as _;

/// How long a login lasts, in milliseconds.
const LASTS: i64 = 12 * 3_600_000;

/// How many logins there are at once. The oldest one makes room.
const MOST: usize = 10_000;

/// The logins of a server. They end with its process.
pub(crate) struct Sessions {
    /// From which the texts of forms are made.
    secret: [u8; 32],
    /// By the hash of what the cookie holds, so that no login can be read from memory.
    all: Mutex<BTreeMap<[u8; 32], Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    key: String,
    /// The hash of the secret that it began with; of a person who needed none, there is none.
    secret: Option<[u8; 32]>,
    person: Option<String>,
    until: i64,
}

/// Who is logged in.
#[derive(Debug)]
pub(crate) struct Login {
    /// The access key id whose rights they have.
    pub(crate) key: String,
    secret: Option<[u8; 32]>,
    /// What they are called, if an identity provider has said so.
    pub(crate) person: Option<String>,
    /// The text of their forms.
    pub(crate) token: String,
}

impl Login {
    /// Whether it began with the secret that the key has now. It ends when that is replaced.
    pub(crate) fn is_with(&self, secret: &str) -> bool {
        self.secret.is_none_or(|known| known.ct_eq(&hash(secret)).into())
    }
}

/// Who logs in.
#[derive(Debug)]
pub(crate) enum As<'s> {
    /// Whoever knows the key's secret.
    Holder(&'s str),
    /// Somebody whom an identity provider knows by this name.
    Person(String),
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { secret: random(), all: Mutex::default() }
    }
}

impl Sessions {
    /// Begins a login with a key, or of a person with the rights of a key. Returns what the cookie holds.
    pub(crate) fn begin(&self, key: &str, as_who: As, now: i64) -> String {
        let (secret, person) = match as_who {
            As::Holder(secret) => (Some(hash(secret)), None),
            As::Person(name) => (None, Some(name)),
        };
        let cookie = self::secret();
        let mut all = self.all.lock();
        all.retain(|_, session| session.until > now);
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, session)| session.until);
            let oldest = oldest.map(|(hash, _)| *hash);
            oldest.and_then(|hash| all.remove(&hash));
        }
        all.insert(
            hash(&cookie),
            Session { key: key.to_owned(), secret, person, until: now + LASTS },
        );
        cookie
    }

    /// The login of a browser.
    pub(crate) fn find(&self, headers: &HeaderMap, now: i64) -> Option<Login> {
        let cookie = cookie(headers, SESSION)?;
        let all = self.all.lock();
        let session = all.get(&hash(cookie)).filter(|session| session.until > now)?;
        let Session { key, secret, person, .. } = session.clone();
        Some(Login { key, secret, person, token: self.token(cookie) })
    }

    /// Ends the logins of all whom an identity provider knows.
    pub(crate) fn end_people(&self) {
        self.all.lock().retain(|_, session| session.person.is_none());
    }

    /// Ends a login.
    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(cookie) = cookie(headers, SESSION) {
            self.all.lock().remove(&hash(cookie));
        }
    }

    /// The text of the forms where nobody needs a login.
    pub(crate) fn token_of_anybody(&self) -> String {
        self.token("")
    }

    fn token(&self, cookie: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length is a key");
        mac.update(cookie.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// The header that sets the cookie; without a value, the one that removes it.
pub(crate) fn set_cookie(headers: &HeaderMap, value: Option<&str>, is_encrypted: bool) -> String {
    let (value, age) = value.map_or(("", 0), |value| (value, LASTS / 1_000));
    let secure = if is_encrypted { "; Secure" } else { "" };
    let name = name(headers, SESSION);
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

/// The header that sets the cookie by which a browser is known that comes back from the identity provider.
/// It comes from there, so that the cookie must be sent along then.
pub(crate) fn set_login_cookie(headers: &HeaderMap, value: &str, is_encrypted: bool) -> String {
    let seconds = oidc::LASTS / 1_000;
    let secure = if is_encrypted { "; Secure" } else { "" };
    let name = name(headers, LOGIN);
    format!(
        "{name}={value}; Path=/console/login; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    )
}

/// What the cookie of a browser holds that logs in with the identity provider.
pub(crate) fn login_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, LOGIN)
}

/// What the cookie of a login is called.
const SESSION: &str = "session";

/// What the cookie of a browser is called that logs in.
const LOGIN: &str = "login";

/// The name of the cookie. A browser sends cookies to every port of a host, so the port is in it.
fn name(headers: &HeaderMap, what: &str) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let port: String = port.chars().filter(char::is_ascii_digit).take(5).collect();
    format!("stepwright-{what}-{port}")
}

/// What a cookie holds. Of two with its name, neither counts.
fn cookie<'h>(headers: &'h HeaderMap, what: &str) -> Option<&'h str> {
    let name = name(headers, what);
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|text| text.to_str().ok());
    let pairs =
        texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
    let value = values.next().filter(|value| value.len() == 64)?;
    values.next().is_none().then_some(value)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A text of 64 characters that nobody can guess.
pub(crate) fn secret() -> String {
    hex::encode(random())
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("it is a value"));
        headers.insert(header::COOKIE, cookie.parse().expect("it is a value"));
        headers
    }

    #[test]
    fn a_login_is_known_until_it_ends() {
        let sessions = Sessions::default();
        let cookie = sessions.begin("AKID", As::Holder("one"), 1_000);
        let sent = headers("localhost:8083", &format!("x=1; stepwright-session-8083={cookie}"));
        let login = sessions.find(&sent, 2_000).expect("it is known");
        assert!(login.is_with("one") && !login.is_with("two"));
        let Login { key, token, .. } = login;
        assert_eq!(key, "AKID");
        assert_ne!(token, sessions.token_of_anybody());
        assert!(!token.contains(&cookie));
        // Not on another port, not twice, not changed, not later.
        let set = |text: String| sessions.find(&headers("localhost:8083", &text), 2_000);
        assert!(
            sessions
                .find(&headers("localhost:1", &format!("stepwright-session-8083={cookie}")), 2_000)
                .is_none()
        );
        assert!(
            set(format!("stepwright-session-8083={cookie}; stepwright-session-8083={cookie}"))
                .is_none()
        );
        assert!(
            set(format!(
                "stepwright-session-8083={}",
                cookie.to_uppercase().replace(['A', 'B'], "0")
            ))
            .is_none()
                || cookie.bytes().all(|b| b.is_ascii_digit())
        );
        assert!(set("stepwright-session-8083=".to_owned()).is_none());
        assert!(sessions.find(&sent, 1_000 + LASTS).is_none());
        sessions.end(&sent);
        assert!(sessions.find(&sent, 2_000).is_none());
    }

    #[test]
    fn logins_are_bounded() {
        let sessions = Sessions::default();
        for at in 0..MOST as i64 + 5 {
            sessions.begin("AKID", As::Person("ada".to_owned()), at);
        }
        assert_eq!(sessions.all.lock().len(), MOST);
        sessions.begin("AKID", As::Holder("one"), 1);
        sessions.end_people();
        assert_eq!(sessions.all.lock().len(), 1);
    }
}
