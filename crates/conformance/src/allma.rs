//! The ALLMA flow orchestrator: three machines, and scenarios with stubs for its functions.

use crate::Verdict;
use crate::executions::ending;
use std::collections::BTreeMap;
use std::path::Path;
use stepwright_asl::Definition;
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object, Str, Syntax};
use stepwright_jsonpath::Path as JsonPath;
use stepwright_program::Program;
use stepwright_simulator::{Answer, Call, Outcome, Run, Simulation, Status, Tasks};

/// Runs every scenario.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let folder = data.join("goldens/allma");
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let program = |name: &str| -> Result<Program, String> {
        let definition =
            Definition::parse(&read(name)?, Syntax::Strict).map_err(|error| error.to_string())?;
        stepwright_program::compile(&definition).map_err(|found| format!("{name}: {found:?}"))
    };
    let machines = Machines {
        main: program("definition.asl.json")?,
        branch: program("definition.branch.asl.json")?,
        polling: program("definition.polling.asl.json")?,
    };
    run_machines(data, &machines)
}

/// Runs every scenario with these machines.
pub fn run_machines(data: &Path, machines: &Machines) -> Result<Vec<Verdict>, String> {
    let text = std::fs::read_to_string(data.join("goldens/allma/scenarios.json"))
        .map_err(|error| error.to_string())?;
    let scenarios = stepwright_json::parse(&text).map_err(|error| error.to_string())?;
    let scenarios = scenarios.get("scenarios").and_then(Json::as_array).cloned();
    Ok(scenarios
        .unwrap_or_default()
        .iter()
        .map(|scenario| {
            let name = scenario.get("name").and_then(Json::as_str).unwrap_or_default();
            let mut verdict = Verdict::new("allma", name);
            verdict.measure("scenario", play(machines, scenario));
            verdict
        })
        .collect())
}

/// The machines of the orchestrator.
#[derive(Debug)]
pub struct Machines {
    /// Does a flow.
    pub main: Program,
    /// Does a branch.
    pub branch: Program,
    /// Asks an API.
    pub polling: Program,
}

fn play(machines: &Machines, scenario: &Json) -> Result<(), String> {
    let field = |key: &str| scenario.get(key).cloned().unwrap_or_default();
    let mut world = World {
        machines,
        stubs: field("stubs"),
        driver: field("driver").as_array().map(|driver| driver.to_vec()).unwrap_or_default(),
        calls: BTreeMap::new(),
    };
    let run = Simulation::new(&machines.main).input(field("input")).run(&mut world);
    let (output, error, cause) = ending(&run.status);
    let expected = field("expect");
    for (key, wanted) in expected.as_object().cloned().unwrap_or_default().iter() {
        let is = |actual: &Json| {
            if wanted.same(actual) {
                Ok(())
            } else {
                Err(format!("{key}: expected {wanted}, got {actual}"))
            }
        };
        match key.as_str() {
            "status" => is(&run.status.name().into())?,
            "output" => is(&output)?,
            "error" => is(&error)?,
            "cause" => is(&cause)?,
            "cause_contains" => {
                let (cause, part) = (cause.as_str().unwrap_or_default(), wanted.as_str());
                if !part.is_some_and(|part| cause.contains(part)) {
                    return Err(format!("the cause {cause:?} does not contain {wanted}"));
                }
            }
            "note" => {}
            _ => match key.strip_suffix("_calls") {
                Some(lambda) => {
                    let calls = world.calls.get(lambda).copied().unwrap_or(0);
                    is(&Json::Int(calls))?;
                }
                None => return Err(format!("no check is known for `{key}`")),
            },
        }
    }
    Ok(())
}

/// Stubs for the functions, the nested machines, and what the outside does.
struct World<'m> {
    machines: &'m Machines,
    stubs: Json,
    driver: Vec<Json>,
    calls: BTreeMap<&'static str, i64>,
}

