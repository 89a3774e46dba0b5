//! Signing requests with AWS's Signature Version 4.

pub mod canonical;

use crate::table::Signature;
use canonical::{Scope, UNSIGNED_PAYLOAD, header_value};
use jiff::Timestamp;
use std::time::SystemTime;

/// An access key for signing requests.
#[derive(Clone)]
pub struct Key {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token, if the key belongs to a session.
    pub token: Option<String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret must not be printed.
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A request that is ready to be signed and sent.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'r> {
    /// `POST`
    pub method: &'r str,
    /// The whole URL, escaped as it is sent.
    pub url: &'r str,
    /// The headers that are signed.
    pub headers: &'r [(&'r str, &'r str)],
    /// The body.
    pub body: &'r [u8],
    /// `states`
    pub service: &'r str,
    /// `us-east-1`
    pub region: &'r str,
}

/// Signs a request and returns the headers to add.
pub fn sign(
    request: &Unsigned<'_>,
    key: &Key,
    at: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    sign_for(request, key, at, Signature::V4, false)
}

/// For how many seconds a signed URL may be called.
const EXPIRES: &str = "60";

/// Signs the URL of a `GET`, with these headers, so that whoever has it may call it within a minute.
/// Returns the whole URL.
pub fn presign(request: &Unsigned<'_>, key: &Key, at: SystemTime) -> Result<String, String> {
    let place = Place::of(request.url)?;
    let (at, scope) = when(request, at)?;
    let headers = signed_headers(request, place, &[]);
    let credential = format!("{}/{}", key.id, scope.text());
    let names = canonical::names(&headers);
    let mut url = request.url.to_owned();
    for (name, value) in [
        ("X-Amz-Algorithm", Some("AWS4-HMAC-SHA256")),
        ("X-Amz-Credential", Some(&*credential)),
        ("X-Amz-Date", Some(&*at)),
        ("X-Amz-Expires", Some(EXPIRES)),
        ("X-Amz-SignedHeaders", Some(&*names)),
        ("X-Amz-Security-Token", key.token.as_deref()),
    ] {
        let Some(value) = value else { continue };
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        url.push_str(&canonical::encode(value.as_bytes()));
    }
    let signed = Place::of(&url)?;
    let canonical = canonical::request(
        request.service,
        (request.method, signed.path, signed.query),
        &headers,
        &canonical::hash(request.body),
    );
    let signature = scope.sign(&key.secret, &at, &canonical);
    Ok(format!("{url}&X-Amz-Signature={signature}"))
}

/// Signs a request as its service wants it, with or without the body, and returns the headers to add.
/// A signature that is not supported is an error.
pub fn sign_for(
    request: &Unsigned<'_>,
    key: &Key,
    at: SystemTime,
    signature: Signature,
    has_unsigned_body: bool,
) -> Result<Vec<(String, String)>, String> {
    match signature {
        Signature::V4 | Signature::S3 => {}
        Signature::None => return Ok(Vec::new()),
        Signature::Bearer | Signature::V4a => {
            return Err(format!(
                "`{}` asks for a signature that is not supported",
                request.service
            ));
        }
    }
    let place = Place::of(request.url)?;
    let (at, scope) = when(request, at)?;
    let hash =
        if has_unsigned_body { UNSIGNED_PAYLOAD.to_owned() } else { canonical::hash(request.body) };
    let mut added = vec![("x-amz-date".to_owned(), at.clone())];
    if signature == Signature::S3 || has_unsigned_body {
        added.push(("x-amz-content-sha256".to_owned(), hash.clone()));
    }
    if let Some(token) = &key.token {
        added.push(("x-amz-security-token".to_owned(), token.clone()));
    }
    let headers = signed_headers(request, place, &added);
    // The way of writing a path is the signature's, not the service's: others have S3's, too.
    let service = if signature == Signature::S3 { "s3" } else { request.service };
    let what = (request.method, place.path, place.query);
    let canonical = canonical::request(service, what, &headers, &hash);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
        key.id,
        scope.text(),
        canonical::names(&headers),
        scope.sign(&key.secret, &at, &canonical)
    );
    added.push(("authorization".to_owned(), authorization));
    Ok(added)
}

/// The time as it is signed, `20260102T030405Z`, and the scope.
fn when(request: &Unsigned<'_>, at: SystemTime) -> Result<(String, Scope), String> {
    let at = Timestamp::try_from(at).map_err(|error| format!("the clock is wrong: {error}"))?;
    let scope = Scope {
        date: at.strftime("%Y%m%d").to_string(),
        region: request.region.to_owned(),
        service: request.service.to_owned(),
    };
    Ok((at.strftime("%Y%m%dT%H%M%SZ").to_string(), scope))
}

/// Headers that proxies and clients change on the way.
const NOT_SIGNED: [&str; 4] =
    ["authorization", "transfer-encoding", "user-agent", "x-amzn-trace-id"];

/// The headers that are signed: their names in lower case, ordered, each once.
fn signed_headers(
    request: &Unsigned<'_>,
    place: Place<'_>,
    added: &[(String, String)],
) -> Vec<(String, String)> {
    let given = request.headers.iter().copied();
    let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in given.chain(added) {
        let (name, value) = (name.to_ascii_lowercase(), header_value(value));
        if NOT_SIGNED.contains(&name.as_str()) {
            continue;
        }
        match headers.iter_mut().find(|(one, _)| *one == name) {
            Some((_, values)) => *values = format!("{values},{value}"),
            None => headers.push((name, value)),
        }
    }
    if !headers.iter().any(|(name, _)| name == "host") {
        headers.push(("host".to_owned(), place.host().to_owned()));
    }
    headers.sort();
    headers
}

