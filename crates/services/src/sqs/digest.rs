//! The MD5 digests that SQS and its clients compare.

use super::message;
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object};

/// The digest of a body.
pub(crate) fn of_text(text: &str) -> String {
    hex::encode(Md5::digest(text))
}

/// The digest of message attributes; `None` if there are none.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
pub(crate) fn of_attributes(attributes: &Object) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut whole = Vec::new();
    let mut add = |kind: Option<u8>, bytes: &[u8]| {
        whole.extend(kind);
        whole.extend((bytes.len() as u32).to_be_bytes());
        whole.extend(bytes);
    };
    let sorted: BTreeMap<&str, &Json> =
        attributes.iter().map(|(name, value)| (name.as_str(), value)).collect();
    for (name, value) in sorted {
        let text = |member: &str| value.get(member).and_then(Json::as_str);
        add(None, name.as_bytes());
        add(None, text("DataType").unwrap_or_default().as_bytes());
        match (text("StringValue"), text("BinaryValue")) {
            (Some(text), _) => add(Some(1), text.as_bytes()),
            (None, binary) => {
                add(Some(2), &message::bytes(binary.unwrap_or_default()).unwrap_or_default());
            }
        }
    }
    Some(hex::encode(Md5::digest(&whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    /// What boto3 checks, from moto's tests.
    #[test]
    fn attributes_have_the_digest_of_aws() {
        let attributes = json!({
            "timestamp": {"StringValue": "1493147359900", "DataType": "Number"}
        });
        let Json::Object(attributes) = attributes else { panic!("it is an object") };
        assert_eq!(of_attributes(&attributes).as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
        assert_eq!(of_attributes(&Object::new()), None);
        assert_eq!(of_text("test message"), "c72b9698fa1927e1dd12d3cf26ed84b2");
    }
}
