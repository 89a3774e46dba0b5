//! The parts that the tasks for REST and HTTP APIs share.

use crate::fields::choices;
use crate::tasks::Plan;
use crate::text::{Text, local_arn, text};
use crate::{Input, Str};

choices! {
    /// An HTTP method.
    #[doc(alias = "HttpMethods")]
    pub enum HttpMethod {
        /// Reads a resource.
        Get = "GET",
        /// Adds a resource.
        Post = "POST",
        /// Replaces a resource.
        Put = "PUT",
        /// Deletes a resource.
        Delete = "DELETE",
        /// Changes a resource.
        Patch = "PATCH",
        /// Reads a resource without its body.
        Head = "HEAD",
        /// Asks which methods are possible.
        Options = "OPTIONS",
    }
}

choices! {
    /// How the call is authorised.
    pub enum AuthType {
        /// Without authorisation.
        NoAuth = "NO_AUTH",
        /// With the state machine's role.
        IamRole = "IAM_ROLE",
        /// With the resource policy of the API.
        ResourcePolicy = "RESOURCE_POLICY",
    }
}

/// A call to an API.
pub(crate) struct ApiCall<'t> {
    pub(crate) api_id: &'t Text,
    pub(crate) region: Option<&'t Text>,
    pub(crate) method: HttpMethod,
    pub(crate) stage: Option<&'t Str>,
    pub(crate) path: Option<&'t Str>,
    pub(crate) headers: Option<&'t Input>,
    pub(crate) query: Option<&'t Input>,
    pub(crate) body: Option<&'t Input>,
    pub(crate) auth: Option<AuthType>,
}

impl ApiCall<'_> {
    pub(crate) fn plan(&self, plan: &mut Plan) {
        plan.service("apigateway", "invoke");
        plan.needs_token("headers", self.headers);
        let region = self.region.cloned().unwrap_or_else(|| crate::Token::region().into());
        plan.put(
            "ApiEndpoint",
            text!(self.api_id, ".execute-api.", region, ".", crate::Token::url_suffix()),
        );
        plan.put("Method", self.method);
        plan.maybe("Headers", self.headers);
        plan.maybe("Stage", self.stage.cloned());
        plan.maybe("Path", self.path.cloned());
        plan.maybe("QueryParameters", self.query);
        plan.maybe("RequestBody", self.body);
        let auth = self.auth.unwrap_or(AuthType::NoAuth);
        plan.put("AuthType", auth);
        if auth != AuthType::NoAuth {
            let part = |param: Option<&Str>, default: &str| {
                param.map_or_else(|| default.into(), Str::known_or_any)
            };
            // The path without its first slash, or any path.
            let path = match part(self.path, "/*") {
                path if path.readable() == "*" => "/*".into(),
                path => path,
            };
            let stage = part(self.stage, if self.region.is_some() { "*" } else { "$default" });
            let resource = text!(self.api_id, "/", stage, "/", self.method.name(), path);
            plan.allow(&["execute-api:Invoke"], [local_arn("execute-api", resource)]);
        }
    }
}
