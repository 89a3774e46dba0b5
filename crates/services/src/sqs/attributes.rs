//! The attributes of queues: what they may be, and what they mean.

use super::errors;
use crate::call::Refusal;
use std::collections::BTreeMap;
use stepwright_json::Json;

/// The largest message, in bytes, and what is allowed unless a queue says otherwise.
pub(super) const MOST_BYTES: i64 = 1 << 20;

/// Attributes that are numbers: name, least, most, what holds without them.
const NUMBERS: [(&str, i64, i64, i64); 5] = [
    ("DelaySeconds", 0, 900, 0),
    ("MaximumMessageSize", 1_024, MOST_BYTES, MOST_BYTES),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
    ("VisibilityTimeout", 0, 43_200, 30),
];

/// Attributes that only FIFO queues have: name, the values, what holds without them.
const OF_FIFO: [(&str, [&str; 2], &str); 3] = [
    ("ContentBasedDeduplication", ["true", "false"], "false"),
    ("DeduplicationScope", ["queue", "messageGroup"], "queue"),
    ("FifoThroughputLimit", ["perQueue", "perMessageGroupId"], "perQueue"),
];

/// Attributes that a queue tells of itself.
pub(super) const TOLD: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Attributes that AWS has and this service has not.
const MISSING: [&str; 2] = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"];

/// The attributes that a queue was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(pub(super) BTreeMap<String, String>);

/// Where messages go that were received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redrive {
    pub(super) target: String,
    pub(super) most_receives: i64,
}

