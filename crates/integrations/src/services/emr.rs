//! EMR: the integration has actions of its own, which AWS turns into operations.

use super::aws_sdk::unfit;
use super::optimised::{Called, Row, call};
use crate::Task;
use stepwright_history::Failure;
use stepwright_json::{Json, Object};

/// An action that finds a part of a cluster by its name, and changes it.
pub(crate) struct ByName {
    /// What the parameters call it.
    thing: &'static str,
    /// The operation that lists all of a cluster, and where they are in its answer.
    list: (&'static str, &'static str),
    /// The operation that changes it.
    modify: &'static str,
    /// What that operation calls it, and whether it takes a list.
    takes: (&'static str, bool),
}

const BY_NAME: [(&str, ByName); 2] = [
    (
        "modifyInstanceFleetByName",
        ByName {
            thing: "InstanceFleet",
            list: ("listInstanceFleets", "InstanceFleets"),
            modify: "modifyInstanceFleet",
            takes: ("InstanceFleet", false),
        },
    ),
    (
        "modifyInstanceGroupByName",
        ByName {
            thing: "InstanceGroup",
            list: ("listInstanceGroups", "InstanceGroups"),
            modify: "modifyInstanceGroups",
            takes: ("InstanceGroups", true),
        },
    ),
];

/// What an action does that names a part of a cluster.
pub(crate) fn by_name(action: &str) -> Option<&'static ByName> {
    BY_NAME.iter().find(|(name, _)| *name == action).map(|(_, found)| found)
}

impl ByName {
    /// The operation that changes the part.
    #[cfg(test)]
    pub(crate) fn operation(&self) -> &'static str {
        self.modify
    }

    /// Finds the part and changes it.
    pub(crate) async fn run(
        &self,
        task: &Task,
        row: &'static Row,
        given: &Json,
    ) -> Result<Called, Failure> {
        let (thing, id) = (self.thing, format!("{}Id", self.thing));
        let text = |key: &str| match given.get(key) {
            Some(Json::String(text)) => Ok(text.clone()),
            Some(_) => Err(unfit(task, &format!("the parameter `{key}` must be a text"))),
            None => Err(unfit(task, &format!("the parameter `{key}` is required but was missing"))),
        };
        let (cluster, name) = (text("ClusterId")?, text(&format!("{thing}Name"))?);
        let Some(Json::Object(changes)) = given.get(thing) else {
            return Err(unfit(task, &format!("the parameter `{thing}` must be an object")));
        };
        if changes.contains_key(&id) {
            let why =
                format!("the parameter `{thing}.{id}` is not allowed: it is found by the name");
            return Err(unfit(task, &why));
        }
        let found = self.find(task, row, &cluster, &name).await?;
        let mut changes = changes.clone();
        changes.insert(id, found);
        let (member, is_list) = self.takes;
        let changes = Json::Object(changes);
        let changes = if is_list { Json::from(vec![changes]) } else { changes };
        let request = [("ClusterId", Json::String(cluster)), (member, changes)];
        let request = request.into_iter().collect::<Object>().into();
        call(task, row, row.service(), self.modify, &request).await
    }

    /// The id of the part with a name.
    async fn find(
        &self,
        task: &Task,
        row: &'static Row,
        cluster: &str,
        name: &str,
    ) -> Result<Json, Failure> {
        let (list, items) = self.list;
        let mut request: Object = [("ClusterId", Json::from(cluster))].into_iter().collect();
        loop {
            let page = call(task, row, row.service(), list, &request.clone().into()).await?.result;
            let is_meant = |one: &&Json| one.get("Name").and_then(Json::as_str) == Some(name);
            let all = page.get(items).and_then(Json::as_array);
            let found = all.and_then(|all| all.iter().find(is_meant));
            if let Some(id) = found.and_then(|one| one.get("Id")) {
                return Ok(id.clone());
            }
            match page.get("Marker") {
                Some(next) if !next.is_null() && request.get("Marker") != Some(next) => {
                    request.insert("Marker", next.clone());
                }
                _ => {
                    let cause = format!("The cluster {cluster} has no {} named {name}", self.thing);
                    return Err(Failure::new(format!("{}.{}", row.prefix, row.base()), cause));
                }
            }
        }
    }
}

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