impl Tasks for World<'_> {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let parameters = &call.call.parameters;
        let resource = call.call.resource.as_str();
        if resource.contains(":states:startExecution") {
            return self.nested(parameters);
        }
        let is_invoke = resource.contains(":::lambda:invoke");
        let (target, event) = if is_invoke {
            let target = parameters.get("FunctionName").and_then(Json::as_str).unwrap_or_default();
            (target, parameters.get("Payload").cloned().unwrap_or_default())
        } else {
            (resource, parameters.clone())
        };
        let lambda = [
            ("InitializeFlow", "init"),
            ("IterativeStepProcessor", "isp"),
            ("FinalizeFlow", "finalize"),
            ("ApiPolling", "poll"),
        ]
        .into_iter()
        .find_map(|(part, lambda)| target.contains(part).then_some(lambda));
        let Some(lambda) = lambda else {
            return Answer::fails("Stepwright.NoStub", format!("nothing stands in for {target}"));
        };
        let answer = self.call(lambda, &event);
        if resource.ends_with(".waitForTaskToken")
            && let Some(sent) = (!self.driver.is_empty()).then(|| self.driver.remove(0))
        {
            let text = |key: &str| sent.get(key).and_then(Json::as_str).map(Str::from);
            let outcome = if text("call").as_deref() == Some("SendTaskSuccess") {
                Outcome::Returns(sent.get("output").cloned().unwrap_or_default())
            } else {
                Outcome::Fails(Failure { error: text("error"), cause: text("cause") }, Stage::Run)
            };
            let mut answer = Answer::new(outcome).after(1_000);
            answer.submitted = Some(Json::Object(Object::new()));
            return answer;
        }
        answer
    }
}

impl World<'_> {
    fn call(&mut self, lambda: &'static str, event: &Json) -> Answer {
        let number = self.calls.entry(lambda).or_insert(0);
        *number += 1;
        let number = *number;
        let rules = self.stubs.get(lambda).and_then(Json::as_array).cloned().unwrap_or_default();
        let rule = rules.iter().find(|rule| {
            let conditions = rule.get("when").and_then(Json::as_array).cloned().unwrap_or_default();
            rule.get("nth").and_then(Json::as_i64).is_none_or(|nth| nth == number)
                && conditions.iter().all(|condition| holds(condition, event))
        });
        let Some(rule) = rule else {
            return Answer::fails("Stepwright.NoStub", format!("no rule of {lambda} fits {event}"));
        };
        match rule.get("throw") {
            Some(thrown) => {
                let error = thrown.get("errorType").and_then(Json::as_str).unwrap_or("Error");
                Answer::fails(error, thrown.to_string())
            }
            None => Answer::returns(fill(&rule.get("return").cloned().unwrap_or_default(), event)),
        }
    }

    /// `startExecution.sync:2`: the child's description, its output read as JSON.
    fn nested(&mut self, parameters: &Json) -> Answer {
        let target = parameters.get("StateMachineArn").and_then(Json::as_str).unwrap_or_default();
        let program =
            if target.contains("Polling") { &self.machines.polling } else { &self.machines.branch };
        let input = parameters.get("Input").cloned().unwrap_or_else(|| Object::new().into());
        let run = Simulation::new(program).input(input.clone()).run(self);
        let description = describe(target, &input, &run);
        let answer = match run.status {
            Status::Succeeded { .. } => Answer::returns(description.into()),
            _ => Answer::fails("States.TaskFailed", Json::Object(description).to_string()),
        };
        answer.after(run.elapsed_millis())
    }
}

/// What `DescribeExecution` says, as the `.sync:2` integration returns it.
fn describe(target: &str, input: &Json, run: &Run) -> Object {
    let (output, error, cause) = ending(&run.status);
    let mut description = Object::new();
    description.insert("ExecutionArn", format!("{target}:child").into());
    description.insert("Input", input.clone());
    description.insert("Name", "child".into());
    if matches!(run.status, Status::Succeeded { .. }) {
        description.insert("Output", output);
    } else {
        description.insert("Error", error);
        description.insert("Cause", cause);
    }
    description.insert("StartDate", Json::Int(run.start.0));
    description.insert("StateMachineArn", target.into());
    description.insert("Status", run.status.name().into());
    description.insert("StopDate", Json::Int(run.end.0));
    description
}

fn at(path: &str, event: &Json) -> Option<Json> {
    JsonPath::parse(path).ok()?.evaluate(event).ok()
}

fn holds(condition: &Json, event: &Json) -> bool {
    let path = condition.get("path").and_then(Json::as_str).unwrap_or("$");
    let found = at(path, event);
    match (condition.get("equals"), condition.get("present").and_then(Json::as_bool)) {
        (Some(wanted), _) => found.is_some_and(|found| found.same(wanted)),
        (None, Some(wanted)) => found.is_some() == wanted,
        (None, None) => found.is_some(),
    }
}

/// A template in which `{"$event": path}` stands for a part of the event.
fn fill(template: &Json, event: &Json) -> Json {
    match template {
        Json::Object(members) => match (members.len(), members.get("$event")) {
            (1, Some(Json::String(path))) => at(path, event).unwrap_or_default(),
            _ => members
                .iter()
                .map(|(key, value)| (key.clone(), fill(value, event)))
                .collect::<Object>()
                .into(),
        },
        Json::Array(items) => items.iter().map(|item| fill(item, event)).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}
