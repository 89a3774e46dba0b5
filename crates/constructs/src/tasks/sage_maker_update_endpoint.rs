use crate::Str;
use crate::tasks::sage_maker_types::lower_arn;
use crate::tasks::{Plan, ServiceTask};

task! {
    /// Changes a SageMaker endpoint.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let endpoint = SageMakerUpdateEndpoint::new(
    ///     "SagemakerEndpoint", string_at("$.EndpointName"), string_at("$.EndpointConfigName"),
    /// );
    /// assert!(StateMachine::new("Endpoints", endpoint).asl().is_ok());
    /// ```
    pub struct SageMakerUpdateEndpoint [RequestResponse] {
        required {
            endpoint_name: Str => "EndpointName",
            endpoint_config_name: Str => "EndpointConfigName",
        }
        optional {

        }
    }
}

impl ServiceTask for SageMakerUpdateEndpoint {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sagemaker", "updateEndpoint");
        plan.allow(
            &["sagemaker:updateEndpoint"],
            [
                lower_arn("endpoint", &self.endpoint_name, ""),
                lower_arn("endpoint-config", &self.endpoint_config_name, ""),
            ],
        );

        self.put_fields(plan);
    }
}
