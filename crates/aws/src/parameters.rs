//! Parameters that are refused before a service is called, and those that AWS inserts.

use crate::http;
use stepwright_json::Json;

/// Checks parameters before the service is called. AWS checks the shape of the parameters of its
/// optimised integrations; these are the checks that are known. The error is the cause of the
/// task's failure.
pub fn check(service: &str, action: &str, parameters: &Json) -> Result<(), String> {
    let (action, _) = action.split_once('.').unwrap_or((action, ""));
    if matches!((service, action), ("http" | "apigateway", "invoke")) {
        http::check(service, parameters).map_err(|problem| {
            format!(
                "The Parameters '{parameters}' could not be used to start the Task: [{problem}]"
            )
        })?;
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
