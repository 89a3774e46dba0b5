//! The errors of SQS, with the codes that it had when it spoke `query` only.

use crate::call::Refusal;
use std::borrow::Cow;

const PREFIX: &str = "AWS.SimpleQueueService.";

/// An error of the model.
pub(super) fn modelled(name: &'static str, message: impl Into<String>) -> Refusal {
    let code = match name {
        "QueueDoesNotExist" => Cow::from("AWS.SimpleQueueService.NonExistentQueue"),
        "QueueNameExists" => "QueueAlreadyExists".into(),
        "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "EmptyBatchRequest"
        | "InvalidBatchEntryId"
        | "MessageNotInflight"
        | "TooManyEntriesInBatchRequest"
        | "UnsupportedOperation" => format!("{PREFIX}{name}").into(),
        name => name.into(),
    };
    Refusal::new(name, message).coded(code)
}

pub(super) fn no_queue() -> Refusal {
    modelled("QueueDoesNotExist", "The specified queue does not exist.")
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterValueException", message).coded("InvalidParameterValue")
}

/// A parameter has a value that it cannot have.
pub(super) fn invalid_value(value: &str, parameter: &str, reason: &str) -> Refusal {
    invalid_parameter(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

pub(super) fn missing(parameter: &str) -> Refusal {
    let message = format!("The request must contain the parameter {parameter}.");
    Refusal::new("MissingRequiredParameterException", message).coded("MissingParameter")
}

pub(super) fn invalid_attribute(name: &str) -> Refusal {
    modelled("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

pub(super) fn unknown_attribute(name: &str) -> Refusal {
    modelled("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn unsupported(message: impl Into<String>) -> Refusal {
    modelled("UnsupportedOperation", message)
}
