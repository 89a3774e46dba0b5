//! `SigV4`: parses the signature of a request and recalculates it.

use super::refusal;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::fmt::Write as _;
use stepwright_aws::codec::chunked;
use stepwright_aws::signing::canonical::{
    self, Scope, UNSIGNED_PAYLOAD, decode, hash, header_value, mac,
};
use stepwright_history::Moment;
use stepwright_program::time;
use stepwright_protocol::ApiError;
use subtle::ConstantTimeEq as _;

/// The largest allowed difference between the clocks, in milliseconds.
const MOST_SKEW: i64 = 5 * 60_000;

/// A signature for this server and the present time, which has not been verified yet.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The access key id.
    pub(crate) key: String,
    scope: Scope,
    /// `X-Amz-Date`
    at: String,
    signed: Vec<String>,
    text: String,
    /// The body's hash according to the request, or what S3 has in its place.
    said: Option<String>,
}

/// S3 takes bodies that are not signed, or chunk by chunk.
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const CHUNKS_AND_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// What a signature says.
struct Said<'s> {
    credential: &'s str,
    signed: &'s str,
    text: &'s str,
    at: &'s str,
    /// For how many seconds it is valid, if it says so.
    expires: Option<i64>,
}

/// What a signature must be made for.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The server's region.
    pub(crate) region: &'a str,
    /// Whether some account is served in a region.
    pub(crate) is_served: &'a dyn Fn(&str) -> bool,
    pub(crate) now: Moment,
}

