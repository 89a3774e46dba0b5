use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{WithData, WithResultPath};
use crate::fragments::convert_reference_paths;
use crate::json_path::{execution_name, format_text, string_at, string_to_json, uuid};
use crate::states::{CustomState, Pass};
use crate::value::Value;
use crate::{object, value};

/// Reads and writes objects in S3. Bucket, key and body may be literals or paths (`$.bucket`).
///
/// ```
/// use stepwright_constructs::fragments::S3Operation;
/// use stepwright_constructs::prelude::*;
///
/// let chain = S3Operation::new("Request", "$.bucket")
///     .result_path("$.written")
///     .put_payload("$.request", None)
///     .next(S3Operation::new("Response", "$.bucket").get_payload("$.key"));
/// assert!(StateMachine::new("Exchange", chain).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct S3Operation {
    id: String,
    bucket: Value,
    result_path: String,
    output_path: String,
}

impl S3Operation {
    /// Operations on a bucket. The names of their states begin with the id.
    pub fn new(id: impl Into<String>, bucket_name: impl Into<Value>) -> Self {
        Self {
            id: id.into(),
            bucket: bucket_name.into(),
            result_path: "$".into(),
            output_path: "$".into(),
        }
    }

    /// Where the result is put.
    #[must_use]
    pub fn result_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.result_path);
        self
    }

    /// The part of the output that is passed on.
    #[must_use]
    pub fn output_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.output_path);
        self
    }

    fn state(&self, name: &str) -> String {
        format!("{} {name}", self.id)
    }

    fn at(&self, member: &str) -> Value {
        Value::Expression(format!("{}.{member}", self.result_path).into())
    }

    fn prepare(&self, name: &str, members: Value) -> Pass {
        Pass::new(self.state(name))
            .parameters(convert_reference_paths(members))
            .result_path(self.result_path.as_str())
    }

    /// Writes an object. The result has `Bucket` and `Key`.
    pub fn put_object(self, key: impl Into<Value>, body: impl Into<Value>) -> Chain {
        let members = object! {"Bucket": &self.bucket, "Key": key.into(), "Body": body.into()};
        let put = CustomState::new(
            self.state("PutObject API Call"),
            object! {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
                "Parameters": {"Bucket": self.at("Bucket"), "Key": self.at("Key"), "Body": self.at("Body")},
                "ResultPath": null,
                "Retry": [retry()],
            },
        );
        let place = object! {"Bucket": self.at("Bucket"), "Key": self.at("Key")};
        let post = Pass::new(self.state("PutObject Post"))
            .parameters(place)
            .result_path(self.result_path.as_str())
            .output_path(self.output_path.as_str());
        self.prepare("PutObject Prep", members).next(put).next(post)
    }

    /// Reads an object. The result has `Body`.
    pub fn get_object(self, key: impl Into<Value>) -> Chain {
        let members = object! {"Bucket": &self.bucket, "Key": key.into()};
        let get = CustomState::new(
            self.state("GetObject API Call"),
            object! {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Parameters": {"Bucket": self.at("Bucket"), "Key": self.at("Key")},
                "ResultSelector": {"Body": Value::Expression("$.Body".into())},
                "ResultPath": self.result_path.as_str(),
                "OutputPath": self.output_path.as_str(),
                "Retry": [retry()],
            },
        );
        self.prepare("GetObject Prep", members).next(get)
    }

    /// Writes a value as JSON. Without a key, the key is made from the execution's name.
    pub fn put_payload(self, payload: impl Into<Value>, key: Option<Value>) -> Chain {
        let made_up = || format_text("{}/{}", [execution_name(), uuid()]).into();
        self.put_object(key.unwrap_or_else(made_up), payload)
    }

    /// Reads a JSON value.
    pub fn get_payload(self, key: impl Into<Value>) -> Chain {
        let path = self.result_path.clone();
        let body = string_to_json(string_at(&format!("{path}.Body")));
        let post = Pass::new(self.state("Post"))
            .parameters(object! {"Payload": body})
            .result_path(path.as_str());
        let restructure = Pass::new(self.state("Restructure"))
            .input_path(format!("{path}.Payload"))
            .result_path(path.as_str());
        self.get_object(key).next(post).next(restructure).into_chain()
    }
}

/// Retries for a minute and a half.
fn retry() -> Value {
    value!({
        "ErrorEquals": ["S3.S3Exception"],
        "IntervalSeconds": 3,
        "MaxAttempts": 5,
        "BackoffRate": 2,
        "JitterStrategy": "FULL",
    })
}
