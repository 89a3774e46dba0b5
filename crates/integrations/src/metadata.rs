//! What AWS's optimised integrations say of the HTTP answer that they got.

use stepwright_json::{Json, Object};

/// Adds `SdkHttpMetadata` and `SdkResponseMetadata`. The headers come as they were sent; AWS lists them a
/// second time by their names.
pub(crate) fn insert_metadata(object: &mut Object, request_id: &str, headers: &[(&str, &str)]) {
    let all: Object =
        headers.iter().map(|(key, value)| (*key, Json::from(vec![Json::from(*value)]))).collect();
    let mut by_name = headers.to_vec();
    by_name.sort_by_key(|(key, _)| key.to_ascii_lowercase());
    let single: Object = by_name.iter().map(|(key, value)| (*key, Json::from(*value))).collect();
    let mut http = Object::new();
    http.insert("AllHttpHeaders", all.into());
    http.insert("HttpHeaders", single.into());
    http.insert("HttpStatusCode", Json::Int(200));
    object.insert("SdkHttpMetadata", http.into());
    let mut response = Object::new();
    response.insert("RequestId", request_id.into());
    object.insert("SdkResponseMetadata", response.into());
}
