//! Signing requests with AWS's Signature Version 4.

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
    let mut settings = SigningSettings::default();
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
    sign_with(request, key, at, settings)
}

/// Signs a request as S3 wants it: the path is escaped once and stays as it is, and a header has
/// the hash of the body.
pub fn sign_s3(
    request: &Unsigned<'_>,
    key: &Key,
    at: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    let mut settings = SigningSettings::default();
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    sign_with(request, key, at, settings)
}

fn sign_with(
    request: &Unsigned<'_>,
    key: &Key,
    at: SystemTime,
    settings: SigningSettings,
) -> Result<Vec<(String, String)>, String> {
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
    let signable = SignableRequest::new(
        request.method,
        request.url,
        request.headers.iter().copied(),
        SignableBody::Bytes(request.body),
    )
    .map_err(|error| error.to_string())?;
    let signed = sign_request(signable, &parameters).map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
