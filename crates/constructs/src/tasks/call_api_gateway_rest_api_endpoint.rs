use crate::tasks::call_api_gateway::ApiCall;
use crate::tasks::{AuthType, HttpMethod, Plan, ServiceTask};
use crate::text::Text;
use crate::{Input, Str};

task! {
    /// Calls a REST API of API Gateway, identified by its id.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let call = CallApiGatewayRestApiEndpoint::new("Call", "a1b2c3", "prod", HttpMethod::Get)
    ///     .auth_type(AuthType::IamRole)
    ///     .api_path("/orders");
    /// assert!(StateMachine::new("Calling", call).asl().is_ok());
    /// ```
    pub struct CallApiGatewayRestApiEndpoint [RequestResponse, WaitForTaskToken] {
        required { api_id: Text, stage_name: Str, method: HttpMethod, }
        optional {
            /// The headers, each with a list of values.
            headers: Input,
            /// The path within the stage, with a slash at the beginning.
            api_path: Str,
            /// The query parameters, each with a list of values.
            query_parameters: Input,
            /// The body of the request.
            request_body: Input,
            /// How the call is authorised. Defaults to no authorisation.
            auth_type: AuthType,
            /// The region of the API. Defaults to the region of the stack.
            region: Text,
        }
    }
}

impl ServiceTask for CallApiGatewayRestApiEndpoint {
    fn plan(&self, plan: &mut Plan) {
        let call = ApiCall {
            api_id: &self.api_id,
            region: self.region.as_ref(),
            method: self.method,
            stage: Some(&self.stage_name),
            path: self.api_path.as_ref(),
            headers: self.headers.as_ref(),
            query: self.query_parameters.as_ref(),
            body: self.request_body.as_ref(),
            auth: self.auth_type,
        };
        call.plan(plan);
    }
}
