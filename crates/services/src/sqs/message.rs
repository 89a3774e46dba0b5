//! What a message is: its body, its attributes, and what is checked of them.

use super::{digest, errors};
use crate::call::{Refusal, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stepwright_json::{Json, Object, Str, json};

/// A message as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) body: Str,
    pub(crate) attributes: Object,
    /// X-Ray's trace header.
    pub(crate) trace: Option<Str>,
    /// The group and the deduplication id; of messages in FIFO queues. Those in other queues may have
    /// a group, too.
    pub(crate) group: Option<Str>,
    pub(crate) deduplication: Option<Str>,
    pub(crate) delay_seconds: Option<i64>,
}

/// The bytes of a text in base64.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The largest number of attributes that a message has.
const MOST_ATTRIBUTES: usize = 10;

impl Message {
    /// Reads and checks a message of a request, or of one entry of a batch.
    pub(super) fn read(given: &Object) -> Result<Self, Refusal> {
        let body = text(given, "MessageBody").ok_or_else(|| errors::missing("MessageBody"))?;
        if body.is_empty() {
            return Err(errors::missing("MessageBody"));
        }
        if !body.chars().all(is_allowed) {
            return Err(errors::modelled(
                "InvalidMessageContents",
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
                 #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
            ));
        }
        let attributes = given.get("MessageAttributes").and_then(Json::as_object);
        let attributes = attributes.cloned().unwrap_or_default();
        if attributes.len() > MOST_ATTRIBUTES {
            return Err(errors::invalid_parameter(format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].",
                attributes.len()
            )));
        }
        for (name, value) in attributes.iter() {
            check_attribute(name, value)?;
        }
        let mut trace = None;
        let system = given.get("MessageSystemAttributes").and_then(Json::as_object);
        for (name, value) in system.into_iter().flat_map(Object::iter) {
            let text = value.get("StringValue").and_then(Json::as_str);
            match (name.as_str(), text) {
                ("AWSTraceHeader", Some(text)) => trace = Some(text.into()),
                _ => {
                    return Err(errors::invalid_parameter(format!(
                        "Message system attribute name '{name}' is invalid."
                    )));
                }
            }
        }
        Ok(Self {
            body: body.into(),
            attributes,
            trace,
            group: text(given, "MessageGroupId").map(Str::from),
            deduplication: text(given, "MessageDeduplicationId").map(Str::from),
            delay_seconds: given.get("DelaySeconds").and_then(Json::as_i64),
        })
    }

    /// Its size as SQS counts it.
    pub(super) fn size(&self) -> usize {
        size(&self.body, &self.attributes)
    }

    /// What the sender is told of the message.
    pub(super) fn digests(&self) -> Object {
        let mut told = Object::new();
        told.insert("MD5OfMessageBody", digest::of_text(&self.body).into());
        if let Some(digest) = digest::of_attributes(&self.attributes) {
            told.insert("MD5OfMessageAttributes", digest.into());
        }
        if let Some(trace) = &self.trace {
            let value = json!({"DataType": "String", "StringValue": (trace.clone())});
            let system: Object = [("AWSTraceHeader", value)].into_iter().collect();
            if let Some(digest) = digest::of_attributes(&system) {
                told.insert("MD5OfMessageSystemAttributes", digest.into());
            }
        }
        told
    }
}

/// The size of a message as SQS and SNS count it.
pub(crate) fn size(body: &str, attributes: &Object) -> usize {
    let attribute = |(name, value): (&Str, &Json)| {
        let length = |member: &str| value.get(member).and_then(Json::as_str).map_or(0, str::len);
        let binary = value.get("BinaryValue").and_then(Json::as_str).and_then(bytes);
        name.len()
            + length("DataType")
            + length("StringValue")
            + binary.map_or(0, |bytes| bytes.len())
    };
    body.len() + attributes.iter().map(attribute).sum::<usize>()
}

/// Whether a message may have a character: those of XML.
pub(super) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn check_attribute(name: &str, value: &Json) -> Result<(), Refusal> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty()
        || name.len() > 256
        || !name.chars().all(is_name)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
    {
        return Err(errors::invalid_parameter(
            "Message attribute name can only include alphanumeric characters, hyphens, underscores, or \
             periods. It cannot start or end with a period, or have successive periods.",
        ));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return Err(errors::invalid_parameter(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'.  These strings are \
             reserved for internal use.",
        ));
    }
    let member = |member: &str| value.get(member).and_then(Json::as_str);
    let Some(kind) = member("DataType").filter(|kind| !kind.is_empty()) else {
        return Err(errors::invalid_parameter(format!(
            "The message attribute '{name}' must contain a non-empty message attribute type."
        )));
    };
    let base = kind.split('.').next().unwrap_or_default();
    let (wanted, other) = match base {
        "String" | "Number" => ("StringValue", "BinaryValue"),
        "Binary" => ("BinaryValue", "StringValue"),
        _ => {
            return Err(errors::invalid_parameter(format!(
                "The type of message attribute '{name}' is invalid. You must use only the following \
                 supported type prefixes: Binary, Number, String."
            )));
        }
    };
    for list in ["StringListValues", "BinaryListValues"] {
        if value.get(list).is_some_and(|list| list.as_array().is_none_or(|list| !list.is_empty())) {
            return Err(errors::unsupported(
                "Message attribute list values in SendMessage operation are not supported.",
            ));
        }
    }
    if member(other).is_some_and(|text| !text.is_empty()) && member(wanted).is_none() {
        return Err(errors::invalid_parameter(format!(
            "The message attribute '{name}' with type '{base}' must use field '{}'.",
            if wanted == "StringValue" { "String" } else { "Binary" }
        )));
    }
    let Some(text) = member(wanted).filter(|text| !text.is_empty()) else {
        return Err(errors::invalid_parameter(format!(
            "The message attribute '{name}' must contain a non-empty message attribute value for message \
             attribute type '{kind}'."
        )));
    };
    if wanted == "StringValue" && !text.chars().all(is_allowed) {
        return Err(errors::modelled(
            "InvalidMessageContents",
            format!("Invalid binary character was found in the message attribute '{name}'."),
        ));
    }
    if base == "Number" && !text.trim().parse::<f64>().is_ok_and(f64::is_finite) {
        return Err(errors::invalid_parameter(format!(
            "Could not cast message attribute '{name}' value to number."
        )));
    }
    Ok(())
}
