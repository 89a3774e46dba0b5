//! The responses of AWS's operations: checks whether a mocked result looks like one.

use crate::integrations;
use crate::names;
use crate::shapes::{Kind, Member, Reference, Shape, Structure};
use crate::table::{self, Service};
use stepwright_json::{Json, Object};

/// How strictly a mocked result is compared with the operation's response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Required members must be present, and all members that are present must have the right form.
    #[default]
    Strict,
    /// Members that are present must have the right form.
    Present,
    /// Nothing is checked.
    None,
}

impl FieldValidation {
    /// Parses the API's name of a mode.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "STRICT" => Some(Self::Strict),
            "PRESENT" => Some(Self::Present),
            "NONE" => Some(Self::None),
            _ => None,
        }
    }
}

/// Limits to which AWS's `TestState` held results when it was recorded (December 2025), where the
/// models have others by now: service, member, the greatest value.
const RECORDED: [(&str, &str, f64); 1] = [("lambda", "MemorySize", 10_240.0)];

/// Compares a mocked result with the operation's response. The error is the first thing that is
/// wrong, in AWS's words. Services that are newer than the table are not checked.
///
/// `service` and `action` are written as in a resource: `dynamodb` and `putItem`, or `aws-sdk:kms`
/// and `encrypt`.
pub fn check(
    service: &str,
    action: &str,
    result: &Json,
    mode: FieldValidation,
) -> Result<(), String> {
    let action = match (service, action) {
        // A task that waits for the end gets the response of this operation.
        ("states", "startExecution.sync" | "startExecution.sync:2") => "describeExecution",
        _ => action,
    };
    // With the other patterns, the result is not the response of the operation.
    if mode == FieldValidation::None || action.contains(".sync") || action.contains(".wait") {
        return Ok(());
    }
    let is_sdk = service.starts_with("aws-sdk:");
    let service = service.trim_start_matches("aws-sdk:");
    let service = if is_sdk { service } else { integrations::sdk_service(service) };
    let Ok(service) = table::service(service) else {
        return Ok(());
    };
    let is_called = |name: &str| name.eq_ignore_ascii_case(action);
    let operation = service.operations.iter().find(|one| is_called(&one.name));
    let Some(output) = operation.and_then(|one| one.output.as_ref()) else { return Ok(()) };
    let check = Check { service, mode, is_payload_json: !is_sdk && service.name == "lambda" };
    check
        .value(output, "", result)
        .map_err(|wrong| format!("Mock result schema validation error: {wrong}"))
}

struct Check<'s> {
    service: &'s Service,
    mode: FieldValidation,
    /// Whether the payload is the JSON in the bytes and not the bytes themselves, because
    /// `lambda:invoke` parses it.
    is_payload_json: bool,
}

impl Check<'_> {
    fn value(&self, reference: &Reference, field: &str, value: &Json) -> Result<(), String> {
        let shape = self.service.shape(reference);
        let must_be = |what: &str| Err(format!("Field '{field}' must be {what}"));
        match (&shape.kind, value) {
            (Kind::Structure(structure), Json::Object(members)) => {
                self.structure(structure, members)
            }
            (Kind::Structure(_), _) if field.is_empty() => {
                Err("Mocked result must be a JSON object".to_owned())
            }
            (Kind::Map(_, of), Json::Object(members)) => {
                members.values().try_for_each(|value| self.value(of, field, value))
            }
            (Kind::Structure(_) | Kind::Map(..), _) => must_be("an object"),
            (Kind::List(item), Json::Array(items)) => {
                length(shape, field, items.len())?;
                items.iter().try_for_each(|value| self.value(item, field, value))
            }
            (Kind::List(_), _) => must_be("an array"),
            (Kind::String { values }, Json::String(text)) if !values.is_empty() => {
                if values.contains(text) {
                    return Ok(());
                }
                Err(format!("Field '{field}' is not an expected value"))
            }
            (Kind::String { .. } | Kind::Blob, Json::String(text)) => {
                length(shape, field, text.chars().count())
            }
            (Kind::Timestamp, Json::String(_)) => Ok(()),
            (Kind::String { .. } | Kind::Blob | Kind::Timestamp, _) => must_be("a string"),
            (Kind::Integer | Kind::Long | Kind::Float | Kind::Double, value)
                if value.is_number() =>
            {
                let recorded = RECORDED
                    .iter()
                    .find(|(of, name, _)| *of == self.service.name && *name == field)
                    .map(|(.., most)| *most);
                let most = recorded.or(shape.most);
                within(
                    shape.least,
                    most,
                    field,
                    value.as_f64().unwrap_or_default(),
                    "less",
                    "value",
                )
            }
            (Kind::Integer | Kind::Long | Kind::Float | Kind::Double, _) => must_be("a number"),
            (Kind::Boolean, Json::Bool(_)) => Ok(()),
            (Kind::Boolean, _) => must_be("a boolean"),
            (Kind::Document, _) => Ok(()),
        }
    }

    fn structure(&self, structure: &Structure, given: &Object) -> Result<(), String> {
        if self.mode == FieldValidation::Strict {
            let is_missing = |member: &&Member| {
                self.service.traits(&member.reference).is_required
                    && !given.keys().any(|key| is_named(member, key))
            };
            if let Some(missing) = structure.members.iter().find(is_missing) {
                let name = names::capitalized(&missing.name);
                return Err(format!("Required field '{name}' is missing"));
            }
        }
        // A member that the model does not know may be newer than the model.
        for (key, value) in given.iter() {
            if self.is_payload_json && key == "Payload" {
                continue;
            }
            if let Some(member) = structure.members.iter().find(|member| is_named(member, key)) {
                self.value(&member.reference, key, value)?;
            }
        }
        Ok(())
    }
}

