//! Parameters of service calls that a service refuses before it is called.

use stepwright_json::Json;
use stepwright_program::EvaluationError;

/// What a service refuses before it is called. AWS checks the shapes of its optimised
/// integrations' parameters; these are the checks known.
pub(crate) fn check(service: &str, action: &str, parameters: &Json) -> Result<(), EvaluationError> {
    if service == "apigateway" && action.starts_with("invoke") {
        let is_list = |value: &Json| {
            value.as_array().is_some_and(|items| items.iter().all(|item| item.as_str().is_some()))
        };
        for field in ["Headers", "QueryParameters"] {
            let Some(value) = parameters.get(field) else { continue };
            let fits = value.as_object().is_some_and(|object| object.values().all(is_list));
            if !fits {
                return Err(EvaluationError::runtime(format!(
                    "The Parameters '{parameters}' could not be used to start the Task: [The \
                     value of the field '{field}' has an invalid format]"
                )));
            }
        }
    }
    Ok(())
}
