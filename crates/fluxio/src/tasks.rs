//! The resource and the parameters of task states: one function for each service.

use crate::Mode;
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
            "codebuild" => self.code_build(),
            "lambda:pexpm-runner" => self.pexpm(mode),
            "state-machine" => self.state_machine(mode),
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

    fn code_build(&self) -> (Json, Json) {
        let empty = || Json::from(Object::new());
        let env = self.options.get_or("env", empty());
        let mut variables: Vec<Json> = env
            .as_object()
            .into_iter()
            .flat_map(Object::iter)
            .map(|(name, value)| json!({"Name": (name.clone()), "Value": (value.clone())}))
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

    fn state_machine(&self, mode: Mode) -> (Json, Json) {
        let machine = format!("${{StateMachine{}}}", self.name);
        let parameters = match mode {
            Mode::Compat => json!({
                "Input": {
                    "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                    "__trace.$": "$.__trace",
                    "data.$": (self.input.clone())
                },
                "StateMachineArn": (machine)
            }),
            // The input is the data of the nested machine, not a part of it.
            Mode::Documented => {
                let started_by = "States.StringToJson(States.Format('\\{\
                                  \"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID\":\"{}\"\\}', \
                                  $$.Execution.Id))";
                let input = format!("States.JsonMerge({}, {started_by}, false)", self.input);
                json!({"Input.$": (input), "StateMachineArn": (machine)})
            }
        };
        ("arn:aws:states:::states:startExecution.sync".into(), parameters)
    }
}

/// The paths of the trace's id and source. By the documentation, an execution need not carry a
/// trace, so it is its own trace.
fn trace(mode: Mode) -> [&'static str; 2] {
    match mode {
        Mode::Compat => ["$.__trace.id", "$.__trace.source"],
        Mode::Documented => ["$$.Execution.Name", "$$.StateMachine.Name"],
    }
}
