//! Task definitions of ECS.

use crate::function;
use crate::names::id;
use crate::places::EXECUTION_ROLE;
use crate::plan::Plan;
use crate::role;
use crate::template::{Template, allow, attribute, local_arn, reference, substituted};
use stepwright_fluxio::Task;
use stepwright_json::{Json, json};

/// The service that assumes the roles of tasks.
const SERVICE: &str = "ecs-tasks.amazonaws.com";

/// Adds the role with which ECS fetches images and writes logs for these tasks.
pub(crate) fn add_execution_role<'t>(
    template: &mut Template,
    tasks: impl Iterator<Item = &'t str>,
) {
    let logs = tasks.map(|task| attribute(&format!("ECSLogs{}", id(task)), "Arn")).collect();
    let images =
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    let allowed = vec![
        allow(&["ecr:GetAuthorizationToken"], vec!["*".into()]),
        // The image is a parameter, so it may be in any repository of the account.
        allow(&images, vec![local_arn("ecr", "repository/*")]),
        allow(&["logs:CreateLogStream", "logs:PutLogEvents"], logs),
    ];
    role::add(template, EXECUTION_ROLE, SERVICE, allowed);
}

/// Adds the task definition of a task, with its role and its log group. `own` are permissions in
/// addition to those of every task.
pub(crate) fn add(
    template: &mut Template,
    plan: &Plan<'_>,
    name: &str,
    task: &Task,
    variables: Vec<(&'static str, Json)>,
    own: Vec<Json>,
) {
    let short = id(name);
    let (role, logs) = (format!("ECSTaskRole{short}"), format!("ECSLogs{short}"));
    let family = plan.names.of(name);
    role::add_logs(template, &logs, &format!("/ecs/{family}"));
    role::add_for_task(template, plan, name, &role, SERVICE, own);
    let mut all = role::environment(plan, name);
    all.push(("AWS_DEFAULT_REGION", reference("AWS::Region")));
    all.extend(variables);
    let environment: Vec<Json> =
        all.into_iter().map(|(name, value)| json!({"Name": name, "Value": (value)})).collect();
    let image = function::image(template, name);
    let log = json!({
        "LogDriver": "awslogs",
        "Options": {
            "awslogs-group": (reference(&logs)),
            "awslogs-region": (reference("AWS::Region")),
            "awslogs-stream-prefix": "task"
        }
    });
    let text = |attribute: &str, default: i64| {
        Json::from(task.number(attribute).unwrap_or(default).to_string())
    };
    let properties = json!({
        "Family": (substituted(&family)),
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": (text("cpu", 1024)),
        "Memory": (text("memory", 2048)),
        "ExecutionRoleArn": (attribute(EXECUTION_ROLE, "Arn")),
        "TaskRoleArn": (attribute(&role, "Arn")),
        "ContainerDefinitions": [{
            // The state machine refers to the container by this name when it overrides the
            // environment.
            "Name": name,
            "Image": (image),
            "Essential": true,
            "Environment": (Json::from(environment)),
            "StopTimeout": 120,
            "LogConfiguration": (log)
        }]
    });
    template.resource(&format!("ECSTaskDefinition{short}"), "AWS::ECS::TaskDefinition", properties);
}
