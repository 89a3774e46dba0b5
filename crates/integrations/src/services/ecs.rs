//! ECS: when a task counts as failed.

use stepwright_history::Failure;
use stepwright_json::Json;

/// The failure of a task that ECS did not place: the call itself has succeeded.
pub(crate) fn not_placed(resource: &str, submitted: &Json) -> Option<Failure> {
    let is_empty = |name: &str| {
        submitted.get(name).and_then(Json::as_array).is_none_or(|items| items.is_empty())
    };
    let has_none = resource == "ecs" && is_empty("Tasks");
    has_none.then(|| {
        let failures = submitted.get("Failures").cloned().unwrap_or_default();
        Failure::new("AmazonECS.Unknown", failures.to_string())
    })
}

/// Whether a task that has stopped did what it should: its containers ended with 0.
pub(crate) fn has_ended(task: &Json) -> Option<bool> {
    if task.get("LastStatus").and_then(Json::as_str) != Some("STOPPED") {
        return None;
    }
    let containers = task.get("Containers").and_then(Json::as_array);
    let is_good = |container: &Json| {
        container.get("ExitCode").and_then(Json::as_i64).is_some_and(|code| code == 0)
    };
    let ended_itself = task
        .get("StopCode")
        .and_then(Json::as_str)
        .is_none_or(|code| code == "EssentialContainerExited");
    Some(ended_itself && containers.is_some_and(|all| all.iter().all(is_good)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn exit_codes_decide() {
        let task = |code: Json| {
            json!({"LastStatus": "STOPPED", "StopCode": "EssentialContainerExited",
                   "Containers": [{"ExitCode": code}]})
        };
        assert_eq!(has_ended(&task(json!(0))), Some(true));
        assert_eq!(has_ended(&task(json!(1))), Some(false));
        assert_eq!(has_ended(&task(json!(null))), Some(false));
        assert_eq!(has_ended(&json!({"LastStatus": "RUNNING"})), None);
        let stopped = json!({"LastStatus": "STOPPED", "StopCode": "UserInitiated",
                             "Containers": [{"ExitCode": 0}]});
        assert_eq!(has_ended(&stopped), Some(false));
    }
}
