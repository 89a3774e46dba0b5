//! Event processors: a function for each machine that reads the machine's log.

use crate::function::Service;
use crate::machine::Ids;
use crate::names;
use crate::plan::{Deployed, Plan, Processor};
use crate::role::{base_environment, executions_of};
use crate::template::{Template, allow, attribute, local_arn, reference};
use stepwright_json::{Json, json};

/// The events that a processor sees.
const EVENTS: [&str; 5] = [
    "ExecutionStarted",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "ExecutionAborted",
];

/// The name of the parameter for the telemetry endpoint.
pub(crate) const ENDPOINT: &str = "OtlpEndpoint";
/// The name of the parameter for the headers of telemetry requests.
pub(crate) const HEADERS: &str = "OtlpHeaders";

/// Adds the parameters for telemetry.
pub(crate) fn add_parameters(template: &mut Template) {
    template.parameter(
        ENDPOINT,
        json!({
            "Type": "String",
            "Default": "",
            "Description": "Where OpenTelemetry goes by OTLP over HTTP, as https://host:4318; nowhere if empty"
        }),
    );
    template.parameter(
        HEADERS,
        json!({
            "Type": "String",
            "Default": "",
            "NoEcho": true,
            "Description": "The headers that the endpoint wants, as name=value,name=value"
        }),
    );
}

/// Adds the processor of a machine, if it has one.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, machine: &Deployed<'_>, ids: &Ids) {
    let processor = machine.processor();
    if processor == Processor::None {
        return;
    }
    // The event of an execution's end lacks its input, and the events of a nested execution lack
    // the trace, so both are looked up.
    let mut executions = vec![executions_of(&plan.names.of(machine.name))];
    let ancestors = plan.ancestors(machine.name);
    executions.extend(ancestors.iter().map(|name| executions_of(&plan.names.of(name))));
    let mut allowed = vec![allow(&["states:DescribeExecution"], executions)];
    if let Processor::Own(_) = processor {
        let mut tables = vec![names::table_of(&plan.names.project)];
        tables.extend(plan.sources().into_iter().map(names::table_of));
        let tables = tables.iter().map(|name| local_arn("dynamodb", &format!("table/{name}")));
        allowed.push(allow(&["dynamodb:GetItem", "dynamodb:Query"], tables.collect()));
    }
    let mut variables = base_environment(plan);
    variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", reference(ENDPOINT)));
    variables.push(("OTEL_EXPORTER_OTLP_HEADERS", reference(HEADERS)));
    let class = if let Processor::Own(class) = processor { class } else { "" };
    variables.push(("STEPWRIGHT_EVENT_PROCESSOR", class.into()));
    let service = Service {
        suffix: &ids.suffix,
        prefix: "Events",
        code: format!("./{}", folder(machine.name)),
        handler: "stepwright_fluxio.aws.processor.handler",
        variables,
        allowed,
        dead_letters: None,
    };
    let function = service.id();
    service.add(template);
    let permission = json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": (attribute(&function, "Arn")),
        "Principal": "logs.amazonaws.com",
        "SourceAccount": (reference("AWS::AccountId")),
        "SourceArn": (attribute(&ids.logs, "Arn"))
    });
    let permitted = format!("EventsPermission{}", ids.suffix);
    template.resource(&permitted, "AWS::Lambda::Permission", permission);
    let subscription = json!({
        "Type": "AWS::Logs::SubscriptionFilter",
        "DependsOn": (permitted),
        "Properties": {
            "LogGroupName": (reference(&ids.logs)),
            "FilterPattern": (pattern()),
            "DestinationArn": (attribute(&function, "Arn"))
        }
    });
    template.add(&format!("EventsSubscription{}", ids.suffix), subscription);
}

fn pattern() -> Json {
    let types = EVENTS.map(|event| format!("($.type = \"{event}\")"));
    format!("{{ {} }}", types.join(" || ")).into()
}

/// The folder of a machine's event processor.
pub(crate) fn folder(machine: &str) -> String {
    format!("events/{machine}")
}
