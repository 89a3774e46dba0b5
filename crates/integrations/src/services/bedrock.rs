//! Bedrock: what a model is given, and what it answers, may be objects in S3.

use super::aws_sdk::{self, Prepared, unfit};
use super::failure::Speaker;
use super::optimised::{Called, Row, prepare};
use crate::Task;
use stepwright_aws::codec::Message;
use stepwright_aws::sdk::{self, Spelling};
use stepwright_history::Failure;
use stepwright_json::{Json, Object, json};

/// What AWS sends if the parameters do not say otherwise.
const JSON: &str = "application/json";

/// Invokes a model.
pub(crate) async fn invoke(task: &Task, row: &'static Row, given: Json) -> Result<Called, Failure> {
    let Json::Object(mut given) = given else {
        return Err(unfit(task, "they are not an object"));
    };
    let input =
        given.remove("Input").map(|input| Place::read(task, "Input", &input)).transpose()?;
    let output = given.remove("Output").map(|at| Place::read(task, "Output", &at)).transpose()?;
    let body = match (input, given.contains_key("Body")) {
        (Some(_), true) => return Err(unfit(task, "they have both `Body` and `Input`: give one")),
        (None, false) => return Err(unfit(task, "they have neither `Body` nor `Input`: give one")),
        (None, true) => None,
        (Some(input), false) => {
            let (body, kind) = input.get(task).await?;
            given.get_or_insert_with("ContentType", || kind.into());
            Some(body)
        }
    };
    for name in ["ContentType", "Accept"] {
        given.get_or_insert_with(name, || JSON.into());
    }
    let mut prepared = prepare(task, "bedrockruntime", "invokeModel", &given.into())?;
    if body.is_some() {
        prepared.message.body = body;
    }
    let (service, operation) = (prepared.service, prepared.operation);
    let mut answer = aws_sdk::call(task, prepared, Speaker::Optimised(row)).await?;
    let stored = match output {
        Some(output) => {
            let body = answer.message.body.take().unwrap_or_default();
            let kind = answer.message.value.get("contentType").and_then(Json::as_str);
            output.put(task, body, kind.unwrap_or(JSON)).await?;
            Some(output.uri)
        }
        None => None,
    };
    let mut result = sdk::result(service, operation, &answer.message, Spelling::Optimised);
    if let Json::Object(members) = &mut result {
        match stored {
            Some(uri) => drop(members.insert("Body", uri.into())),
            None => {
                if let Some(body) = members.get("Body").and_then(Json::as_str)
                    && let Ok(body) = stepwright_json::parse(body)
                {
                    members.insert("Body", body);
                }
            }
        }
    }
    Ok(Called { answer, result })
}

/// An object in S3, by its URI.
struct Place {
    uri: String,
    bucket: String,
    key: String,
}

impl Place {
    fn read(task: &Task, parameter: &str, given: &Json) -> Result<Self, Failure> {
        let members = given.as_object().map_or(0, Object::len);
        let uri = given.get("S3Uri").and_then(Json::as_str).filter(|_| members == 1);
        let parts = uri.and_then(|uri| uri.strip_prefix("s3://")?.split_once('/'));
        match (uri, parts) {
            (Some(uri), Some((bucket, key))) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { uri: uri.to_owned(), bucket: bucket.to_owned(), key: key.to_owned() })
            }
            _ => {
                let why = format!("`{parameter}` must be like {{\"S3Uri\": \"s3://BUCKET/KEY\"}}");
                Err(unfit(task, &why))
            }
        }
    }

    /// The object, and its type.
    async fn get(&self, task: &Task) -> Result<(Vec<u8>, String), Failure> {
        let request = json!({"Bucket": (self.bucket.as_str()), "Key": (self.key.as_str())});
        let answer = call_s3(task, "getObject", request.into()).await?;
        let kind = answer.value.get("ContentType").and_then(Json::as_str).unwrap_or(JSON);
        Ok((answer.body.unwrap_or_default(), kind.to_owned()))
    }

    async fn put(&self, task: &Task, body: Vec<u8>, kind: &str) -> Result<(), Failure> {
        let value = json!({
            "Bucket": (self.bucket.as_str()), "Key": (self.key.as_str()), "ContentType": kind
        });
        call_s3(task, "putObject", Message { value, body: Some(body) }).await?;
        Ok(())
    }
}

async fn call_s3(task: &Task, action: &str, message: Message) -> Result<Message, Failure> {
    let (service, operation) = aws_sdk::find("s3", action)?;
    let prepared = Prepared { service, operation, message };
    Ok(aws_sdk::call(task, prepared, Speaker::Sdk).await?.message)
}
