//! The resource and the parameters of task states: one function for each service.

use crate::Mode;
use crate::data::Reference;
use crate::literal::dumps;
use crate::options::Options;
use stepwright_json::{Json, Object, Str, json};

/// A task call in a state machine.
#[derive(Clone, Debug)]
pub(crate) struct TaskCall {
    /// The class, or the function of a nested state machine.
    pub(crate) name: String,
    /// Where the task runs: `lambda`, …, or `state-machine` for a nested state machine.
    pub(crate) service: String,
    /// The path of the input: `$` for all data.
    pub(crate) input: Str,
    /// The call's options.
    pub(crate) options: Options,
    /// The timeout in seconds.
    pub(crate) timeout: Json,
}

impl TaskCall {
    /// The names in its resource that CloudFormation fills in.
    pub(crate) fn variables(&self) -> Vec<String> {
        let name = &self.name;
        let mut variables = match self.service.as_str() {
            "ecs" => [
                "DatabaseSecurityGroup",
                "ECSClusterArn",
                "PrivateLoadBalancerSecurityGroup",
                "Subnet0",
                "Subnet1",
                "Subnet2",
                "Subnet3",
            ]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("ECSTaskDefinition{name}")])
            .collect(),
            "ecs:worker" => vec![format!("QueueUrl{name}")],
            "codebuild" => vec![format!("CodeBuildProjectName{name}")],
            "lambda:pexpm-runner" => vec![
                format!("LambdaFunction{name}"),
                format!("PackageName{name}"),
                format!("PackageVersion{name}"),
            ],
            "state-machine" => vec![format!("StateMachine{name}")],
            _ => vec![format!("LambdaFunction{name}")],
        };
        variables.sort();
        variables
    }

    /// The resource and the parameters. `is_iterator` says whether it runs for an item of a Map.
    pub(crate) fn resource(&self, mode: Mode, is_iterator: bool) -> (Json, Json) {
        match self.service.as_str() {
            "ecs" => self.ecs(mode),
            "ecs:worker" => self.worker(mode, is_iterator),
            "codebuild" => self.code_build(mode),
            "lambda:pexpm-runner" => self.pexpm(mode),
            "state-machine" => self.state_machine(),
            _ => self.lambda(mode),
        }
    }

    fn lambda(&self, mode: Mode) -> (Json, Json) {
        let [id, source] = trace(mode);
        let parameters = json!({
            "meta": {
                "sfn_execution_name.$": "$$.Execution.Name",
                "sfn_state_name.$": "$$.State.Name",
                "sfn_state_machine_name.$": "$$.StateMachine.Name",
                "trace_id.$": (id),
                "trace_source.$": (source)
            },
            "data.$": (self.input.clone())
        });
        (format!("${{LambdaFunction{}}}", self.name).into(), parameters)
    }

    fn pexpm(&self, mode: Mode) -> (Json, Json) {
        let [id, source] = trace(mode);
        let package = format!("${{PackageName{}}}", self.name);
        let parameters = json!({
            "package_name": (package.as_str()),
            "package_version": (format!("${{PackageVersion{}}}", self.name)),
            "command": [(package.as_str()), "run"],
            "include_parent_environment": true,
            "return_stdout": true,
            "environment": {
                "SFN_EXECUTION_NAME.$": "$$.Execution.Name",
                "SFN_STATE_NAME.$": "$$.State.Name",
                "SFN_STATE_MACHINE_NAME.$": "$$.StateMachine.Name",
                "TRACE_ID.$": (id),
                "TRACE_SOURCE.$": (source),
                "SFN_INPUT_VALUE.$": (self.input.clone())
            }
        });
        (format!("${{LambdaFunction{}}}", self.name).into(), parameters)
    }

    fn ecs(&self, mode: Mode) -> (Json, Json) {
        let [id, source] = trace(mode);
        let variable = |name: &str, path: &str| json!({"Name": (name), "Value.$": (path)});
        let mut environment = vec![
            variable("SFN_EXECUTION_NAME", "$$.Execution.Name"),
            variable("SFN_STATE_NAME", "$$.State.Name"),
            variable("SFN_STATE_MACHINE_NAME", "$$.StateMachine.Name"),
            variable("TRACE_ID", id),
            variable("TRACE_SOURCE", source),
        ];
        match mode {
            Mode::Compat if self.input != "$" => {
                environment.push(variable("SFN_INPUT_VALUE", &self.input));
            }
            Mode::Compat => {}
            // The value of an environment variable must be text.
            Mode::Documented => {
                let text = format!("States.JsonToString({})", self.input);
                environment.push(variable("SFN_INPUT_VALUE", &text));
            }
        }
        let parameters = json!({
            "LaunchType": "FARGATE",
            "Cluster": "${ECSClusterArn}",
            "TaskDefinition": (format!("${{ECSTaskDefinition{}}}", self.name)),
            "NetworkConfiguration": {
                "AwsvpcConfiguration": {
                    "AssignPublicIp": "DISABLED",
                    "SecurityGroups": [
                        "${DatabaseSecurityGroup}",
                        "${PrivateLoadBalancerSecurityGroup}"
                    ],
                    "Subnets": ["${Subnet0}", "${Subnet1}", "${Subnet2}", "${Subnet3}"]
                }
            },
            "Overrides": {
                "ContainerOverrides": [
                    {"Name": (self.name.as_str()), "Environment": (Json::from(environment))}
                ]
            }
        });
        ("arn:aws:states:::ecs:runTask.sync".into(), parameters)
    }

    fn worker(&self, mode: Mode, is_iterator: bool) -> (Json, Json) {
        let [id, source] = trace(mode);
        let group = if is_iterator {
            "States.Format('{}_{}_{}', $$.Execution.Name, $$.State.EnteredTime, $.context_index)"
        } else {
            "States.Format('{}_{}', $$.Execution.Name, $$.State.EnteredTime)"
        };
        let attribute = |path: &str| json!({"DataType": "String", "StringValue.$": (path)});
        let parameters = json!({
            "QueueUrl": (format!("${{QueueUrl{}}}", self.name)),
            "MessageGroupId.$": (group),
            "MessageAttributes": {
                "SFN_EXECUTION_NAME": (attribute("$$.Execution.Name")),
                "SFN_STATE_NAME": (attribute("$$.State.Name")),
                "SFN_STATE_MACHINE_NAME": (attribute("$$.StateMachine.Name")),
                "TRACE_ID": (attribute(id)),
                "TRACE_SOURCE": (attribute(source))
            },
            "MessageBody": {"Input.$": (self.input.clone()), "TaskToken.$": "$$.Task.Token"}
        });
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken".into(), parameters)
    }

    fn code_build(&self, mode: Mode) -> (Json, Json) {
        let empty = || Json::from(Object::new());
        let env = self.options.get_or("env", empty());
        let mut variables: Vec<Json> = env
            .as_object()
            .into_iter()
            .flat_map(Object::iter)
            .map(|(name, value)| match mode {
                Mode::Compat => json!({"Name": (name.clone()), "Value": (value.clone())}),
                Mode::Documented => variable_of_build(name, value),
            })
            .collect();
        let arguments = dumps(&self.options.get_or("build_arg_vars", empty()));
        variables.push(json!({"Name": "BUILD_ARG_VARS", "Value": (arguments)}));
        let parameters = json!({
            "ProjectName": (format!("${{CodeBuildProjectName{}}}", self.name)),
            "SourceVersion.$": "$.source_version",
            "EnvironmentVariablesOverride": (Json::from(variables))
        });
        ("arn:aws:states:::codebuild:startBuild.sync".into(), parameters)
    }

    /// A nested machine as the original starts it.
    fn state_machine(&self) -> (Json, Json) {
        let parameters = json!({
            "Input": {
                "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                "__trace.$": "$.__trace",
                "data.$": (self.input.clone())
            },
            "StateMachineArn": (format!("${{StateMachine{}}}", self.name))
        });
        ("arn:aws:states:::states:startExecution.sync".into(), parameters)
    }

    /// The arguments that start a nested machine. Its input is its data, and not a part of it. With
    /// them go the execution that started it and the trace.
    pub(crate) fn nested(&self, input: &Reference) -> Json {
        let given = input.jsonata();
        let problem = format!("{} is no dict, and `{}` takes one", input.python(), self.name);
        let problem = Json::from(problem);
        let trace = "$states.context.Execution.Input.__trace";
        let input = format!(
            "{{% $merge([$type({given}) = 'object' ? {given} : $error({problem}), \
             {{'{STARTED_BY}': $states.context.Execution.Id, '__trace': $exists({trace}) ? {trace} : \
             {{'id': $states.context.Execution.Name, 'source': $states.context.StateMachine.Name}}}}]) %}}"
        );
        json!({
            "StateMachineArn": (format!("${{StateMachine{}}}", self.name)),
            "Input": (input)
        })
    }
}

