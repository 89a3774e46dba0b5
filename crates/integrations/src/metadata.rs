//! What AWS's optimised integrations say of the HTTP answer that they got.

use stepwright_json::{Json, Object};

/// Adds `SdkHttpMetadata` and `SdkResponseMetadata`.
pub(crate) fn insert_metadata(
    object: &mut Object,
    request_id: &str,
    content_type: &str,
    length: usize,
    more: &[(&str, &str)],
) {
    let length = length.to_string();
    let mut headers: Vec<(&str, &str)> = vec![
        ("Connection", "keep-alive"),
        ("Content-Length", &length),
        ("Content-Type", content_type),
    ];
    headers.extend(more);
    headers.push(("x-amzn-RequestId", request_id));
    let single: Object = headers.iter().map(|(key, value)| (*key, Json::from(*value))).collect();
    let all: Object =
        headers.iter().map(|(key, value)| (*key, Json::from(vec![Json::from(*value)]))).collect();
    let mut http = Object::new();
    http.insert("AllHttpHeaders", all.into());
    http.insert("HttpHeaders", single.into());
    http.insert("HttpStatusCode", Json::Int(200));
    object.insert("SdkHttpMetadata", http.into());
    let mut response = Object::new();
    response.insert("RequestId", request_id.into());
    object.insert("SdkResponseMetadata", response.into());
}
