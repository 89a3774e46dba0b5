use crate::Input;
use crate::common::IntegrationPattern::WaitForTaskToken;
use crate::iam::Statement;
use crate::tasks::{Plan, ServiceTask};
use crate::text::Text;
use crate::value::Value;
use stepwright_aws::iam::iam_service;

task! {
    /// Calls any action of any AWS service.
    ///
    /// The action is spelled as in the AWS SDK for JavaScript (`getObject`), and its parameters
    /// begin with capital letters (`Bucket`).
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let bucket = Bucket::new("Bucket");
    /// let get = CallAwsService::new("Get", "s3", "getObject", ["arn:aws:s3:::b/*"])
    ///     .parameters(object! {"Bucket": bucket.name(), "Key": string_at("$.key")});
    /// assert!(StateMachine::new("Getting", get).asl().is_ok());
    /// ```
    pub struct CallAwsService [RequestResponse, WaitForTaskToken] {
        required { service: String, action: String, iam_resources: [Text], }
        optional {
            /// The parameters of the action.
            parameters: Input,
            /// The IAM action to allow, if its name differs from that of the action.
            iam_action: String,
            /// Further permissions of the role.
            additional_iam_statements: [Statement],
        }
    }
}

/// Checks the spelling of the action and of its parameters.
pub(crate) fn check_case(plan: &mut Plan, action: &str, parameters: Option<&Value>) {
    if !action.starts_with(|c: char| c.is_ascii_lowercase()) {
        plan.problem(format!(
            "the action has to start with a small letter, as in `getObject`, not `{action}`"
        ));
    }
    if let Some(Value::Object(members)) = parameters {
        for (key, _) in members {
            if !key.starts_with(|c: char| !c.is_lowercase()) {
                plan.problem(format!(
                    "parameters have to start with a large letter, as in `Bucket`, not `{key}`"
                ));
            }
        }
    }
}

impl ServiceTask for CallAwsService {
    fn plan(&self, plan: &mut Plan) {
        check_case(plan, &self.action, self.parameters.as_ref());
        plan.service(&format!("aws-sdk:{}", self.service.to_lowercase()), &self.action);
        if plan.is(WaitForTaskToken) {
            plan.needs_token("parameters", self.parameters.as_ref());
        }
        let action = self
            .iam_action
            .clone()
            .unwrap_or_else(|| format!("{}:{}", iam_service(&self.service), self.action));
        plan.allow(&[action.as_str()], &self.iam_resources);
        for statement in self.additional_iam_statements.iter().flatten() {
            plan.state(statement.clone());
        }
        plan.only(Some(self.parameters.clone().unwrap_or_else(Value::empty)));
    }
}
