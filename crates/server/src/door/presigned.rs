//! URLs of S3 that were signed beforehand with Signature Version 2, as boto3 still does by default.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>

use super::refusal;
use crate::services;
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use std::fmt::Write as _;
use stepwright_aws::signing::canonical::decode;
use stepwright_history::Moment;
use stepwright_protocol::ApiError;
use subtle::ConstantTimeEq as _;

/// The parameters that are signed; the others only accompany the request.
const SIGNED: [&str; 24] = [
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "website",
];

/// The signature of a URL.
#[derive(Debug)]
pub(crate) struct Presigned {
    /// The access key id.
    pub(crate) key: String,
    expires: String,
    signature: String,
}

impl Presigned {
    /// Reads the signature; `None` if there is none.
    pub(crate) fn read(query: &str) -> Option<Self> {
        let part =
            |name: &str| parameters(query).find(|(one, _)| one == name).map(|(_, value)| value);
        Some(Self {
            key: part("AWSAccessKeyId")?,
            expires: part("Expires")?,
            signature: part("Signature")?,
        })
    }

    /// Verifies the signature against the secret, and that the URL is still valid.
    pub(crate) fn check(&self, parts: &Parts, secret: &str, now: Moment) -> Result<(), ApiError> {
        let until: Option<i64> = self.expires.parse().ok();
        if until.is_none_or(|until| now.0 / 1_000 > until) {
            return Err(refusal("AccessDeniedException", "Request has expired"));
        }
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any length will do");
        mac.update(self.to_sign(parts).as_bytes());
        let expected = STANDARD.encode(mac.finalize().into_bytes());
        if expected.as_bytes().ct_eq(self.signature.as_bytes()).into() {
            return Ok(());
        }
        Err(refusal(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your key \
             and signing method.",
        ))
    }

    fn to_sign(&self, parts: &Parts) -> String {
        let value = |name: &str| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().trim().to_owned()
        };
        let mut text = format!(
            "{}\n{}\n{}\n{}\n",
            parts.method,
            value("content-md5"),
            value(header::CONTENT_TYPE.as_str()),
            self.expires
        );
        let query = parts.uri.query().unwrap_or_default();
        let mut amazon: Vec<(String, String)> = parts
            .headers
            .keys()
            .map(|name| (name.as_str().to_owned(), value(name.as_str())))
            .chain(parameters(query).map(|(name, value)| (name.to_ascii_lowercase(), value)))
            .filter(|(name, _)| name.starts_with("x-amz-"))
            .collect();
        amazon.sort();
        for (name, value) in amazon {
            writeln!(text, "{name}:{value}").expect("text grows");
        }
        if let Some(bucket) = services::bucket_of_host(services::host(&parts.headers)) {
            write!(text, "/{bucket}").expect("text grows");
        }
        text.push_str(parts.uri.path());
        let mut signed: Vec<(String, String)> =
            parameters(query).filter(|(name, _)| SIGNED.contains(&name.as_str())).collect();
        signed.sort();
        for (at, (name, value)) in signed.into_iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            let equals = if value.is_empty() { "" } else { "=" };
            write!(text, "{mark}{name}{equals}{value}").expect("text grows");
        }
        text
    }
}

/// The names and values of a query, in plain text.
fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    let plain = |text: &str| String::from_utf8_lossy(&decode(text)).into_owned();
    query.split('&').filter(|part| !part.is_empty()).map(move |part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (plain(name), plain(value))
    })
}
