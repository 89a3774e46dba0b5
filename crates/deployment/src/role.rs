//! The roles of tasks and functions, and log groups.

use crate::names;
use crate::plan::Plan;
use crate::template::{Template, allow, attribute, local_arn, policy, reference, substituted};
use stepwright_json::{Json, json};

/// Step Functions, which assumes roles for machines of this account.
pub(crate) const ASSUMED_BY_STATES: &str = "states.amazonaws.com";

/// The condition under which tasks get the optional policy.
pub(crate) const HAS_TASK_POLICY: &str = "HasTaskPolicy";
/// The parameter for the optional policy of all tasks.
pub(crate) const TASK_POLICY: &str = "TaskPolicyArn";

/// The trust policy with which a service may assume a role. If the service states on whose behalf
/// it acts, it must be this account.
pub(crate) fn assumed_by(service: &str) -> Json {
    let says_for_whom = ["states.amazonaws.com", "events.amazonaws.com", "ecs-tasks.amazonaws.com"];
    let mut statement = stepwright_json::Object::new();
    statement.insert("Effect", "Allow".into());
    statement.insert("Principal", json!({"Service": service}));
    statement.insert("Action", "sts:AssumeRole".into());
    if says_for_whom.contains(&service) {
        let condition =
            json!({"StringEquals": {"aws:SourceAccount": (reference("AWS::AccountId"))}});
        statement.insert("Condition", condition);
    }
    policy(vec![statement.into()])
}

/// Adds a log group, with the retention of the stack's parameter.
pub(crate) fn add_logs(template: &mut Template, id: &str, name: &str) {
    let properties = json!({
        "LogGroupName": (substituted(name)),
        "RetentionInDays": (reference("LogRetentionDays"))
    });
    let group = json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": (properties)
    });
    template.add(id, group);
}

/// The permission to write to a log group in the same template.
pub(crate) fn write_logs(logs: &str) -> Json {
    allow(&["logs:CreateLogStream", "logs:PutLogEvents"], vec![attribute(logs, "Arn")])
}

/// Adds a role with one policy.
pub(crate) fn add(template: &mut Template, id: &str, service: &str, allowed: Vec<Json>) {
    let role = json!({
        "AssumeRolePolicyDocument": (assumed_by(service)),
        "Policies": [{"PolicyName": "default", "PolicyDocument": (policy(allowed))}]
    });
    template.resource(id, "AWS::IAM::Role", role);
}

/// Adds the role of a task: the permissions of the task's context, those in `own`, and the optional
/// policy that whoever deploys the project gives to all tasks.
pub(crate) fn add_for_task(
    template: &mut Template,
    plan: &Plan<'_>,
    task: &str,
    id: &str,
    service: &str,
    own: Vec<Json>,
) {
    let mut allowed = own;
    allowed.extend(of_context(plan, task));
    let managed =
        json!({"Fn::If": [HAS_TASK_POLICY, [(reference(TASK_POLICY))], {"Ref": "AWS::NoValue"}]});
    let role = json!({
        "AssumeRolePolicyDocument": (assumed_by(service)),
        "ManagedPolicyArns": (managed),
        "Policies": [{"PolicyName": "default", "PolicyDocument": (policy(allowed))}]
    });
    template.resource(id, "AWS::IAM::Role", role);
}

/// The permissions of a task's context: to use state data, and to stop the execution.
fn of_context(plan: &Plan<'_>, task: &str) -> Vec<Json> {
    let mut allowed = vec![allow(
        &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:BatchWriteItem"],
        vec![attribute(crate::table::ID, "Arn")],
    )];
    let others: Vec<Json> = plan
        .sources()
        .into_iter()
        .map(|project| local_arn("dynamodb", &format!("table/{}", names::table_of(project))))
        .collect();
    if !others.is_empty() {
        // Reads the items of the executions to which machines of this project subscribe.
        allowed.push(allow(&["dynamodb:GetItem", "dynamodb:Query"], others));
    }
    let executions = plan.users(task).map(|machine| executions_of(&plan.names.of(machine.name)));
    allowed.push(allow(&["states:StopExecution"], executions.collect()));
    allowed
}

/// The ARN pattern of all executions of a machine.
pub(crate) fn executions_of(machine: &str) -> Json {
    local_arn("states", &format!("execution:{machine}:*"))
}

/// The environment variables of a task, on any service.
pub(crate) fn environment(plan: &Plan<'_>, task: &str) -> Vec<(&'static str, Json)> {
    let mut variables = base_environment(plan);
    variables.push(("STEPWRIGHT_TASK", task.into()));
    variables
}

/// The environment variables that the clients of the context need.
pub(crate) fn base_environment(plan: &Plan<'_>) -> Vec<(&'static str, Json)> {
    vec![
        ("STEPWRIGHT_EXECUTIONS", local_arn("states", "execution")),
        ("STEPWRIGHT_STATE_DATA_DAYS", substituted("${StateDataDays}")),
        ("STEPWRIGHT_STATE_DATA_TABLE", substituted(&names::table_of(&plan.names.project))),
    ]
}
