use crate::resources::{Architecture, Code, Function, Role};
use crate::tasks::{Plan, ServiceTask};
use crate::value::Value;
use crate::{Str, object};

task! {
    /// Evaluates a JavaScript expression in which paths stand for values of the input.
    ///
    /// A small function evaluates it. The template defines the function.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let seconds = EvaluateExpression::new("Convert to seconds", "$.waitMilliseconds / 1000")
    ///     .result_path("$.waitSeconds");
    /// let message = EvaluateExpression::new("Create message", "`Now waiting ${$.waitSeconds} seconds...`")
    ///     .result_path("$.message");
    /// assert!(StateMachine::new("Waiting", seconds.next(message)).asl().is_ok());
    /// ```
    pub struct EvaluateExpression [RequestResponse] {
        required { expression: ExpressionText, }
        optional {
            /// The runtime of the function. Defaults to `nodejs22.x`.
            runtime: RuntimeName,
            /// The processor that the function runs on.
            architecture: Architecture,
        }
    }
}

type ExpressionText = String;
type RuntimeName = String;

/// The function's code: as in the CDK, it replaces the paths by `values["path"]` and evaluates the
/// result.
const EVALUATOR: &str = r"const escaped = (text) => text.replace(/[-\/\\^$*+?.()|[\]{}]/g, '\\$&');
exports.handler = async (event) => {
  const values = Object.assign(Object.create(null), event.expressionAttributeValues);
  const paths = Object.keys(values).sort((a, b) => b.length - a.length);
  let code = event.expression;
  if (paths.length > 0) {
    const any = new RegExp(paths.map(escaped).join('|'), 'g');
    code = code.replace(any, (path) => `values[${JSON.stringify(path)}]`);
  }
  return new Function('values', '__code', 'return eval(__code);')(values, code);
};
";

/// The role of all these functions, with the id that the CDK gives it.
const ROLE: &str = "EvalServiceRolef4f556a4ef7a49cd8036c5b0567376fd";

impl ServiceTask for EvaluateExpression {
    fn plan(&self, plan: &mut Plan) {
        let id = format!("{}/EvalFunction", self.common.id);
        let role = Role::new(ROLE, "lambda.amazonaws.com")
            .managed_policy("service-role/AWSLambdaBasicExecutionRole");
        let mut function = Function::new(&id, Code::inline(EVALUATOR)).role(role);
        if let Some(architecture) = self.architecture {
            function = function.architecture(architecture);
        }
        for path in crate::evaluate::paths_in_texts(&self.expression) {
            plan.problem(format!(
                "`{path}` stands in a text of the expression, where it is not evaluated: write a \
                 template literal, `…${{{path}}}…`",
            ));
        }
        if let Some(runtime) = &self.runtime {
            if !runtime.starts_with("nodejs") {
                plan.problem(format!(
                    "the expression is JavaScript, which `{runtime}` does not run"
                ));
            }
            function = function.runtime(runtime);
        }
        plan.only_json_path("expressions of EvaluateExpression take their values by JSONPath; in JSONata, compute with JSONata");
        plan.resource(function.arn());
        plan.uses(function.resources());
        plan.allow(&["lambda:InvokeFunction"], function.grants());
        let values = crate::evaluate::paths(&self.expression)
            .into_iter()
            .map(|path| (path.clone(), Value::Expression(path.into())))
            .collect();
        plan.only(Some(object! {
            "expression": Str::from(self.expression.as_str()),
            "expressionAttributeValues": Value::Object(values),
        }));
    }
}
