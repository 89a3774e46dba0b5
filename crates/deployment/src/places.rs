//! The values for the placeholders `${Name}` in definitions.
//!
//! In the root template, a placeholder stands for an attribute of a resource. The template of an
//! exported machine gets the same value as a parameter.

use crate::names::id;
use crate::plan::{Deployed, Plan};
use std::collections::BTreeMap;
use stepwright_constructs::policy::{Place, Places};
use stepwright_constructs::{Text, Token};
use stepwright_fluxio::Task;

/// The parameters of the root for the network of ECS tasks.
pub(crate) const NETWORK: [(&str, &str, &str); 7] = [
    ("ECSClusterArn", "String", "The ARN of the ECS cluster that tasks run on"),
    ("DatabaseSecurityGroup", "AWS::EC2::SecurityGroup::Id", "The security group of databases"),
    (
        "PrivateLoadBalancerSecurityGroup",
        "AWS::EC2::SecurityGroup::Id",
        "The security group of private load balancers",
    ),
    ("Subnet0", "AWS::EC2::Subnet::Id", "A subnet that tasks run in"),
    ("Subnet1", "AWS::EC2::Subnet::Id", "A subnet that tasks run in"),
    ("Subnet2", "AWS::EC2::Subnet::Id", "A subnet that tasks run in"),
    ("Subnet3", "AWS::EC2::Subnet::Id", "A subnet that tasks run in"),
];

/// The id of the role with which ECS starts tasks.
pub(crate) const EXECUTION_ROLE: &str = "ECSExecutionRole";

/// The values for a machine's definition in the root template.
pub(crate) fn of(plan: &Plan<'_>, machine: &Deployed<'_>) -> Places {
    let mut places = Places::new();
    for state in &machine.machine.task_states {
        for variable in &state.variables {
            let place = match plan.tasks.get(state.task.as_str()) {
                Some(task) if state.service != "state-machine" => {
                    of_task(plan, &state.task, task, variable)
                }
                _ => of_machine(plan, &state.task),
            };
            places.insert(variable.clone(), place);
        }
    }
    places
}

fn of_task(plan: &Plan<'_>, name: &str, task: &Task, variable: &str) -> Place {
    let short = id(name);
    let own = |prefix: &str| variable.strip_prefix(prefix) == Some(name);
    if own("QueueUrl") {
        let queue = format!("WorkQueue{short}");
        let arn = Token::attribute(&queue, "Arn").into();
        Place::Queue { url: Token::reference(&queue).into(), arn }
    } else if own("ECSTaskDefinition") {
        let roles = [format!("ECSTaskRole{short}"), EXECUTION_ROLE.to_owned()];
        Place::TaskDefinition {
            arn: Token::reference(&id(variable)).into(),
            family: text(&plan.names.of(name)),
            roles: roles.iter().map(|role| Token::attribute(role, "Arn").into()).collect(),
        }
    } else if own("LambdaFunction") {
        Place::Text(if task.service() == "lambda:pexpm-runner" {
            Token::reference(crate::runner::FUNCTION).into()
        } else {
            Token::attribute(&id(variable), "Arn").into()
        })
    } else {
        // A CodeBuild project, or a parameter of the root template.
        Place::Text(Token::reference(&id(variable)).into())
    }
}

fn of_machine(plan: &Plan<'_>, name: &str) -> Place {
    let arn = match plan.machine(name) {
        Some(machine) if machine.is_exported => {
            Token::attribute(&machine.stack(), "Outputs.StateMachineArn")
        }
        _ => Token::reference(&format!("StateMachine{}", id(name))),
    };
    Place::Machine { arn: arn.into(), name: text(&plan.names.of(name)) }
}

/// The same values in the template of an exported machine, and the parameters that are passed to
/// it.
pub(crate) fn within(places: &Places) -> (Places, BTreeMap<String, Text>) {
    let mut given = BTreeMap::new();
    let mut pass = |parameter: String, value: &Text| -> Text {
        let within = Token::reference(&parameter).into();
        given.insert(parameter, value.clone());
        within
    };
    let mut inner = Places::new();
    for (name, place) in places {
        let short = id(name);
        let place = match place {
            Place::Text(text) => Place::Text(pass(short, text)),
            Place::Queue { url, arn } => {
                let queue = short.replacen("QueueUrl", "QueueArn", 1);
                Place::Queue { url: pass(short, url), arn: pass(queue, arn) }
            }
            Place::TaskDefinition { arn, family, roles } => {
                let role = short.replacen("ECSTaskDefinition", "ECSTaskRole", 1);
                let parameters = [role, EXECUTION_ROLE.to_owned()];
                let roles = parameters.into_iter().zip(roles);
                Place::TaskDefinition {
                    roles: roles.map(|(parameter, role)| pass(parameter, role)).collect(),
                    arn: pass(short, arn),
                    family: family.clone(),
                }
            }
            Place::Machine { arn, name } => {
                Place::Machine { arn: pass(short, arn), name: name.clone() }
            }
        };
        inner.insert(name.clone(), place);
    }
    (inner, given)
}

/// A name for `Fn::Sub`, which begins with the environment, as the text of a policy.
fn text(name: &str) -> Text {
    match name.strip_prefix("${Environment}") {
        Some(rest) => Text::from(Token::reference("Environment")).and(rest),
        None => name.into(),
    }
}
