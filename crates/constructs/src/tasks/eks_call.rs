use crate::tasks::{HttpMethod, Plan, ServiceTask};
use crate::{Input, Str};

task! {
    /// Calls the Kubernetes API of an EKS cluster. The call is made with the state machine's role,
    /// which must have access to the cluster.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let call = EksCall::new(
    ///     "Call", "cluster", "https://endpoint", "certificate", HttpMethod::Get,
    ///     "/api/v1/namespaces/default/pods",
    /// );
    /// assert!(StateMachine::new("Calling", call).asl().is_ok());
    /// ```
    pub struct EksCall [RequestResponse] {
        required {
            cluster_name: Str => "ClusterName",
            endpoint: Str => "Endpoint",
            certificate_authority: Str => "CertificateAuthority",
            http_method: HttpMethod => "Method",
            http_path: Str => "Path",
        }
        optional {
            /// The query parameters, each with a list of values.
            query_parameters: Input => "QueryParameters",
            /// The body of the request.
            request_body: Input => "RequestBody",
        }
    }
}

impl ServiceTask for EksCall {
    fn plan(&self, plan: &mut Plan) {
        plan.service("eks", "call");
        if self.http_method == HttpMethod::Options {
            plan.problem("EKS has no method OPTIONS");
        }
        self.put_fields(plan);
    }
}