/// Whether a member has this name in a result. The first letter is a capital, whatever the service
/// does, and abbreviations are written as words (`KmsKeyId` for `KMSKeyId`).
fn is_named(member: &Member, key: &str) -> bool {
    key.starts_with(|c: char| !c.is_ascii_lowercase()) && key.eq_ignore_ascii_case(&member.name)
}

fn length(shape: &Shape, field: &str, length: usize) -> Result<(), String> {
    within(shape.least, shape.most, field, length as f64, "smaller", "length")
}

fn within(
    least: Option<f64>,
    most: Option<f64>,
    field: &str,
    number: f64,
    under: &str,
    what: &str,
) -> Result<(), String> {
    if least.is_some_and(|least| number < least) {
        return Err(format!("Field '{field}' is {under} than the minimum {what}"));
    }
    if most.is_some_and(|most| number > most) {
        return Err(format!("Field '{field}' exceeds the maximum {what}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check_one(service: &str, action: &str, result: Json, expected: &str) {
        let checked = check(service, action, &result, FieldValidation::Strict);
        assert_eq!(
            checked
                .err()
                .unwrap_or_default()
                .trim_start_matches("Mock result schema validation error: "),
            expected
        );
    }

    #[test]
    fn results_are_held_against_the_models() {
        check_one("dynamodb", "getItem", json!({"Item": {"id": {"S": "a"}}}), "");
        check_one(
            "dynamodb",
            "getItem",
            json!({"Item": {"id": {"S": 1}}}),
            "Field 'S' must be a string",
        );
        check_one("dynamodb", "getItem", json!({"Item": []}), "Field 'Item' must be an object");
        check_one(
            "aws-sdk:kms",
            "encrypt",
            json!({"CiphertextBlob": ""}),
            "Field 'CiphertextBlob' is smaller than the minimum length",
        );
        check_one(
            "aws-sdk:lambda",
            "getFunction",
            json!({"Configuration": {"MemorySize": 64}}),
            "Field 'MemorySize' is less than the minimum value",
        );
        check_one(
            "aws-sdk:s3",
            "getObject",
            json!({"DeleteMarker": "no"}),
            "Field 'DeleteMarker' must be a boolean",
        );
        check_one(
            "aws-sdk:s3",
            "getObject",
            json!({"SsekmsKeyId": 1}),
            "Field 'SsekmsKeyId' must be a string",
        );
        check_one(
            "aws-sdk:rds",
            "createDBInstance",
            json!({"DbInstance": {"DbInstanceIdentifier": 1}}),
            "Field 'DbInstanceIdentifier' must be a string",
        );
        check_one(
            "states",
            "startExecution",
            json!({"ExecutionArn": "a"}),
            "Required field 'StartDate' is missing",
        );
        let ended = |output: Json| {
            json!({
                "ExecutionArn": "a",
                "StateMachineArn": "m",
                "Status": "SUCCEEDED",
                "StartDate": "2025-01-01T00:00:00Z",
                "Output": output,
            })
        };
        check_one("states", "startExecution.sync:2", ended(json!("{}")), "");
        check_one(
            "states",
            "startExecution.sync:2",
            ended(json!({})),
            "Field 'Output' must be a string",
        );
        check_one("batch", "submitJob.sync", json!({}), "");
        check_one(
            "aws-sdk:lambda",
            "getFunction",
            json!({"Configuration": {"MemorySize": 10_241}}),
            "Field 'MemorySize' exceeds the maximum value",
        );
        check_one("lambda", "invoke", json!({"Payload": {"any": 1}, "StatusCode": 200}), "");
        check_one(
            "lambda",
            "invoke",
            json!({"StatusCode": "200"}),
            "Field 'StatusCode' must be a number",
        );
        check_one("lambda", "invoke", json!("text"), "Mocked result must be a JSON object");
        check_one("apigateway", "invoke", json!({"ResponseBody": 1}), "");
        check_one("aws-sdk:nothing", "atAll", json!(1), "");
    }
}
