//! Who may call what: `SigV4` signatures, verified against configured keys.

use axum::http::request::Parts;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_history::Moment;
use stepwright_program::time;
use stepwright_protocol::ApiError;
use subtle::ConstantTimeEq as _;

/// The keys that may call operations.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    keys: BTreeMap<String, Key>,
}

/// A key: its secret, and what it may do.
#[derive(Clone)]
pub struct Key {
    /// The secret access key.
    pub secret: String,
    /// The actions: `states:StartExecution`, with `*` for any letters. None of them: nothing.
    pub actions: Vec<String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays one.
        f.debug_struct("Key").field("actions", &self.actions).finish_non_exhaustive()
    }
}

/// A request that wants to be let in.
pub(crate) struct Access<'a> {
    pub(crate) operation: &'a str,
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    pub(crate) now: Moment,
}

/// How far the clocks may be apart, in milliseconds.
const MOST_SKEW: i64 = 5 * 60_000;

impl Credentials {
    /// These keys, by access key id.
    pub fn new(keys: BTreeMap<String, Key>) -> Self {
        Self { keys }
    }

    /// Whether there are none: then everybody who can connect is let in.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn check(&self, access: &Access<'_>) -> Result<(), ApiError> {
        if self.is_empty() {
            return Ok(());
        }
        let header = access.header("authorization").ok_or_else(|| {
            denied("MissingAuthenticationTokenException", "Missing Authentication Token")
        })?;
        let signature = Signature::read(header).ok_or_else(|| {
            denied(
                "IncompleteSignatureException",
                "the header Authorization has no complete AWS4-HMAC-SHA256 signature",
            )
        })?;
        let unknown = || {
            denied(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        };
        let key = self.keys.get(signature.key).ok_or_else(unknown)?;
        let at = access.header("x-amz-date").unwrap_or_default();
        let moment = read_date(at).ok_or_else(|| {
            denied("IncompleteSignatureException", "the header X-Amz-Date is missing or no date")
        })?;
        if (moment - access.now.0).abs() > MOST_SKEW {
            return Err(denied(
                "InvalidSignatureException",
                &format!("Signature expired: {at} is more than 5 minutes from the server's clock"),
            ));
        }
        let expected = signature.expected(access, at, &key.secret);
        let is_right = expected
            .is_some_and(|expected| expected.as_bytes().ct_eq(signature.text.as_bytes()).into());
        if !is_right {
            return Err(denied(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method.",
            ));
        }
        let action = format!("states:{}", access.operation);
        if !key.actions.iter().any(|pattern| matches(pattern, &action)) {
            return Err(denied(
                "AccessDeniedException",
                &format!("User: {} is not authorized to perform: {action}", signature.key),
            ));
        }
        Ok(())
    }
}

fn denied(code: &'static str, message: &str) -> ApiError {
    let status = if code == "AccessDeniedException" { 400 } else { 403 };
    ApiError { status, ..ApiError::new(code, message) }
}

impl Access<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The header `Authorization`, taken apart.
struct Signature<'a> {
    key: &'a str,
    /// Date, region, service and `aws4_request`.
    scope: &'a str,
    signed: Vec<&'a str>,
    text: &'a str,
}

impl<'a> Signature<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
        let part = |name: &str| {
            rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (key, scope) = part("Credential")?.split_once('/')?;
        let signed: Vec<&str> = part("SignedHeaders")?.split(';').collect();
        // Without these two, a signature could be used for another request.
        let is_whole = ["host", "x-amz-date"].iter().all(|name| signed.contains(name));
        is_whole.then_some(Self { key, scope, signed, text: part("Signature")? })
    }

    /// The signature that the secret gives.
    fn expected(&self, access: &Access<'_>, at: &str, secret: &str) -> Option<String> {
        let [date, region, service, "aws4_request"] = self.scope.split('/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        if !at.starts_with(date) || service != "states" {
            return None;
        }
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            access.parts.method,
            access.parts.uri.path(),
            access.parts.uri.query().unwrap_or_default()
        );
        for name in &self.signed {
            let values: Vec<&str> = access
                .parts
                .headers
                .get_all(*name)
                .iter()
                .map(|value| value.to_str().unwrap_or_default())
                .collect();
            let value = values.join(",");
            let value: Vec<&str> = value.split_whitespace().collect();
            writeln!(canonical, "{name}:{}", value.join(" ")).expect("text grows");
        }
        let body = hex(&Sha256::digest(access.body));
        write!(canonical, "\n{}\n{body}", self.signed.join(";")).expect("text grows");
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{at}\n{}\n{}",
            self.scope,
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [date, region, service, "aws4_request"] {
            key = sign(&key, part);
        }
        Some(hex(&sign(&key, &to_sign)))
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("text grows");
    }
    text
}

/// `20260102T030405Z` as milliseconds since 1970.
fn read_date(text: &str) -> Option<i64> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    if day.len() != 8 || clock.len() != 6 || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
    let (hour, minute, second) = (&clock[..2], &clock[2..4], &clock[4..]);
    time::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// Whether an action is one that a pattern stands for; `*` stands for any letters.
fn matches(pattern: &str, action: &str) -> bool {
    let (mut pattern, mut action) = (pattern.as_bytes(), action.as_bytes());
    // Where the last star stood, and how much it has taken so far.
    let mut back: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), action.split_first()) {
            (Some((b'*', rest)), _) => {
                back = Some((rest, action));
                pattern = rest;
            }
            (Some((p, pattern_rest)), Some((a, action_rest))) if p.eq_ignore_ascii_case(a) => {
                pattern = pattern_rest;
                action = action_rest;
            }
            (None, None) => return true,
            _ => match back {
                Some((rest, from)) if !from.is_empty() => {
                    back = Some((rest, &from[1..]));
                    pattern = rest;
                    action = &from[1..];
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_letters() {
        let cases = [
            ("*", "states:StartExecution", true),
            ("states:*", "states:StartExecution", true),
            ("states:Start*", "states:StartSyncExecution", true),
            ("states:*Execution", "states:DescribeExecution", true),
            ("states:*Execution", "states:ListExecutions", false),
            ("states:Describe*", "states:StartExecution", false),
            ("", "states:StartExecution", false),
        ];
        for (pattern, action, expected) in cases {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }
}
