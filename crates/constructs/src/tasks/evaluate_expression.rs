use crate::resources::{Code, Function};
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
        }
    }
}

type ExpressionText = String;
type RuntimeName = String;

/// The function's code: it replaces the paths by their values and evaluates the result.
const EVALUATOR: &str =
    "exports.handler = async ({ expression, expressionAttributeValues: values }) => {
  const path = /\\$[.\\[][.a-zA-Z[\\]0-9-_]+/g;
  const code = expression.replace(path, (found) => `(values[${JSON.stringify(found)}])`);
  return new Function('values', `return (${code});`)(values);
};
";

impl ServiceTask for EvaluateExpression {
    fn plan(&self, plan: &mut Plan) {
        let id = format!("{}/EvalFunction", self.common.id);
        let mut function = Function::new(&id, Code::inline(EVALUATOR));
        if let Some(runtime) = &self.runtime {
            if !runtime.starts_with("nodejs") {
                plan.problem(format!(
                    "the expression is JavaScript, which `{runtime}` does not run"
                ));
            }
            function = function.runtime(runtime);
        }
        if plan.is_jsonata() {
            plan.problem("expressions of EvaluateExpression take their values by JSONPath; in JSONata, compute with JSONata");
        }
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
