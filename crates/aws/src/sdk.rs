//! From the parameters of a task to what an operation takes, and from what it answers to results:
//! for AWS SDK integrations (`aws-sdk:SERVICE:ACTION`) and for optimised ones.

use crate::codec::{self, Message, ServiceError};
use crate::names;
use crate::shapes::{Kind, Location, Member, Reference, Shown, Structure};
use crate::table::{Operation, Service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt;
use stepwright_json::{Array, Json, Object, Str};
use stepwright_source::did_you_mean;

/// A parameter does not fit the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongParameter {
    /// Where: `Tags[0].Key`.
    pub path: String,
    /// What is wrong, continuing a sentence that begins with the place.
    pub problem: String,
}

impl WrongParameter {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    fn within(mut self, member: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{member}{separator}{}", self.path);
        self
    }
}

impl fmt::Display for WrongParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "the parameters {}", self.problem),
            path => write!(f, "the parameter `{path}` {}", self.problem),
        }
    }
}

impl std::error::Error for WrongParameter {}

/// How parameters and results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As AWS SDK integrations do: the names of the SDK for Java 2, and moments as text.
    Sdk,
    /// As optimised integrations do: the names of the model with a capital, and moments as
    /// milliseconds since 1970. (The names of [`Spelling::Sdk`] are taken as well.)
    Optimised,
}

impl Spelling {
    /// The names of a structure's members. They are made once: a service is called again and again.
    fn shown<'s>(self, service: &Service, of: &'s Structure) -> &'s Shown {
        of.shown.0[self as usize].get_or_init(|| {
            let at = |member: &Member| {
                of.members.iter().position(|one| std::ptr::eq(one, member)).unwrap_or_default()
            };
            let taken = names::members(service, of);
            let mut taken: BTreeMap<Str, usize> =
                taken.into_iter().map(|(name, member)| (name.into(), at(member))).collect();
            let given = of.members.iter().enumerate().map(|(at, member)| match self {
                Self::Sdk => Str::from(names::member(service, of, member)),
                Self::Optimised => {
                    let name = Str::from(names::capitalized(&member.name).into_owned());
                    taken.insert(name.clone(), at);
                    name
                }
            });
            let given = given.collect();
            Box::new(Shown { taken: taken.into_iter().collect(), given })
        })
    }
}

impl Shown {
    /// The position of the member that a name is taken for.
    fn find(&self, name: &str) -> Option<usize> {
        let found = self.taken.binary_search_by(|(one, _)| one.as_str().cmp(name)).ok()?;
        Some(self.taken[found].1)
    }
}

/// What an operation takes, from the parameters of a task.
///
/// An object where a text or bytes are wanted is written as JSON; a text where bytes are wanted is its
/// UTF-8; a number in a text is taken as a number.
pub fn message(
    service: &Service,
    operation: &Operation,
    parameters: &Json,
    spelling: Spelling,
) -> Result<Message, WrongParameter> {
    let Some(input) = service.structure(operation.input.as_ref()) else {
        return match parameters.as_object().and_then(|given| given.keys().next()) {
            Some(name) => Err(WrongParameter::new(format!(
                "is not known: `{}` takes no parameters",
                names::action(&operation.name)
            ))
            .within(name)),
            None => Ok(Message::from(Json::Object(Object::new()))),
        };
    };
    let mut value = to_structure(service, input, parameters, spelling)?;
    let mut body = None;
    if let (Some(payload), Json::Object(members)) = (input.payload(), &mut value)
        && matches!(service.shape(&payload.reference).kind, Kind::Blob)
    {
        let text = members.remove(&payload.name);
        body = text.and_then(|text| STANDARD.decode(text.as_str()?).ok());
    }
    Ok(Message { value, body })
}