impl Signature {
    /// Reads the signature from the headers of a request. `header` is the value of `Authorization`.
    pub(crate) fn read(
        header: &str,
        headers: &HeaderMap,
        expected: Expected<'_>,
    ) -> Result<Self, ApiError> {
        let incomplete = |what: &str| refusal("IncompleteSignatureException", what);
        let rest = header.strip_prefix("AWS4-HMAC-SHA256").unwrap_or_default();
        let part = |name: &str| {
            let found =
                rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| {
                incomplete(&format!("Authorization header requires '{name}' parameter."))
            })
        };
        let at = once(headers, "x-amz-date").unwrap_or_default();
        let said = Said {
            credential: part("Credential")?,
            signed: part("SignedHeaders")?,
            text: part("Signature")?,
            at,
            expires: None,
        };
        Self::said(said, headers, expected)
    }

    /// Reads the signature from the query of a URL that was signed beforehand; `None` if it has none.
    pub(crate) fn read_query(
        query: &str,
        headers: &HeaderMap,
        expected: Expected<'_>,
    ) -> Option<Result<Self, ApiError>> {
        let part = |name: &str| {
            let mut values =
                query.split('&').filter_map(|one| one.strip_prefix(name)?.strip_prefix('='));
            Some(String::from_utf8_lossy(&decode(values.next()?)).into_owned())
        };
        let text = part("X-Amz-Signature")?;
        let (credential, signed) = (part("X-Amz-Credential"), part("X-Amz-SignedHeaders"));
        let (at, expires) = (part("X-Amz-Date"), part("X-Amz-Expires"));
        let expires =
            expires.and_then(|text| text.parse().ok()).filter(|one| (1..=604_800).contains(one));
        Some(match (credential, signed, at, expires) {
            (Some(credential), Some(signed), Some(at), Some(expires)) => Self::said(
                Said {
                    credential: &credential,
                    signed: &signed,
                    text: &text,
                    at: &at,
                    expires: Some(expires),
                },
                headers,
                expected,
            ),
            _ => Err(refusal(
                "IncompleteSignatureException",
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                 X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            )),
        })
    }

    fn said(said: Said<'_>, headers: &HeaderMap, expected: Expected<'_>) -> Result<Self, ApiError> {
        let incomplete = |what: &str| refusal("IncompleteSignatureException", what);
        let invalid = |what: &str| refusal("InvalidSignatureException", what);
        let Said { credential, signed, text, at, expires } = said;
        let [key, date, region, service, "aws4_request"] =
            credential.split('/').collect::<Vec<_>>()[..]
        else {
            return Err(incomplete(
                "Credential must be ACCESS-KEY-ID/DATE/REGION/SERVICE/aws4_request",
            ));
        };
        let signed: Vec<&str> = signed.split(';').collect();
        let at = Some(at)
            .filter(|at| read_date(at).is_some())
            .ok_or_else(|| incomplete("the header X-Amz-Date is missing or no date"))?;
        if !at.starts_with(date) || date.len() != 8 {
            return Err(invalid(&format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{date}' != '{}', from '{at}'.",
                &at[..8]
            )));
        }
        if expires.is_some() && service != "s3" {
            return Err(incomplete("only URLs of S3 can be signed beforehand"));
        }
        if !(expected.is_served)(region) {
            return Err(invalid(&format!(
                "Credential should be scoped to a valid region, not '{region}': this server's is '{}'.",
                expected.region
            )));
        }
        let moment = read_date(at).expect("it was read before");
        let age = expected.now.0 - moment;
        if age < -MOST_SKEW || age > expires.map_or(MOST_SKEW, |seconds| seconds * 1_000) {
            if expires.is_some() {
                return Err(refusal("AccessDeniedException", "Request has expired"));
            }
            return Err(invalid(&format!(
                "Signature expired: {at} is more than 5 minutes from the server's clock"
            )));
        }
        check_signed(&signed, headers).map_err(|what| invalid(&what))?;
        let said = match once(headers, "x-amz-content-sha256") {
            Some(said) if is_hash(said) => Some(said),
            Some(said)
                if service == "s3"
                    && [UNSIGNED_PAYLOAD, UNSIGNED_CHUNKS, CHUNKS, CHUNKS_AND_TRAILER]
                        .contains(&said) =>
            {
                Some(said)
            }
            None if service == "s3" && expires.is_some() => Some(UNSIGNED_PAYLOAD),
            None if !headers.contains_key("x-amz-content-sha256") => None,
            _ => {
                return Err(invalid(
                    "the body must be signed: X-Amz-Content-Sha256 is not the SHA-256 of a body",
                ));
            }
        };
        let owned = str::to_owned;
        Ok(Self {
            key: owned(key),
            scope: Scope { date: owned(date), region: owned(region), service: owned(service) },
            at: owned(at),
            signed: signed.into_iter().map(owned).collect(),
            text: owned(text),
            said: said.map(owned),
        })
    }

    /// The region that it is for.
    pub(crate) fn region(&self) -> &str {
        &self.scope.region
    }

    /// The refusal of a key whose account is not served in the region.
    pub(crate) fn not_in_region(&self) -> ApiError {
        let what = format!(
            "Credential should be scoped to a valid region, not '{}': the account of this key is not served there.",
            self.scope.region
        );
        refusal("InvalidSignatureException", &what)
    }

    /// Whether the signature is for this service.
    pub(crate) fn check_service(&self, service: &str) -> Result<(), ApiError> {
        if self.scope.service == service {
            return Ok(());
        }
        Err(refusal(
            "InvalidSignatureException",
            &format!("Credential should be scoped to correct service: '{service}'."),
        ))
    }

    /// Refuses a signature that is wrong whatever the body is. This can be known only if the
    /// headers hold the body's hash: returns whether they do.
    pub(crate) fn check_before_body(&self, parts: &Parts, secret: &str) -> Result<bool, ApiError> {
        match &self.said {
            Some(said) => self.compare(parts, said, secret).map(|()| true),
            None => Ok(false),
        }
    }

    /// Verifies the signature against the secret, and the body against the signed hash.
    pub(crate) fn check(&self, parts: &Parts, body: &[u8], secret: &str) -> Result<(), ApiError> {
        let literal = self.said.as_deref().filter(|said| !is_hash(said));
        if let Some(literal) = literal {
            self.compare(parts, literal, secret)?;
            return match literal {
                CHUNKS | CHUNKS_AND_TRAILER => self.check_chunks(body, secret),
                _ => Ok(()),
            };
        }
        let hash = hash(body);
        if self.said.as_ref().is_some_and(|said| *said != hash) {
            return Err(refusal(
                "InvalidSignatureException",
                "the body is not the one that X-Amz-Content-Sha256 says",
            ));
        }
        self.compare(parts, &hash, secret)
    }

    /// Verifies the signatures of chunks, each of which follows from the one before.
    fn check_chunks(&self, body: &[u8], secret: &str) -> Result<(), ApiError> {
        let wrong = || {
            refusal("InvalidSignatureException", "a chunk of the body is not signed with this key")
        };
        let chunked = chunked::read(body)
            .map_err(|error| ApiError::new("IncompleteBody", error.to_string()))?;
        let key = self.scope.key(secret);
        let to_sign = |kind: &str, before: &str, rest: &str| {
            let scope = self.scope.text();
            format!("AWS4-HMAC-SHA256-{kind}\n{}\n{scope}\n{before}\n{rest}", self.at)
        };
        let mut before = self.text.clone();
        for (bytes, signature) in &chunked.chunks {
            let rest = format!("{}\n{}", hash(b""), hash(bytes));
            let expected = hex::encode(mac(&key, &to_sign("PAYLOAD", &before, &rest)));
            let given = signature.as_deref().unwrap_or_default();
            if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
                return Err(wrong());
            }
            before = expected;
        }
        if self.said.as_deref() == Some(CHUNKS_AND_TRAILER) {
            let (mut text, mut given) = (String::new(), "");
            for (name, value) in &chunked.trailers {
                if name == "x-amz-trailer-signature" {
                    given = value;
                } else {
                    writeln!(text, "{name}:{value}").expect("text grows");
                }
            }
            let to_sign = to_sign("TRAILER", &before, &hash(text.as_bytes()));
            let expected = hex::encode(mac(&key, &to_sign));
            if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
                return Err(wrong());
            }
        }
        Ok(())
    }

    fn compare(&self, parts: &Parts, hash: &str, secret: &str) -> Result<(), ApiError> {
        let expected = self.calculate(parts, hash, secret);
        if expected.as_bytes().ct_eq(self.text.as_bytes()).into() {
            return Ok(());
        }
        Err(refusal(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method.",
        ))
    }

    /// Calculates the signature with a secret.
    fn calculate(&self, parts: &Parts, hash: &str, secret: &str) -> String {
        let values = |name: &String| {
            let values = parts.headers.get_all(name).iter();
            let values =
                values.map(|value| header_value(&String::from_utf8_lossy(value.as_bytes())));
            values.collect::<Vec<_>>().join(",")
        };
        let headers: Vec<(String, String)> =
            self.signed.iter().map(|name| (name.clone(), values(name))).collect();
        let query = parts.uri.query().unwrap_or_default();
        let what = (parts.method.as_str(), parts.uri.path(), query);
        let canonical = canonical::request(&self.scope.service, what, &headers, hash);
        self.scope.sign(secret, &self.at, &canonical)
    }
}

