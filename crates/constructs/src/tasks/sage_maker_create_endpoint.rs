use crate::tasks::sage_maker_types::lower_arn;
use crate::tasks::{Plan, ServiceTask};
use crate::{Input, Str};

task! {
    /// Creates a SageMaker endpoint.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let endpoint = SageMakerCreateEndpoint::new(
    ///     "SagemakerEndpoint", string_at("$.EndpointName"), string_at("$.EndpointConfigName"),
    /// );
    /// assert!(StateMachine::new("Endpoints", endpoint).asl().is_ok());
    /// ```
    pub struct SageMakerCreateEndpoint [RequestResponse] {
        required {
            endpoint_name: Str => "EndpointName",
            endpoint_config_name: Str => "EndpointConfigName",
        }
        optional {
            /// Tags: a list of objects with `Key` and `Value`.
            tags: Input => "Tags",
        }
    }
}

impl ServiceTask for SageMakerCreateEndpoint {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sagemaker", "createEndpoint");
        plan.allow(
            &["sagemaker:createEndpoint"],
            [
                lower_arn("endpoint", &self.endpoint_name, ""),
                lower_arn("endpoint-config", &self.endpoint_config_name, ""),
            ],
        );
        plan.allow(&["sagemaker:ListTags"], ["*"]);
        self.put_fields(plan);
    }
}