/// The result of a task, from what an operation answers. Bytes come back as text.
pub fn result(
    service: &Service,
    operation: &Operation,
    message: &Message,
    spelling: Spelling,
) -> Json {
    let Some(output) = service.structure(operation.output.as_ref()) else {
        return Json::Object(Object::new());
    };
    let mut result = of_structure(service, output, &message.value, spelling);
    if let (Spelling::Sdk, Json::Object(members)) = (spelling, &mut result) {
        // A map of headers is there, even if no header is.
        let is_headers =
            |one: &Member| service.traits(&one.reference).location == Location::Headers;
        let names = &spelling.shown(service, output).given;
        for (_, name) in output.members.iter().zip(names).filter(|(one, _)| is_headers(one)) {
            members.get_or_insert_with(name, || Json::Object(Object::new()));
        }
    }
    if let (Some(payload), Json::Object(members)) = (output.payload, &mut result)
        && matches!(service.shape(&output.members[payload].reference).kind, Kind::Blob)
    {
        // One that is empty is there as well.
        let body = message.body.as_deref().unwrap_or_default();
        let name = spelling.shown(service, output).given[payload].clone();
        members.insert(name, String::from_utf8_lossy(body).into_owned().into());
    }
    result
}

/// The name of a failure: `DynamoDb.ResourceNotFoundException`; of an error that the model does not
/// have, `DynamoDb.DynamoDbException`.
pub fn error_name(service: &Service, error: &ServiceError) -> String {
    let prefix = &service.error_prefix;
    match &error.name {
        Some(name) => format!("{prefix}.{}", names::error(name)),
        None => format!("{prefix}.{prefix}Exception"),
    }
}

/// The cause of a failure: `Requested resource not found (Service: DynamoDb, Status Code: 400, Request
/// ID: …)`. Recordings of 2026 have the number of attempts behind it, older ones have not.
pub fn cause(service: &Service, error: &ServiceError, attempts: Option<u32>) -> String {
    let mut cause = format!(
        "{} (Service: {}, Status Code: {}, Request ID: {}",
        error.message,
        service.error_prefix,
        error.status,
        error.request_id.as_deref().unwrap_or("null")
    );
    if let Some(id) = &error.extended_request_id {
        cause.push_str(", Extended Request ID: ");
        cause.push_str(id);
    }
    cause.push(')');
    if let Some(attempts) = attempts {
        cause.push_str(" (SDK Attempt Count: ");
        cause.push_str(&attempts.to_string());
        cause.push(')');
    }
    cause
}

fn to_structure(
    service: &Service,
    structure: &Structure,
    given: &Json,
    spelling: Spelling,
) -> Result<Json, WrongParameter> {
    let given = match given {
        Json::Object(given) => given,
        Json::Null => return Ok(Json::Object(Object::new())),
        _ => return Err(WrongParameter::new("must be an object")),
    };
    let mut members = Object::new();
    let known = spelling.shown(service, structure);
    for (name, one) in given.iter() {
        let Some(member) = known.find(name).map(|at| &structure.members[at]) else {
            let problem = match did_you_mean(name, known.given.iter().map(Str::as_str)) {
                Some(meant) => format!("is not known; did you mean `{meant}`?"),
                None => "is not known".to_owned(),
            };
            return Err(WrongParameter::new(problem).within(name));
        };
        if !one.is_null() {
            let one = to_value(service, &member.reference, one, spelling)
                .map_err(|one| one.within(name))?;
            members.insert(member.name.clone(), one);
        }
    }
    Ok(Json::Object(members))
}

fn to_value(
    service: &Service,
    reference: &Reference,
    given: &Json,
    spelling: Spelling,
) -> Result<Json, WrongParameter> {
    Ok(match (&service.shape(reference).kind, given) {
        (_, Json::Null) | (Kind::Document, _) => given.clone(),
        (Kind::Structure(structure), given) => to_structure(service, structure, given, spelling)?,
        (Kind::List(item), Json::Array(items)) => {
            let items = items.iter().enumerate().map(|(index, one)| {
                to_value(service, item, one, spelling)
                    .map_err(|one| one.within(&format!("[{index}]")))
            });
            Json::Array(items.collect::<Result<Array, _>>()?)
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let members = members.iter().map(|(key, one)| {
                let one = to_value(service, of, one, spelling).map_err(|one| one.within(key))?;
                Ok((key.clone(), one))
            });
            Json::Object(members.collect::<Result<Object, WrongParameter>>()?)
        }
        (Kind::List(_), _) => return Err(WrongParameter::new("must be an array")),
        (Kind::Map(..), _) => return Err(WrongParameter::new("must be an object")),
        (Kind::String { .. }, Json::String(_)) => given.clone(),
        (Kind::String { .. }, given) => given.to_string().into(),
        (Kind::Blob, Json::String(text)) => STANDARD.encode(text.as_bytes()).into(),
        (Kind::Blob, given) => STANDARD.encode(given.to_string()).into(),
        (Kind::Boolean, Json::String(text)) if text == "true" || text == "false" => {
            Json::Bool(text == "true")
        }
        (Kind::Integer | Kind::Long, Json::String(text)) => match text.parse() {
            Ok(number) => Json::Int(number),
            Err(_) => return Err(WrongParameter::new("must be an integer")),
        },
        (Kind::Float | Kind::Double, Json::String(text)) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Json::Float(number),
            _ => given.clone(),
        },
        // What is left is checked when the request is written.
        (_, given) => given.clone(),
    })
}

