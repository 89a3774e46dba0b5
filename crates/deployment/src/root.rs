//! The root template: what the machines share, and the nested stacks of exported machines.

use crate::complaint::Refused;
use crate::machine::{self, Ids};
use crate::places::{self, NETWORK};
use crate::plan::{Plan, Processor};
use crate::role::{HAS_TASK_POLICY, TASK_POLICY};
use crate::template::{Template, attribute, reference};
use crate::{
    File, build, container, dead_letters, event_processor, exported, function, runner,
    subscription, table, worker,
};
use stepwright_json::{Json, json};

/// The numbers of days that CloudWatch Logs accepts as retention.
const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// Makes all templates of a deployment.
pub(crate) fn templates(plan: &Plan<'_>) -> Result<Vec<File>, Refused> {
    let mut template = Template::new(format!("The project {}", plan.names.project));
    add_parameters(&mut template, plan);
    table::add(&mut template, plan);
    for (name, task) in &plan.tasks {
        match task.service() {
            "ecs" => container::add(&mut template, plan, name, task, Vec::new(), Vec::new()),
            "ecs:worker" => worker::add(&mut template, plan, name, task),
            "codebuild" => build::add(&mut template, plan, name, task),
            "lambda:pexpm-runner" => runner::add(&mut template, name),
            _ => function::add(&mut template, plan, name, task),
        }
    }
    if plan.has_containers() {
        let tasks = plan.on("ecs").chain(plan.on("ecs:worker")).map(|(name, _)| name);
        container::add_execution_role(&mut template, tasks);
    }
    dead_letters::add(&mut template, plan);
    let mut files = Vec::new();
    for machine in &plan.machines {
        if machine.is_exported {
            files.push(exported::nest(&mut template, plan, machine)?);
            let stack = machine.stack();
            let output = format!("{stack}Arn");
            template.output(&output, attribute(&stack, "Outputs.StateMachineArn"));
        } else {
            let ids = Ids::among_others(machine.name);
            let places = places::of(plan, machine);
            machine::add(&mut template, plan, machine, &ids, &places);
            event_processor::add(&mut template, plan, machine, &ids);
        }
    }
    subscription::add_among_machines(&mut template, plan);
    template.output("StateDataTableName", reference(table::ID));
    let content = template.finish(&"the project".into(), plan.project)?;
    files.push(File { path: "template.json".to_owned(), content: content.into() });
    Ok(files)
}

fn add_parameters(template: &mut Template, plan: &Plan<'_>) {
    add_shared_parameters(template, plan);
    let has_processor = plan.machines.iter().any(|machine| machine.processor() != Processor::None);
    let services = || plan.tasks.values().map(|task| task.service());
    let has_context = |service| !matches!(service, "codebuild" | "lambda:pexpm-runner");
    if has_processor || services().any(has_context) {
        template.parameter("StateDataDays", state_data_days());
    }
    if services().any(|service| service != "lambda:pexpm-runner") {
        template.parameter(
            TASK_POLICY,
            json!({
                "Type": "String",
                "Default": "",
                "Description": "The ARN of a policy that the roles of all tasks get, for what the tasks themselves call"
            }),
        );
        let is_empty = json!({"Fn::Equals": [(reference(TASK_POLICY)), ""]});
        template.condition(HAS_TASK_POLICY, json!({"Fn::Not": [(is_empty)]}));
    }
    if plan.has_containers() {
        for (name, kind, description) in NETWORK {
            template.parameter(name, json!({"Type": kind, "Description": description}));
        }
    }
    if has_processor {
        event_processor::add_parameters(template);
    }
}

/// Adds the parameters that all templates have.
pub(crate) fn add_shared_parameters(template: &mut Template, plan: &Plan<'_>) {
    let most = i64::try_from(plan.names.most_for_environment()).unwrap_or(i64::MAX);
    template.parameter(
        "Environment",
        json!({
            "Type": "String",
            "AllowedPattern": "[A-Za-z][A-Za-z0-9-]*",
            "MaxLength": (Json::Int(most)),
            "Description": "What the names of all resources begin with: dev, staging, production"
        }),
    );
    let allowed: Vec<Json> = RETENTIONS.into_iter().map(Json::Int).collect();
    template.parameter(
        "LogRetentionDays",
        json!({
            "Type": "Number",
            "Default": 30,
            "AllowedValues": (Json::from(allowed)),
            "Description": "For how many days log entries are kept"
        }),
    );
}

/// The parameter for how long state data are kept. An execution can run for up to a year.
pub(crate) fn state_data_days() -> Json {
    json!({
        "Type": "Number",
        "Default": 366,
        "MinValue": 1,
        "Description": "For how many days state data are kept"
    })
}
