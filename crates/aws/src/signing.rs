//! Signing requests with AWS's Signature Version 4.

use crate::table::Signature;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4;
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
    let (instructions, _) = signed.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
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
}
