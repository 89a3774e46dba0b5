//! The responses of AWS's operations: checks whether a mocked result looks like one.
//!
//! The shapes come from the published service models; `data/responses.py` describes how the table
//! is made and read.

use stepwright_json::{Json, Str};

/// All shapes, as written by `data/responses.py`.
const TABLE: &str = include_str!("../data/responses.txt");

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

/// The names of integrations in ASL that differ from the service's own id.
const NAMES: [(&str, &str); 6] = [
    ("bedrock", "bedrockruntime"),
    ("elasticmapreduce", "emr"),
    ("emr-containers", "emrcontainers"),
    ("emr-serverless", "emrserverless"),
    ("events", "eventbridge"),
    ("states", "sfn"),
];

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
    let renamed = NAMES.iter().find(|(name, _)| *name == service && !is_sdk);
    let Some(section) = Section::find(renamed.map_or(service, |(_, id)| id)) else { return Ok(()) };
    let Some(shape) = section.output(action) else { return Ok(()) };
    let check = Check { section: &section, mode, is_payload_json: !is_sdk && service == "lambda" };
    check
        .value(shape, "", result)
        .map_err(|wrong| format!("Mock result schema validation error: {wrong}"))
}

/// The shapes of one service.
struct Section {
    operations: Vec<(&'static str, usize)>,
    shapes: Vec<&'static str>,
}

impl Section {
    fn find(service: &str) -> Option<Self> {
        let heading = format!("#{service}\n");
        let start = if TABLE.starts_with(&heading) {
            heading.len()
        } else {
            TABLE.find(&format!("\n{heading}"))? + heading.len() + 1
        };
        let lines = TABLE[start..].lines().take_while(|line| !line.starts_with('#'));
        let mut section = Self { operations: Vec::new(), shapes: Vec::new() };
        for line in lines {
            match line.split_once(' ') {
                Some((name, shape)) if line.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    section.operations.push((name, shape.parse().ok()?));
                }
                _ => section.shapes.push(line),
            }
        }
        Some(section)
    }

    fn output(&self, action: &str) -> Option<usize> {
        let found = self.operations.iter().find(|(name, _)| name.eq_ignore_ascii_case(action))?;
        Some(found.1)
    }
}

struct Check<'s> {
    section: &'s Section,
    mode: FieldValidation,
    /// Whether the payload is the JSON in the bytes and not the bytes themselves, because
    /// `lambda:invoke` parses it.
    is_payload_json: bool,
}

impl Check<'_> {
    fn value(&self, shape: usize, field: &str, value: &Json) -> Result<(), String> {
        let Some(shape) = self.section.shapes.get(shape) else { return Ok(()) };
        let (kind, rest) = shape.split_at(shape.len().min(1));
        let must_be = |what: &str| Err(format!("Field '{field}' must be {what}"));
        match (kind, value) {
            ("{", Json::Object(members)) => self.structure(rest, members),
            ("{", _) if field.is_empty() => Err("Mocked result must be a JSON object".to_owned()),
            ("<", Json::Object(members)) => members
                .values()
                .try_for_each(|value| self.value(rest.parse().unwrap_or(usize::MAX), field, value)),
            ("{" | "<", _) => must_be("an object"),
            ("[", Json::Array(items)) => {
                let (item, limits) = rest.split_once(' ').unwrap_or((rest, ""));
                Limits::parse(limits).length(field, items.len())?;
                let item = item.parse().unwrap_or(usize::MAX);
                items.iter().try_for_each(|value| self.value(item, field, value))
            }
            ("[", _) => must_be("an array"),
            ("=", Json::String(text)) if !rest.split('|').any(|one| one == text.as_str()) => {
                Err(format!("Field '{field}' is not an expected value"))
            }
            ("s" | "y", Json::String(text)) => {
                Limits::parse(rest).length(field, text.chars().count())
            }
            ("=" | "t", Json::String(_)) => Ok(()),
            ("=" | "s" | "t" | "y", _) => must_be("a string"),
            ("i" | "n", Json::Int(_) | Json::Float(_) | Json::BigInt(_)) => {
                Limits::parse(rest).value(field, value.as_f64().unwrap_or_default())
            }
            ("i" | "n", _) => must_be("a number"),
            ("b", Json::Bool(_)) => Ok(()),
            ("b", _) => must_be("a boolean"),
            _ => Ok(()),
        }
    }

    fn structure(&self, members: &str, given: &stepwright_json::Object) -> Result<(), String> {
        let members: Vec<Member<'_>> = members.split(' ').filter_map(Member::parse).collect();
        if self.mode == FieldValidation::Strict {
            let missing = members
                .iter()
                .find(|member| member.is_required && !given.keys().any(|key| member.is(key)));
            if let Some(missing) = missing {
                return Err(format!("Required field '{}' is missing", capitalised(missing.name)));
            }
        }
        // A member that the model does not know may be newer than the model.
        for (key, value) in given.iter() {
            if self.is_payload_json && key == "Payload" {
                continue;
            }
            if let Some(member) = members.iter().find(|member| member.is(key)) {
                self.value(member.shape, key, value)?;
            }
        }
        Ok(())
    }
}

