//! The canonical form of a request and what is made of it: the same for whoever signs and whoever verifies.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Stands in the place of a body's hash where the body is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What a signing key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The day, `20260102`.
    pub date: String,
    /// `us-east-1`
    pub region: String,
    /// `states`
    pub service: String,
}

impl Scope {
    /// `20260102/us-east-1/states/aws4_request`
    pub fn text(&self) -> String {
        let Self { date, region, service } = self;
        format!("{date}/{region}/{service}/aws4_request")
    }

    /// The key that requests are signed with, derived from a secret access key.
    pub fn key(&self, secret: &str) -> Vec<u8> {
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in [self.date.as_str(), &self.region, &self.service, "aws4_request"] {
            key = mac(&key, part);
        }
        key
    }

    /// The signature of a canonical request that is made at this time, `20260102T030405Z`.
    pub fn sign(&self, secret: &str, at: &str, canonical: &str) -> String {
        let hash = hash(canonical.as_bytes());
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{}\n{hash}", self.text());
        hex::encode(mac(&self.key(secret), &to_sign))
    }
}

/// The canonical request. `headers` are those that are signed, by their names in lower case, ordered; `hash` is
/// the body's hash, or what stands in its place.
pub fn request(
    service: &str,
    (method, path, query): (&str, &str, &str),
    headers: &[(String, String)],
    hash: &str,
) -> String {
    let path = match service {
        // Keys are signed as they are.
        "s3" => key_path(path),
        _ => self::path(path),
    };
    let mut canonical = format!("{method}\n{path}\n{}\n", self::query(query));
    for (name, value) in headers {
        writeln!(canonical, "{name}:{value}").expect("text grows");
    }
    write!(canonical, "\n{}\n{hash}", names(headers)).expect("text grows");
    canonical
}

/// `host;x-amz-date`
pub fn names(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
}

/// A header's value without the white space around it, and with single spaces within.
pub fn header_value(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path without `.` and `..`, encoded a second time, as AWS does for all services but S3.
fn path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::from("/");
    canonical
        .push_str(&segments.iter().map(|s| encode(s.as_bytes())).collect::<Vec<_>>().join("/"));
    if path.ends_with('/') && canonical.len() > 1 {
        canonical.push('/');
    }
    canonical
}

/// The path with its signs encoded once, as S3 has it.
fn key_path(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(|part| encode(&decode(part))).collect();
    let path = segments.join("/");
    if path.is_empty() { "/".to_owned() } else { path }
}

/// The parameters but the signature itself, ordered by their encoded names and values.
fn query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty() && !parameter.starts_with("X-Amz-Signature="))
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (encode(&decode(name)), encode(&decode(value)))
        })
        .collect();
    parameters.sort();
    let parameters: Vec<String> =
        parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

/// A text with all signs but letters, digits and `-._~` as `%XX`.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            byte => write!(text, "%{byte:02X}").expect("text grows"),
        }
    }
    text
}

/// The bytes of a text in which some stand as `%XX`. What is no such thing is left as it is.
pub fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (byte, ..) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The HMAC-SHA-256 of a text.
pub fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{path, query};

    #[test]
    fn paths_and_queries_are_canonical() {
        let paths = [
            ("/", "/"),
            ("", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../..", "/"),
            ("/f/arn%3Aaws/invocations", "/f/arn%253Aaws/invocations"),
            ("/f/arn:aws/invocations", "/f/arn%3Aaws/invocations"),
        ];
        for (given, canonical) in paths {
            assert_eq!(path(given), canonical, "{given}");
        }
        let queries = [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a", "a="),
            ("a=%7e%2f&A=+", "A=%2B&a=~%2F"),
            ("a=2&a=1&", "a=1&a=2"),
            ("a=%zz%4", "a=%25zz%254"),
        ];
        for (given, canonical) in queries {
            assert_eq!(query(given), canonical, "{given}");
        }
    }
}
