use crate::iam::Statement;
use crate::resources::Connection;
use crate::tasks::{Plan, ServiceTask};
use crate::text::text;
use crate::value::{Value, jsonata_expression};
use crate::{Input, Str, jsonata, object};

task! {
    /// Calls an HTTPS endpoint.
    ///
    /// The state machine may only call endpoints whose URL begins with `api_root`.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let connection = Connection::from_arns(
    ///     "arn:aws:events:us-east-1:123456789012:connection/c/1",
    ///     "arn:aws:secretsmanager:us-east-1:123456789012:secret:events!connection/c/1",
    /// );
    /// let call = HttpInvoke::new("Call", &connection, "https://api.example.com", "orders", "POST")
    ///     .body(object! {"id": string_at("$.id")});
    /// assert!(StateMachine::new("Calling", call).asl().is_ok());
    /// ```
    pub struct HttpInvoke [RequestResponse] {
        required { connection: Connection, api_root: Str, api_endpoint: Str, method: Str, }
        optional {
            /// The body of the request.
            body: Input,
            /// The headers.
            headers: Input,
            /// The query parameters.
            query_string_parameters: Input,
            /// Sends the body as a form, and writes lists in this way.
            url_encoding_format: UrlEncoding,
        }
    }
}

/// How a form writes lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "URLEncodingFormat")]
pub enum UrlEncoding {
    /// `array[0]=first&array[1]=second`, which is also AWS's default, written explicitly.
    Indices,
    /// `array=first&array=second`
    Repeat,
    /// `array=first,second`
    Commas,
    /// `array[]=first&array[]=second`
    Brackets,
    /// AWS's default.
    Default,
    /// The body is not sent as a form.
    None,
}

const FORM: &str = "application/x-www-form-urlencoded";

impl ServiceTask for HttpInvoke {
    fn plan(&self, plan: &mut Plan) {
        plan.service("http", "invoke");
        plan.uses(self.connection.resources());
        plan.allow(&["events:RetrieveConnectionCredentials"], [self.connection.arn()]);
        plan.allow(
            &["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            [self.connection.secret_arn()],
        );
        if let Some(root) = self.api_root.value.as_literal()
            && !root.starts_with("https://")
            && jsonata_expression(root).is_none()
        {
            plan.problem(format!("`api_root` has to begin with `https://`, not `{root}`"));
        }
        let methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];
        if let Some(method) = self.method.value.as_literal()
            && !methods.contains(&method)
            && jsonata_expression(method).is_none()
        {
            plan.problem(format!("`{method}` is not a method of HTTP: {}", methods.join(", ")));
        }
        let root = self.api_root.value.known().unwrap_or_default();
        let endpoints = object! {"StringLike": {"states:HTTPEndpoint": text!(root, "*")}};
        plan.state(Statement::allow(["states:InvokeHTTPEndpoint"], ["*"]).when(endpoints));

        let endpoint = Value::by_language(self.in_json_path(), self.in_jsonata());
        plan.put("ApiEndpoint", endpoint);
        plan.put("Authentication", object! {"ConnectionArn": self.connection.arn()});
        plan.put("Method", self.method.clone());
        let form = self.url_encoding_format.filter(|format| *format != UrlEncoding::None);
        let mut headers = self.headers.clone();
        if form.is_some() {
            match headers.get_or_insert_with(Value::empty) {
                Value::Object(members) => {
                    members.retain(|(name, _)| name != "Content-Type");
                    members.push(("Content-Type".into(), FORM.into()));
                }
                _ => plan.problem(
                    "`url_encoding_format` sets a header, so `headers` has to be an object",
                ),
            }
        }
        plan.maybe("Headers", headers);
        plan.maybe("RequestBody", self.body.clone());
        plan.maybe("QueryParameters", self.query_string_parameters.clone());
        let lists = match form {
            None => return,
            Some(UrlEncoding::Indices) => Some("INDICES"),
            Some(UrlEncoding::Repeat) => Some("REPEAT"),
            Some(UrlEncoding::Commas) => Some("COMMAS"),
            Some(UrlEncoding::Brackets) => Some("BRACKETS"),
            Some(UrlEncoding::Default | UrlEncoding::None) => None,
        };
        plan.put(
            "Transform",
            match lists {
                Some(lists) => object! {
                    "RequestBodyEncoding": "URL_ENCODED",
                    "RequestEncodingOptions": {"ArrayFormat": lists},
                },
                None => object! {"RequestBodyEncoding": "URL_ENCODED"},
            },
        );
    }
}

impl HttpInvoke {
    fn in_jsonata(&self) -> Value {
        let part = |param: &Str| {
            let text = param.value.as_literal().unwrap_or_default();
            match jsonata_expression(text) {
                Some(expression) => expression.to_owned(),
                None => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            }
        };
        jsonata(&format!("{} & '/' & {}", part(&self.api_root), part(&self.api_endpoint))).into()
    }

    /// The endpoint, assembled when the state runs.
    fn in_json_path(&self) -> Value {
        let parts = [self.api_root.clone(), self.api_endpoint.clone()];
        crate::json_path::format_text("{}/{}", parts).into()
    }
}
