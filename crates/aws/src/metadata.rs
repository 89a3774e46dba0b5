//! The HTTP metadata that AWS's optimised integrations add to results.

use stepwright_json::{Json, Object};

/// Adds `SdkHttpMetadata` and `SdkResponseMetadata`. They contain the headers as they were sent,
/// and a second time sorted by name, as AWS does.
pub fn insert_metadata(
    object: &mut Object,
    status: u16,
    request_id: &str,
    headers: &[(&str, &str)],
) {
    let all: Object =
        headers.iter().map(|(key, value)| (*key, Json::from(vec![Json::from(*value)]))).collect();
    let mut by_name = headers.to_vec();
    by_name.sort_by_key(|(key, _)| key.to_ascii_lowercase());
    let single: Object = by_name.iter().map(|(key, value)| (*key, Json::from(*value))).collect();
    let mut http = Object::new();
    http.insert("AllHttpHeaders", all.into());
    http.insert("HttpHeaders", single.into());
    http.insert("HttpStatusCode", Json::Int(status.into()));
    object.insert("SdkHttpMetadata", http.into());
    let mut response = Object::new();
    response.insert("RequestId", request_id.into());
    object.insert("SdkResponseMetadata", response.into());
}
