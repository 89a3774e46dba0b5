//! Signing requests with AWS's Signature Version 4.

use crate::codec::escaped_component;
use crate::table::Signature;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningInstructions, SigningSettings, UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4;
use std::time::{Duration, SystemTime};

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

/// Signs the URL of a `GET`, with these headers, so that whoever has it may call it within a minute.
/// Returns the whole URL.
pub fn presign(request: &Unsigned<'_>, key: &Key, at: SystemTime) -> Result<String, String> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_mins(1));
    let signed = signed(request, key, at, settings, false)?;
    let mut url = request.url.to_owned();
    for (name, value) in signed.params() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        url.push_str(&escaped_component(value));
    }
    Ok(url)
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
    let mut settings = SigningSettings::default();
    match signature {
        Signature::V4 => {
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
        }
        Signature::S3 => {
            // Keys may have `//` and `..`; the path is signed as it is sent.
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        Signature::None => return Ok(Vec::new()),
        Signature::Bearer | Signature::V4a => {
            return Err(format!(
                "`{}` asks for a signature that is not supported",
                request.service
            ));
        }
    }
    if has_unsigned_body {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let signed = signed(request, key, at, settings, has_unsigned_body)?;
    Ok(signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn signed(
    request: &Unsigned<'_>,
    key: &Key,
    at: SystemTime,
    settings: SigningSettings,
    has_unsigned_body: bool,
) -> Result<SigningInstructions, String> {
    let identity = Credentials::from_keys(&key.id, &key.secret, key.token.clone()).into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(at)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let body = if has_unsigned_body {
        SignableBody::UnsignedPayload
    } else {
        SignableBody::Bytes(request.body)
    };
    let signable =
        SignableRequest::new(request.method, request.url, request.headers.iter().copied(), body)
            .map_err(|error| error.to_string())?;
    let signed = sign_request(signable, &parameters).map_err(|error| error.to_string())?;
    Ok(signed.into_parts().0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
