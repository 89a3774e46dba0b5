use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::{EnvBase, EnvFragment};
use crate::resources::Function;
use crate::tasks::LambdaInvoke;

settings! {
    /// Invokes a Lambda function.
    ///
    /// ```
    /// use stepwright_constructs::fragments::{EnvBase, EnvBaseFragment, LambdaFunctionFragment};
    ///
    /// let env = EnvBase::new("dev", Some("marmotdev"));
    /// let fragment = LambdaFunctionFragment::new("Call", &env, env.get_fn("my-function"));
    /// assert!(fragment.to_state_machine("call").template().is_ok());
    /// ```
    pub struct LambdaFunctionFragment {
        required { id: String, env: EnvBase, lambda_function: Function, }
        optional {
            /// The name of the state. Defaults to the function's name followed by `Function
            /// Execution`.
            state_name: String,
        }
    }
}

env_fragment!(LambdaFunctionFragment);

impl LambdaFunctionFragment {
    fn build(self) -> EnvFragment {
        // If only CloudFormation knows the function's name, the state is named after the id
        // instead.
        let name = self.lambda_function.name();
        let known = name.as_literal().unwrap_or(&self.id);
        let state = self.state_name.unwrap_or_else(|| format!("{known} Function Execution"));
        let invoke = LambdaInvoke::new(state, self.lambda_function).payload_response_only();
        EnvFragment::new(self.id, self.env, invoke)
    }
}
