//! Parameters that are refused before a service is called, and those that AWS inserts.

use stepwright_json::Json;

/// Checks parameters before the service is called. AWS checks the shape of the parameters of its
/// optimised integrations; these are the checks that are known. The error is the cause of the
/// task's failure.
pub fn check(service: &str, action: &str, parameters: &Json) -> Result<(), String> {
    if service == "apigateway" && action.starts_with("invoke") {
        let is_list = |value: &Json| {
            value.as_array().is_some_and(|items| items.iter().all(|item| item.as_str().is_some()))
        };
        for field in ["Headers", "QueryParameters"] {
            let Some(value) = parameters.get(field) else { continue };
            let fits = value.as_object().is_some_and(|object| object.values().all(is_list));
            if !fits {
                return Err(format!(
                    "The Parameters '{parameters}' could not be used to start the Task: [The \
                     value of the field '{field}' has an invalid format]"
                ));
            }
        }
    }
    Ok(())
}

/// Adds the parameters that Step Functions gives by itself, as histories show them: ECS is told who
/// has started a task that is waited for.
pub fn insert(service: &str, action: &str, parameters: &mut Json) {
    if service == "ecs"
        && action == "runTask.sync"
        && let Json::Object(given) = parameters
    {
        given.get_or_insert_with("StartedBy", || "AWS Step Functions".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn ecs_is_told_who_started_a_task() {
        let inserted = |action: &str, mut given: Json| {
            insert("ecs", action, &mut given);
            given
        };
        let own = json!({"StartedBy": "me"});
        assert_eq!(inserted("runTask.sync", own.clone()), own);
        assert_eq!(inserted("runTask", json!({})), json!({}));
        assert_eq!(inserted("runTask.sync", json!({})), json!({"StartedBy": "AWS Step Functions"}));
    }
}