impl Attributes {
    /// Takes attributes that a request gives. An empty text takes a policy away.
    pub(super) fn set(&mut self, given: &[(&str, &str)], is_new: bool) -> Result<(), Refusal> {
        for (name, value) in given {
            self.check(name, value, is_new)?;
        }
        for (name, value) in given {
            if value.is_empty() {
                self.0.remove(*name);
            } else {
                self.0.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        Ok(())
    }

    fn check(&self, name: &str, value: &str, is_new: bool) -> Result<(), Refusal> {
        if let Some((_, least, most, _)) = NUMBERS.iter().find(|(known, ..)| *known == name) {
            return match value.parse::<i64>() {
                Ok(number) if (*least..=*most).contains(&number) => Ok(()),
                _ => Err(errors::invalid_attribute(name)),
            };
        }
        if let Some((_, values, _)) = OF_FIFO.iter().find(|(known, ..)| *known == name) {
            if !self.is_fifo() && !is_new {
                return Err(errors::unknown_attribute(name));
            }
            return if values.contains(&value) {
                Ok(())
            } else {
                Err(errors::invalid_attribute(name))
            };
        }
        match name {
            "FifoQueue" if is_new && value == "true" => Ok(()),
            "FifoQueue" if is_new => Err(errors::invalid_attribute(name)),
            "SqsManagedSseEnabled" if ["true", "false"].contains(&value) => Ok(()),
            "SqsManagedSseEnabled" => Err(errors::invalid_attribute(name)),
            "Policy" | "RedrivePolicy" | "RedriveAllowPolicy" if value.is_empty() && !is_new => {
                Ok(())
            }
            "Policy" => match stepwright_json::parse(value) {
                Ok(Json::Object(_)) => Ok(()),
                _ => Err(errors::invalid_attribute(name)),
            },
            "RedrivePolicy" => read_redrive(value).map(drop),
            "RedriveAllowPolicy" => read_allowed(value).map(drop),
            missing if MISSING.contains(&missing) => Err(errors::unsupported(format!(
                "the local service `sqs` does not have the attribute `{missing}`: messages are not \
                 encrypted with keys of KMS"
            ))),
            _ => Err(errors::unknown_attribute(name)),
        }
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is("FifoQueue", "true")
    }

    /// Whether an attribute has this value.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|given| given == value)
    }

    /// An attribute that is a number.
    pub(super) fn number(&self, name: &str) -> i64 {
        let usual = NUMBERS.iter().find(|(known, ..)| *known == name).map_or(0, |row| row.3);
        self.0.get(name).and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    pub(super) fn redrive(&self) -> Option<Redrive> {
        read_redrive(self.0.get("RedrivePolicy")?).ok()
    }

    /// Whether a queue may use this one as its dead-letter queue.
    pub(super) fn takes_from(&self, source: &str) -> bool {
        let Some(Ok(allowed)) = self.0.get("RedriveAllowPolicy").map(|text| read_allowed(text))
        else {
            return true;
        };
        match allowed {
            Allowed::All => true,
            Allowed::None => false,
            Allowed::These(sources) => sources.iter().any(|one| one == source),
        }
    }

    /// The attributes as they are shown: those that were given, and what holds without them.
    pub(super) fn shown(&self) -> BTreeMap<String, String> {
        let mut shown: BTreeMap<String, String> = NUMBERS
            .iter()
            .map(|(name, .., usual)| ((*name).to_owned(), usual.to_string()))
            .collect();
        shown.insert("SqsManagedSseEnabled".to_owned(), "true".to_owned());
        if self.is_fifo() {
            let of_fifo =
                OF_FIFO.iter().map(|(name, _, usual)| ((*name).to_owned(), (*usual).to_owned()));
            shown.extend(of_fifo);
        }
        shown.extend(self.0.clone());
        shown
    }

    /// The first attribute that differs from what a queue has already.
    pub(super) fn first_difference(&self, given: &[(&str, &str)]) -> Option<String> {
        let shown = self.shown();
        let differs = |(name, value): &&(&str, &str)| shown.get(*name).is_none_or(|is| is != value);
        given.iter().find(differs).map(|(name, _)| (*name).to_owned())
    }

    /// Whether an attribute's name may be asked for.
    pub(super) fn is_known(name: &str) -> bool {
        const FURTHER: [&str; 5] =
            ["FifoQueue", "Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled"];
        NUMBERS.iter().any(|(known, ..)| *known == name)
            || OF_FIFO.iter().any(|(known, ..)| *known == name)
            || TOLD.contains(&name)
            || FURTHER.contains(&name)
            || MISSING.contains(&name)
    }
}

fn read_redrive(text: &str) -> Result<Redrive, Refusal> {
    let invalid = |reason: &str| {
        errors::invalid_parameter(format!(
            "Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}."
        ))
    };
    let Ok(Json::Object(policy)) = stepwright_json::parse(text) else {
        return Err(invalid("Redrive policy is not a valid JSON map"));
    };
    if let Some((name, _)) = policy
        .iter()
        .find(|(name, _)| !["deadLetterTargetArn", "maxReceiveCount"].contains(&name.as_str()))
    {
        return Err(invalid(&format!("Unknown Attribute {name}")));
    }
    let Some(target) = policy.get("deadLetterTargetArn").and_then(Json::as_str) else {
        return Err(invalid(
            "Redrive policy does not contain mandatory attribute: deadLetterTargetArn",
        ));
    };
    let Some(most) = policy.get("maxReceiveCount") else {
        return Err(invalid(
            "Redrive policy does not contain mandatory attribute: maxReceiveCount",
        ));
    };
    let number = most.as_i64().or_else(|| most.as_str()?.parse().ok());
    let Some(most_receives) = number.filter(|number| (1..=1_000).contains(number)) else {
        return Err(invalid("Invalid value for maxReceiveCount: it is from 1 to 1000"));
    };
    if !target.starts_with("arn:") {
        return Err(invalid("Invalid value for deadLetterTargetArn"));
    }
    Ok(Redrive { target: target.to_owned(), most_receives })
}

enum Allowed {
    All,
    None,
    These(Vec<String>),
}

fn read_allowed(text: &str) -> Result<Allowed, Refusal> {
    let invalid = || errors::invalid_attribute("RedriveAllowPolicy");
    let policy = stepwright_json::parse(text).map_err(|_| invalid())?;
    let sources = policy.get("sourceQueueArns").and_then(Json::as_array);
    match (policy.get("redrivePermission").and_then(Json::as_str), sources) {
        (Some("allowAll"), None) => Ok(Allowed::All),
        (Some("denyAll"), None) => Ok(Allowed::None),
        (Some("byQueue"), Some(sources)) if (1..=10).contains(&sources.len()) => {
            let sources = sources.iter().filter_map(Json::as_str).map(str::to_owned);
            Ok(Allowed::These(sources.collect()))
        }
        _ => Err(invalid()),
    }
}
