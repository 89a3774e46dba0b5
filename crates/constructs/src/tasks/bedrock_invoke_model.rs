use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, Token, arn, local_arn, text};
use crate::value::Value;
use crate::{Input, PathOrText, Str, object};

task! {
    /// Invokes a Bedrock model.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let ask = BedrockInvokeModel::new("Ask", BedrockModel::foundation("amazon.titan-text-express-v1"))
    ///     .body(object! {"inputText": string_at("$.question")})
    ///     .guardrail(Guardrail::version("abc123", 1));
    /// assert!(StateMachine::new("Asking", ask).asl().is_ok());
    /// ```
    pub struct BedrockInvokeModel [RequestResponse] {
        required { model: BedrockModel => "ModelId", }
        optional {
            /// The body of the request. Alternatively, set `input`.
            body: Input => "Body",
            /// The S3 object with the body of the request. Alternatively, set `body`.
            input: S3Object,
            /// The S3 object to which the response is written.
            output: S3Object,
            /// The content type of the response. Defaults to `application/json`.
            accept: Str => "Accept",
            /// The content type of the request. Defaults to `application/json`.
            content_type: Str => "ContentType",
            /// The guardrail for the request and the response.
            guardrail: Guardrail,
            /// Whether the response contains the trace of the guardrail.
            trace_enabled: bool,
        }
    }
}

/// A Bedrock model.
#[derive(Clone, Debug, PartialEq)]
pub struct BedrockModel(pub(crate) Text);

impl BedrockModel {
    /// A foundation model, by its id.
    pub fn foundation(id: &str) -> Self {
        Self(arn(text!("bedrock:", Token::region(), "::foundation-model/", id)))
    }

    /// A custom model or provisioned capacity, by its ARN.
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        Self(arn.into())
    }
}

impl From<BedrockModel> for Value {
    fn from(model: BedrockModel) -> Self {
        model.0.into()
    }
}

/// An S3 object.
#[derive(Clone, Debug, PartialEq)]
pub struct S3Object {
    uri: Value,
    resource: Text,
}

impl S3Object {
    /// An object by its bucket and key.
    pub fn new(bucket: impl Into<Text>, key: impl Into<Text>) -> Self {
        let (bucket, key) = (bucket.into(), key.into());
        Self {
            uri: text!("s3://", &bucket, "/", &key).into(),
            resource: arn(text!("s3:::", bucket, "/", key)),
        }
    }

    /// An object by its URI, literal or computed. The state machine is then allowed to use any
    /// object.
    pub fn at(uri: impl Into<PathOrText>) -> Self {
        Self { uri: uri.into().0, resource: arn("s3:::*") }
    }
}

/// A guardrail, which filters requests and responses.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrail {
    identifier: String,
    version: String,
}

impl Guardrail {
    /// A version of a guardrail, by the guardrail's id or ARN.
    pub fn version(identifier: &str, version: u32) -> Self {
        Self { identifier: identifier.to_owned(), version: version.to_string() }
    }

    /// The draft version of a guardrail.
    pub fn draft(identifier: &str) -> Self {
        Self { identifier: identifier.to_owned(), version: "DRAFT".to_owned() }
    }

    fn check(&self, plan: &mut Plan) {
        let id = self.identifier.rsplit('/').next().unwrap_or_default();
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            plan.problem(format!(
                "the id of a guardrail has small letters and digits only, not `{id}`"
            ));
        }
        if self.version.parse().is_ok_and(|version: u32| !(1..=99_999_999).contains(&version)) {
            plan.problem("the version of a guardrail is between 1 and 99999999");
        }
    }
}

impl ServiceTask for BedrockInvokeModel {
    fn plan(&self, plan: &mut Plan) {
        plan.service("bedrock", "invokeModel");
        plan.allow(&["bedrock:InvokeModel"], [&self.model.0]);
        match (&self.body, &self.input) {
            (Some(_), Some(_)) => plan.problem("either `body` or `input`, not both"),
            (None, None) => plan.problem("there has to be a `body` or an `input`"),
            _ => {}
        }
        self.put_fields(plan);
        if let Some(input) = &self.input {
            plan.allow(&["s3:GetObject"], [&input.resource]);
            plan.put("Input", object! {"S3Uri": &input.uri});
        }
        if let Some(output) = &self.output {
            plan.allow(&["s3:PutObject"], [&output.resource]);
            plan.put("Output", object! {"S3Uri": &output.uri});
        }
        if let Some(guardrail) = &self.guardrail {
            guardrail.check(plan);
            let identifier = guardrail.identifier.as_str();
            let resource = if identifier.starts_with("arn:") {
                identifier.into()
            } else {
                local_arn("bedrock", text!("guardrail/", identifier))
            };
            plan.allow(&["bedrock:ApplyGuardrail"], [resource]);
            plan.put("GuardrailIdentifier", identifier);
            plan.put("GuardrailVersion", guardrail.version.as_str());
        }
        plan.maybe("Trace", self.trace_enabled.map(|on| if on { "ENABLED" } else { "DISABLED" }));
    }
}