fn of_structure(
    service: &Service,
    structure: &Structure,
    value: &Json,
    spelling: Spelling,
) -> Json {
    let Json::Object(given) = value else { return value.clone() };
    let mut members = Object::new();
    let names = &spelling.shown(service, structure).given;
    for (member, name) in structure.members.iter().zip(names) {
        if let Some(one) = given.get(&member.name) {
            members.insert(name.clone(), of_value(service, &member.reference, one, spelling));
        }
    }
    Json::Object(members)
}

fn of_value(service: &Service, reference: &Reference, value: &Json, spelling: Spelling) -> Json {
    match (&service.shape(reference).kind, value) {
        (Kind::Structure(structure), value) => of_structure(service, structure, value, spelling),
        (Kind::List(item), Json::Array(items)) => {
            Json::Array(items.iter().map(|one| of_value(service, item, one, spelling)).collect())
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let members = members
                .iter()
                .map(|(key, one)| (key.clone(), of_value(service, of, one, spelling)));
            Json::Object(members.collect())
        }
        (Kind::Blob, Json::String(text)) => match STANDARD.decode(text.as_str()) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
            Err(_) => value.clone(),
        },
        (Kind::Timestamp, value) if spelling == Spelling::Optimised => {
            codec::millis(value).map_or_else(|| value.clone(), Json::Int)
        }
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{self, Response};
    use crate::table;
    use stepwright_json::json;

    fn find(service: &str, action: &str) -> (&'static Service, &'static Operation) {
        let service = table::service(service).unwrap();
        (service, service.action(action).unwrap())
    }

    #[track_caller]
    fn takes(service: &str, action: &str, parameters: Json, expected: Json) {
        let (service, operation) = find(service, action);
        assert_eq!(
            message(service, operation, &parameters, Spelling::Sdk).unwrap().value,
            expected
        );
    }

    #[test]
    fn parameters_have_the_names_of_the_sdk() {
        takes(
            "rds",
            "createDBInstance",
            json!({"DbInstanceIdentifier": "a", "AllocatedStorage": "5"}),
            json!({"DBInstanceIdentifier": "a", "AllocatedStorage": 5}),
        );
        takes(
            "sfn",
            "startExecution",
            json!({"StateMachineArn": "a", "Input": {"b": [1]}}),
            json!({"stateMachineArn": "a", "input": "{\"b\":[1]}"}),
        );
        takes(
            "dynamodb",
            "putItem",
            json!({"Item": {"a": {"Nul": true}, "b": {"M": {"c": {"N": "1"}}}}}),
            json!({"Item": {"a": {"NULL": true}, "b": {"M": {"c": {"N": "1"}}}}}),
        );
        takes(
            "kms",
            "encrypt",
            json!({"KeyId": "k", "Plaintext": "text"}),
            json!({"KeyId": "k", "Plaintext": "dGV4dA=="}),
        );
        takes(
            "s3",
            "copyObject",
            json!({"DestinationBucket": "b", "DestinationKey": "k", "CopySource": "c/d"}),
            json!({"Bucket": "b", "Key": "k", "CopySource": "c/d"}),
        );
    }

    #[test]
    fn a_body_takes_any_value() {
        let (service, operation) = find("s3", "putObject");
        let body = |body: Json| {
            let parameters = json!({"Bucket": "b", "Key": "k", "Body": body});
            let message = message(service, operation, &parameters, Spelling::Sdk).unwrap();
            String::from_utf8(message.body.unwrap()).unwrap()
        };
        assert_eq!(body(json!("text")), "text");
        assert_eq!(body(json!({"a": [1, true]})), "{\"a\":[1,true]}");
        assert_eq!(body(json!(5)), "5");
    }

    #[test]
    fn results_have_the_names_of_the_sdk() {
        let (service, operation) = find("s3", "getObject");
        let value = json!({"ETag": "\"x\"", "SSEKMSKeyId": "k", "ContentLength": 4});
        let answer = Message { value, body: Some(b"text".to_vec()) };
        assert_eq!(
            result(service, operation, &answer, Spelling::Sdk),
            json!({"ETag": "\"x\"", "ContentLength": 4, "SsekmsKeyId": "k", "Metadata": {}, "Body": "text"})
        );
        let (service, operation) = find("dynamodb", "getItem");
        let answer = Message::from(json!({"Item": {"a": {"NULL": true}, "b": {"B": "dGV4dA=="}}}));
        assert_eq!(
            result(service, operation, &answer, Spelling::Sdk),
            json!({"Item": {"a": {"Nul": true}, "b": {"B": "text"}}})
        );
    }

    #[test]
    fn optimised_integrations_have_the_names_of_the_model() {
        let (service, operation) = find("sqs", "sendMessage");
        let answer = Message::from(json!({"MD5OfMessageBody": "x"}));
        let shown = result(service, operation, &answer, Spelling::Optimised);
        assert_eq!(shown, json!({"MD5OfMessageBody": "x"}));
        let (service, operation) = find("ecs", "runTask");
        let given = json!({"Cluster": "c", "Overrides": {"ContainerOverrides": [{"Name": "n"}]}});
        let taken = message(service, operation, &given, Spelling::Optimised).unwrap().value;
        assert_eq!(
            taken,
            json!({"cluster": "c", "overrides": {"containerOverrides": [{"name": "n"}]}})
        );
        let answer = Message::from(json!({"tasks": [{"createdAt": "1970-01-01T00:00:01.5Z"}]}));
        let shown = result(service, operation, &answer, Spelling::Optimised);
        assert_eq!(shown, json!({"Tasks": [{"CreatedAt": 1500}]}));
    }

    #[test]
    fn unknown_parameters_are_refused() {
        let error = |service: &str, action: &str, parameters: Json| {
            let (service, operation) = find(service, action);
            message(service, operation, &parameters, Spelling::Sdk).unwrap_err().to_string()
        };
        assert_eq!(
            error("sqs", "sendMessage", json!({"QueueURL": "q"})),
            "the parameter `QueueURL` is not known; did you mean `QueueUrl`?"
        );
        assert_eq!(
            error("dynamodb", "putItem", json!({"Item": {"a": {"NULL": true}}})),
            "the parameter `Item.a.NULL` is not known; did you mean `Nul`?"
        );
        assert_eq!(
            error("sts", "getCallerIdentity", json!({"Name": 1})),
            "the parameter `Name` is not known"
        );
        assert_eq!(
            error("sqs", "sendMessageBatch", json!({"Entries": [{"Id": "1"}, 7]})),
            "the parameter `Entries[1]` must be an object"
        );
    }

    #[test]
    fn failures_are_named_as_recorded() {
        let (service, operation) = find("dynamodb", "getItem");
        let read = |body: &str| {
            let headers = vec![("x-amzn-RequestId".to_owned(), "R1".to_owned())];
            let response = Response { status: 400, headers, body: body.as_bytes().to_vec() };
            codec::decode_response(service, operation, &response).unwrap().unwrap_err()
        };
        let error = read(
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
                "message":"Requested resource not found"}"#,
        );
        assert_eq!(error_name(service, &error), "DynamoDb.ResourceNotFoundException");
        assert_eq!(
            cause(service, &error, None),
            "Requested resource not found (Service: DynamoDb, Status Code: 400, Request ID: R1)"
        );
        let error = read(r#"{"__type":"com.amazon.coral.validate#ValidationException"}"#);
        assert_eq!(error_name(service, &error), "DynamoDb.DynamoDbException");
        let (service, _) = find("sfn", "sendTaskSuccess");
        let mut error =
            ServiceError::new(service, "InvalidToken", "Invalid Token: 'Invalid token'");
        error.request_id = Some("R2".to_owned());
        assert_eq!(error_name(service, &error), "Sfn.InvalidTokenException");
        assert_eq!(
            cause(service, &error, Some(1)),
            "Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400, Request ID: R2) \
             (SDK Attempt Count: 1)"
        );
    }
}