/// The key in the input of a nested execution that names the execution that started it.
pub(crate) const STARTED_BY: &str = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";

/// An environment variable of a build, whose value is a text.
fn variable_of_build(name: &str, value: &Json) -> Json {
    match (name.strip_suffix(".$"), value) {
        (Some(name), Json::String(path)) => {
            json!({"Name": name, "Value.$": (path.clone())})
        }
        (_, Json::String(text)) => json!({"Name": name, "Value": (text.clone())}),
        (_, other) => json!({"Name": name, "Value": (dumps(other))}),
    }
}

/// The paths of the trace's id and source. By the documentation, an execution need not carry a
/// trace: without one, it is its own trace.
///
/// A path cannot say "or else". So the ids of all traces in the input, of which there may be none,
/// and the execution's name are written behind each other, and the first text of them is taken. The
/// characters that separate them cannot be in the name of an execution.
fn trace(mode: Mode) -> [&'static str; 2] {
    match mode {
        Mode::Compat => ["$.__trace.id", "$.__trace.source"],
        Mode::Documented => [
            "States.ArrayGetItem(States.StringSplit(States.Format('{}\"{}', \
             States.JsonToString($$.Execution.Input..__trace.id), $$.Execution.Name), '[]\"'), 0)",
            "States.ArrayGetItem(States.StringSplit(States.Format('{}\"{}', \
             States.JsonToString($$.Execution.Input..__trace.source), $$.StateMachine.Name), '[]\"'), 0)",
        ],
    }
}