/// Checks that the required headers are signed. Without them, a signature could be used for another
/// request.
fn check_signed(signed: &[&str], headers: &HeaderMap) -> Result<(), String> {
    if !signed.contains(&"host") {
        return Err("'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned());
    }
    if let Some(missing) = signed.iter().find(|name| !headers.contains_key(**name)) {
        return Err(format!("the signed header '{missing}' is not in the request"));
    }
    let unsigned = headers
        .keys()
        .map(axum::http::HeaderName::as_str)
        .find(|name| name.starts_with("x-amz-") && !signed.contains(name));
    match unsigned {
        Some(name) => {
            Err(format!("There were headers present in the request which were not signed: {name}"))
        }
        None => Ok(()),
    }
}

/// The value of a header that occurs exactly once.
fn once<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Parses `20260102T030405Z` to milliseconds since 1970.
fn read_date(text: &str) -> Option<i64> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    if day.len() != 8 || clock.len() != 6 || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
    let (hour, minute, second) = (&clock[..2], &clock[2..4], &clock[4..]);
    time::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::read_date;

    #[test]
    fn only_whole_dates_are_read() {
        assert_eq!(read_date("19700101T000001Z"), Some(1_000));
        for wrong in
            ["", "Z", "19700101", "19700101T000001", "19701301T000000Z", "1970-101T000000Z"]
        {
            assert_eq!(read_date(wrong), None, "{wrong}");
        }
    }
}
