//! EMR: the integration has actions of its own, which AWS turns into operations.

use stepwright_json::{Json, Object};

/// The operation for an action, and its parameters.
pub(crate) fn request(action: &str, given: Json) -> (String, Json) {
    let operation = match action {
        "createCluster" => "runJobFlow",
        "terminateCluster" => "terminateJobFlows",
        "addStep" => "addJobFlowSteps",
        "cancelStep" => "cancelSteps",
        "setClusterTerminationProtection" => "setTerminationProtection",
        other => other,
    };
    let is_by_id = action == "terminateCluster" || action == "setClusterTerminationProtection";
    let renamed = |name: &str| match name {
        "ClusterId" if is_by_id => Some(("JobFlowIds", true)),
        "ClusterId" if action == "addStep" => Some(("JobFlowId", false)),
        "Step" if action == "addStep" => Some(("Steps", true)),
        "StepId" if action == "cancelStep" => Some(("StepIds", true)),
        _ => None,
    };
    let Json::Object(given) = &given else { return (operation.to_owned(), given) };
    let members = given.iter().map(|(name, value)| match renamed(name) {
        Some((name, true)) => (name.into(), Json::from(vec![value.clone()])),
        Some((name, false)) => (name.into(), value.clone()),
        None => (name.clone(), value.clone()),
    });
    (operation.to_owned(), members.collect::<Object>().into())
}

/// The result of an action, from the answer of the operation.
pub(crate) fn result(action: &str, answer: Json) -> Json {
    let first = |list: &str| answer.get(list).and_then(|list| list.at(0)).cloned();
    let mut result = Object::new();
    match action {
        "createCluster" => {
            for (from, to) in [("ClusterArn", "ClusterArn"), ("JobFlowId", "ClusterId")] {
                if let Some(value) = answer.get(from) {
                    result.insert(to, value.clone());
                }
            }
        }
        "addStep" => {
            result.insert("StepId", first("StepIds").unwrap_or_default());
        }
        "cancelStep" => {
            result.insert("CancelStepsInfo", first("CancelStepsInfoList").unwrap_or_default());
        }
        _ => return answer,
    }
    result.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn a_step_is_one_of_a_list() {
        let (operation, given) =
            request("addStep", json!({"ClusterId": "j", "Step": {"Name": "n"}}));
        assert_eq!(operation, "addJobFlowSteps");
        assert_eq!(given, json!({"JobFlowId": "j", "Steps": [{"Name": "n"}]}));
        assert_eq!(result("addStep", json!({"StepIds": ["s"]})), json!({"StepId": "s"}));
    }

    #[test]
    fn a_cluster_is_a_job_flow() {
        let (_, given) = request("terminateCluster", json!({"ClusterId": "j"}));
        assert_eq!(given, json!({"JobFlowIds": ["j"]}));
        let answer = json!({"JobFlowId": "j", "ClusterArn": "a"});
        assert_eq!(result("createCluster", answer), json!({"ClusterArn": "a", "ClusterId": "j"}));
    }
}
