//! Nested executions: what a task that starts an execution is answered, and how such an execution
//! is run in virtual time.

use crate::MemoryObjects;
use crate::simulation::{Answer, Call, Outcome, Run, Simulation, Tasks};
use stepwright_aws::metadata::insert_metadata;
use stepwright_history::{Failure, Identity, Moment, Stage, TaskCall, TaskKind};
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object, json};
use stepwright_program::{Program, time};

/// How a task waits for the end of the nested execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    RequestResponse,
    /// Until it has ended (`.sync`). Input and output are text.
    Sync,
    /// Until it has ended (`.sync:2`). Input and output are values.
    Sync2,
    /// Until somebody sends the task token.
    TaskToken,
}

impl Form {
    /// The form of a task that starts an execution.
    pub fn of(call: &TaskCall) -> Self {
        let TaskKind::Service { action, .. } = &call.kind else { return Self::RequestResponse };
        match action.strip_prefix("startExecution").unwrap_or_default() {
            ".sync" => Self::Sync,
            ".sync:2" => Self::Sync2,
            ".waitForTaskToken" => Self::TaskToken,
            _ => Self::RequestResponse,
        }
    }
}

/// Whether a task starts an execution, in whatever form.
pub fn starts_execution(call: &TaskCall) -> bool {
    matches!(&call.kind, TaskKind::Service { service, action }
        if service == "states" && action.starts_with("startExecution"))
}

/// The ARN of the state machine that a task starts an execution of.
pub fn machine_of(call: &TaskCall) -> &str {
    call.parameters.get("StateMachineArn").and_then(Json::as_str).unwrap_or_default()
}

/// The input of the nested execution.
pub fn input_of(parameters: &Json) -> Json {
    match parameters.get("Input") {
        None | Some(Json::Null) => Object::new().into(),
        // A string that holds JSON is used as it is.
        Some(Json::String(text)) => {
            stepwright_json::parse(text).unwrap_or_else(|_| text.as_str().into())
        }
        Some(input) => input.clone(),
    }
}

/// The answer of `StartExecution` to the request with this id, as the task's result shows it.
pub fn started(arn: &str, reply: &Json, now: Moment, request_id: &str) -> Json {
    let mut output = Object::new();
    output.insert("ExecutionArn", arn.into());
    let length = reply.to_string().len().to_string();
    let date = time::http_date(now.0);
    let headers = [
        ("x-amzn-RequestId", request_id),
        ("connection", "keep-alive"),
        ("Content-Length", &length),
        ("Date", &date),
        ("Content-Type", "application/x-amz-json-1.0"),
    ];
    insert_metadata(&mut output, 200, request_id, &headers);
    let started_at = reply.get("startDate").and_then(Json::as_f64).unwrap_or_default();
    output.insert("StartDate", Json::Int((started_at * 1_000.0) as i64));
    output.into()
}

/// An error of `StartExecution` as the task shows it.
pub fn refused(code: &str, status: u16, message: &str, request_id: &str) -> Failure {
    let name = match code {
        // The SDK has no class for this error, so AWS gives it the name of the base class.
        "AccessDeniedException" => "AWSStepFunctionsException".to_owned(),
        code if code.ends_with("Exception") => code.to_owned(),
        code => format!("{code}Exception"),
    };
    let cause = format!(
        "{message} (Service: AWSStepFunctions; Status Code: {status}; Error Code: {code}; Request \
         ID: {request_id}; Proxy: null)"
    );
    Failure::new(format!("StepFunctions.{name}"), cause)
}

/// A nested execution that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Nested<'e> {
    /// Its ARN.
    pub arn: &'e str,
    /// The ARN of its state machine.
    pub machine: &'e str,
    /// Its input.
    pub input: &'e Json,
    /// How it ended.
    pub status: &'e Status,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// When it ended.
    pub stopped_at: Option<i64>,
    /// How often it was redriven.
    pub redrive_count: u32,
}