/// A member of a structure.
struct Member<'t> {
    name: &'t str,
    is_required: bool,
    shape: usize,
}

impl<'t> Member<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let at = text.find([':', '!'])?;
        let shape = text[at + 1..].parse().ok()?;
        Some(Self { name: &text[..at], is_required: text[at..].starts_with('!'), shape })
    }

    /// Whether the member has this name in a result. The first letter is a capital, whatever the
    /// service does, and abbreviations are written as words (`KmsKeyId` for `KMSKeyId`).
    fn is(&self, key: &Str) -> bool {
        key.starts_with(|c: char| !c.is_ascii_lowercase()) && key.eq_ignore_ascii_case(self.name)
    }
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

/// `MIN-MAX`; either number may be missing.
#[derive(Default)]
struct Limits {
    least: Option<f64>,
    most: Option<f64>,
}

impl Limits {
    fn parse(text: &str) -> Self {
        // A negative minimum begins with the same sign that separates the two numbers.
        let at = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at);
        let at = at.or_else(|| text.find('-'));
        let Some(at) = at else { return Self::default() };
        Self { least: text[..at].parse().ok(), most: text[at + 1..].parse().ok() }
    }

    fn length(&self, field: &str, length: usize) -> Result<(), String> {
        self.check(field, length as f64, "smaller", "length")
    }

    fn value(&self, field: &str, value: f64) -> Result<(), String> {
        self.check(field, value, "less", "value")
    }

    fn check(&self, field: &str, number: f64, under: &str, what: &str) -> Result<(), String> {
        if self.least.is_some_and(|least| number < least) {
            return Err(format!("Field '{field}' is {under} than the minimum {what}"));
        }
        if self.most.is_some_and(|most| number > most) {
            return Err(format!("Field '{field}' exceeds the maximum {what}"));
        }
        Ok(())
    }
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

    #[test]
    fn limits_may_be_negative_or_left_out() {
        let limits = |text| {
            let limits = Limits::parse(text);
            (limits.least, limits.most)
        };
        assert_eq!(limits("1-10"), (Some(1.0), Some(10.0)));
        assert_eq!(limits("-10"), (None, Some(10.0)));
        assert_eq!(limits("1-"), (Some(1.0), None));
        assert_eq!(limits("-90-90"), (Some(-90.0), Some(90.0)));
        assert_eq!(limits(""), (None, None));
    }

    #[test]
    fn the_whole_table_can_be_read() {
        let sections: Vec<&str> = TABLE.lines().filter_map(|line| line.strip_prefix('#')).collect();
        assert!(sections.is_sorted() && sections.len() > 300, "{}", sections.len());
        for name in sections {
            let section = Section::find(name).expect(name);
            for (operation, shape) in &section.operations {
                let line = section.shapes.get(*shape);
                assert!(
                    line.is_some_and(|line| line.starts_with(['{', '*'])),
                    "{name} {operation}"
                );
            }
        }
    }
}