/// The parts of a URL.
#[derive(Clone, Copy)]
struct Place<'u> {
    is_secure: bool,
    authority: &'u str,
    path: &'u str,
    query: &'u str,
}

impl<'u> Place<'u> {
    fn of(url: &'u str) -> Result<Self, String> {
        let none = || format!("`{url}` is no URL that can be signed");
        let (scheme, rest) = url.split_once("://").ok_or_else(none)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if authority.is_empty() {
            return Err(none());
        }
        Ok(Self { is_secure: scheme.eq_ignore_ascii_case("https"), authority, path, query })
    }

    /// The header `Host`: without the port that its scheme has anyway.
    fn host(self) -> &'u str {
        let usual = if self.is_secure { ":443" } else { ":80" };
        let host = self.authority.rsplit_once('@').map_or(self.authority, |(_, host)| host);
        host.strip_suffix(usual).unwrap_or(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The example of <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
    #[test]
    fn s3_is_signed_as_documented() {
        let key = Key {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let request = Unsigned {
            method: "GET",
            url: "https://examplebucket.s3.amazonaws.com/test.txt",
            headers: &[("range", "bytes=0-9")],
            body: b"",
            service: "s3",
            region: "us-east-1",
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_hours(380_376);
        let headers = sign_for(&request, &key, at, Signature::S3, false).unwrap();
        let find = |name: &str| headers.iter().find(|(one, _)| one == name).unwrap().1.as_str();
        assert_eq!(find("x-amz-date"), "20130524T000000Z");
        assert_eq!(
            find("x-amz-content-sha256"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            find("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let unsigned = sign_for(&request, &key, at, Signature::S3, true).unwrap();
        assert!(unsigned.contains(&("x-amz-content-sha256".into(), "UNSIGNED-PAYLOAD".into())));
        assert!(sign_for(&request, &key, at, Signature::V4a, false).is_err());
    }

    /// The signatures of the SDK for Rust, which is what people call AWS with.
    #[test]
    fn signatures_are_those_of_the_sdk() {
        use aws_sigv4::http_request::{
            PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
            UriPathNormalizationMode, sign as sign_request,
        };
        use aws_sigv4::sign::v4;

        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_000_000);
        for (url, headers, token) in [
            ("https://states.us-east-1.amazonaws.com/", &[("X-Amz-Target", "A.B")][..], None),
            ("https://states.us-east-1.amazonaws.com", &[], Some("a+b/c=")),
            ("http://127.0.0.1:8083/a/./b//../c%20d/arn%3Aaws/", &[], None),
            ("https://host:443/x?b=2&a=%7e%2F&a=1&c&d=%2B", &[("host", "other:1")], Some("token")),
            ("https://host/x", &[("a", "  1   2 "), ("user-agent", "x"), ("b", "3")], None),
        ] {
            for signature in [Signature::V4, Signature::S3] {
                let key = Key {
                    id: "ID".into(),
                    secret: "SECRET".into(),
                    token: token.map(str::to_owned),
                };
                let request = Unsigned {
                    method: "POST",
                    url,
                    headers,
                    body: b"{}",
                    service: if signature == Signature::S3 { "s3" } else { "states" },
                    region: "eu-west-1",
                };
                let ours = sign_for(&request, &key, at, signature, false).unwrap();

                let mut settings = SigningSettings::default();
                if signature == Signature::S3 {
                    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
                    settings.percent_encoding_mode = PercentEncodingMode::Single;
                    settings.payload_checksum_kind =
                        aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
                }
                let identity = aws_credential_types::Credentials::from_keys(
                    &key.id,
                    &key.secret,
                    key.token.clone(),
                )
                .into();
                let parameters = v4::SigningParams::builder()
                    .identity(&identity)
                    .region(request.region)
                    .name(request.service)
                    .time(at)
                    .settings(settings)
                    .build()
                    .unwrap()
                    .into();
                let signable = SignableRequest::new(
                    "POST",
                    url,
                    headers.iter().copied(),
                    SignableBody::Bytes(request.body),
                )
                .unwrap();
                let theirs = sign_request(signable, &parameters).unwrap().into_parts().0;
                let of = |name: &str| {
                    let header = ours.iter().find(|(one, _)| one == name);
                    header.map(|(_, value)| value.as_str())
                };
                for (name, value) in theirs.headers() {
                    assert_eq!(of(name), Some(value), "{name} of {url} for {signature:?}");
                }
            }
        }
        let none = Unsigned {
            method: "GET",
            url: "states",
            headers: &[],
            body: b"",
            service: "states",
            region: "us-east-1",
        };
        let key = Key { id: "ID".into(), secret: "SECRET".into(), token: None };
        assert!(sign(&none, &key, at).unwrap_err().contains("no URL"));
    }

    /// The example of <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
    /// has S3's ways; this is the form that clusters of EKS take.
    #[test]
    fn a_url_is_signed_in_its_query() {
        let key = Key { id: "ID".into(), secret: "SECRET".into(), token: Some("a+b/c=".into()) };
        let request = Unsigned {
            method: "GET",
            url: "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            headers: &[("x-k8s-aws-id", "cluster")],
            body: b"",
            service: "sts",
            region: "us-east-1",
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_hours(380_376);
        let url = presign(&request, &key, at).unwrap();
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=ID%2F20130524%2Fus-east-1%2Fsts%2Faws4_request",
            "X-Amz-Date=20130524T000000Z",
            "X-Amz-Expires=60",
            "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
            "X-Amz-Security-Token=a%2Bb%2Fc%3D",
            "X-Amz-Signature=",
        ] {
            assert!(url.contains(part), "{part}: {url}");
        }
    }
}