impl Nested<'_> {
    /// The result of a task that waited for the execution.
    pub fn result(&self, form: Form) -> Result<Json, Failure> {
        let described = self.describe(form);
        match self.status {
            Status::Succeeded { .. } => Ok(described),
            _ => Err(Failure::new("States.TaskFailed", described.to_string())),
        }
    }

    /// As the task's result shows it.
    fn describe(&self, form: Form) -> Json {
        let data = |value: &Json| match form {
            Form::Sync2 => value.clone(),
            _ => value.to_string().into(),
        };
        let included = json!({"Included": true});
        let mut object = Object::new();
        if let Status::Failed { failure } | Status::Aborted { failure } = self.status {
            if let Some(cause) = &failure.cause {
                object.insert("Cause", cause.clone().into());
            }
            if let Some(error) = &failure.error {
                object.insert("Error", error.clone().into());
            }
        }
        object.insert("ExecutionArn", self.arn.into());
        object.insert("Input", data(self.input));
        object.insert("InputDetails", included.clone());
        object.insert("Name", self.arn.rsplit(':').next().unwrap_or_default().into());
        if let Status::Succeeded { output } = self.status {
            object.insert("Output", data(output));
            object.insert("OutputDetails", included);
        }
        object.insert("RedriveCount", Json::Int(self.redrive_count.into()));
        object.insert("StartDate", Json::Int(self.started_at));
        object.insert("StateMachineArn", self.machine.into());
        object.insert("Status", self.status.name().into());
        if let Some(at) = self.stopped_at {
            object.insert("StopDate", Json::Int(at));
        }
        object.into()
    }
}

/// A nested execution to be, in virtual time.
#[derive(Debug)]
pub struct Nesting<'n> {
    /// The task that starts it.
    pub call: &'n Call<'n>,
    /// Its program.
    pub program: &'n Program,
    /// The ARN of its state machine.
    pub machine: &'n str,
    /// Its name, if the task gives it none.
    pub name: String,
    /// From which its random numbers and task tokens are made.
    pub seed: [u64; 2],
    /// The id of the request that starts it.
    pub request_id: String,
    /// Its object store.
    pub objects: MemoryObjects,
    /// It is cut off after so many turns.
    pub most_turns: u64,
}

impl Nesting<'_> {
    /// The ARN that the execution has.
    pub fn execution_arn(&self) -> String {
        let name = self.call.call.parameters.get("Name").and_then(Json::as_str);
        let name = name.unwrap_or(&self.name);
        format!("{}:{name}", self.machine.replacen(":stateMachine:", ":execution:", 1))
    }

    /// Runs the execution from the moment of the call on. Says how it went, and what the task is
    /// answered: at the end of the execution, where it waits for it. An execution whose task times
    /// out is stopped.
    pub fn run(self, tasks: &mut dyn Tasks) -> (Run, Answer) {
        let execution = self.execution_arn();
        let Self { call, program, machine, seed, .. } = self;
        let (begin, form) = (call.at, Form::of(call.call));
        let waits = matches!(form, Form::Sync | Form::Sync2);
        let input = input_of(&call.call.parameters);
        let mut simulation = Simulation::new(program)
            .input(input.clone())
            .identity(Identity {
                execution_arn: execution.as_str().into(),
                name: execution.rsplit(':').next().unwrap_or_default().into(),
                role_arn: "arn:aws:iam::123456789012:role/stepwright".into(),
                state_machine_arn: machine.into(),
                state_machine_name: machine.rsplit(':').next().unwrap_or_default().into(),
                region: machine.split(':').nth(3).unwrap_or_default().into(),
            })
            .seed(seed)
            .start(begin)
            .objects(self.objects)
            .most_turns(self.most_turns);
        let given_up = call.call.timeout_seconds.filter(|_| waits);
        let given_up = given_up.map(|seconds| begin.after_seconds(seconds as f64));
        if let Some(at) = given_up {
            simulation = simulation.stop_at(at, Failure::default());
        }
        let run = simulation.run(tasks);
        let reply = json!({
            "executionArn": (execution.as_str()),
            "startDate": (Json::Float(run.start.0 as f64 / 1_000.0))
        });
        let submitted = started(&execution, &reply, begin, &self.request_id);
        if form == Form::RequestResponse {
            return (run, Answer::returns(submitted));
        }
        let was_given_up =
            matches!(run.status, Status::Aborted { .. }) && Some(run.end) == given_up;
        let outcome = match run.status {
            _ if !waits || was_given_up => Outcome::Never,
            // Nothing will ever wake it.
            Status::NotStarted | Status::Running => Outcome::Never,
            _ => {
                let nested = Nested {
                    arn: &execution,
                    machine,
                    input: &input,
                    status: &run.status,
                    started_at: run.start.0,
                    stopped_at: Some(run.end.0),
                    redrive_count: 0,
                };
                match nested.result(form) {
                    Ok(output) => Outcome::Returns(output),
                    Err(failure) => Outcome::Fails(failure, Stage::Run),
                }
            }
        };
        let answer = Answer::new(outcome).after(run.elapsed_millis());
        (run, Answer { submitted: Some(submitted), ..answer })
    }
}
