use crate::common::IntegrationPattern::WaitForTaskToken;
use crate::iam::Statement;
use crate::resources::{Code, Function};
use crate::tasks::call_aws_service::check_case;
use crate::tasks::lambda_invoke::service_retry;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, arn};
use crate::value::Value;
use crate::{Input, Str, object};
use std::time::Duration;

task! {
    /// Calls an action of an AWS service in another region, through a function that the template
    /// defines.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let get = CallAwsServiceCrossRegion::new(
    ///     "Get", "s3", "getObject", "ap-northeast-1", ["arn:aws:s3:::b/*"],
    ///     object! {"Bucket": "b", "Key": string_at("$.key")},
    /// );
    /// assert!(StateMachine::new("Getting", get).template().is_ok());
    /// ```
    pub struct CallAwsServiceCrossRegion [RequestResponse, WaitForTaskToken] {
        required {
            service: String,
            action: String,
            region: Str,
            iam_resources: [Text],
            parameters: Input,
        }
        optional {
            /// The IAM action to allow, if its name differs from that of the action.
            iam_action: String,
            /// Further permissions of the function.
            additional_iam_statements: [Statement],
            /// The endpoint to call, if it is not the service's own.
            endpoint: Str,
            /// Whether errors of the Lambda service are retried. Defaults to true.
            retry_on_service_exceptions: bool,
        }
    }
}

/// The function's code: it calls the SDK command with the given name.
const CALLER: &str = "exports.handler = async ({ region, endpoint, service, action, parameters }) => {
  const sdk = require(`@aws-sdk/client-${service}`);
  const name = action[0].toUpperCase() + action.slice(1);
  const Client = Object.values(sdk).find((value) => typeof value === 'function' && value.name.endsWith('Client') && !value.name.startsWith('__'));
  const response = await new Client({ region, endpoint }).send(new sdk[`${name}Command`](parameters));
  const text = response.Body && response.Body.transformToString;
  if (text) response.Body = await response.Body.transformToString();
  return JSON.parse(JSON.stringify(response));
};
";

/// The part of the logical id that all these functions share. A template has one function for each
/// set of permissions.
const PURPOSE: &str = "CrossRegionAwsSdk8a0c93f3dbef4b71ac137aaf2048ce7e";

impl ServiceTask for CallAwsServiceCrossRegion {
    fn plan(&self, plan: &mut Plan) {
        check_case(plan, &self.action, None);
        let service = match self.service.as_str() {
            "sfn" => "states",
            "cloudwatch-logs" => "logs",
            "mwaa" => "airflow",
            other => other,
        };
        let action =
            self.iam_action.clone().unwrap_or_else(|| format!("{service}:{}", self.action));
        let mut function =
            Function::new(&format!("{}/{PURPOSE}", self.common.id), Code::inline(CALLER))
                .timeout(Duration::from_secs(30))
                .allow(Statement::allow([action], &self.iam_resources));
        for statement in self.additional_iam_statements.iter().flatten() {
            function = function.allow(statement.clone());
        }
        plan.uses(function.resources());
        plan.allow(&["lambda:InvokeFunction"], function.grants());
        if self.retry_on_service_exceptions.unwrap_or(true) {
            plan.retry(service_retry());
        }
        let mut request = vec![("region".to_owned(), Value::from(self.region.clone()))];
        if let Some(endpoint) = &self.endpoint {
            request.push(("endpoint".into(), endpoint.clone().into()));
        }
        request.push(("action".into(), self.action.as_str().into()));
        request.push(("service".into(), self.service.as_str().into()));
        request.push(("parameters".into(), self.parameters.clone()));
        let request = Value::Object(request);
        if plan.is(WaitForTaskToken) {
            plan.needs_token("parameters", Some(&request));
            plan.resource(arn("states:::lambda:invoke.waitForTaskToken"));
            plan.only(Some(object! {"FunctionName": function.arn(), "Payload": request}));
        } else {
            plan.resource(function.arn());
            plan.only(Some(request));
        }
    }
}
