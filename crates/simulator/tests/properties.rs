//! What must hold after every turn, whatever happens in whatever order.

use proptest::prelude::*;
use stepwright_asl::Definition;
use stepwright_history::{Event, Failure, Identity, Moment, Stage};
use stepwright_interpreter::items::{self, Page};
use stepwright_interpreter::{Beginning, ChildInput, Command, Execution, Status, Stimulus, step};
use stepwright_json::{Json, Object, Syntax, json};
use stepwright_program::Program;

const DEFINITION: &str = r#"{
  "StartAt": "Both",
  "TimeoutSeconds": 5000,
  "States": {
    "Both": {
      "Type": "Parallel", "Next": "Each",
      "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 2}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Each"}],
      "Branches": [
        {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
          "HeartbeatSeconds": 20, "TimeoutSeconds": 60, "End": true,
          "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]}}},
        {"StartAt": "Nap", "States": {"Nap": {"Type": "Wait", "Seconds": 10, "Next": "B"},
          "B": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:b", "End": true}}}
      ]
    },
    "Each": {
      "Type": "Map", "MaxConcurrency": 3, "Next": "Far", "ResultPath": null,
      "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Far"}],
      "ItemsPath": "$$.Execution.Input.items",
      "ItemProcessor": {"StartAt": "C", "States": {
        "C": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:c", "Assign": {"seen.$": "$"}, "Next": "D"},
        "D": {"Type": "Pass", "End": true}}}
    },
    "Far": {
      "Type": "Map", "End": true, "ToleratedFailureCount": 1,
      "ItemsPath": "$$.Execution.Input.items",
      "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "E", "States": {"E": {"Type": "Pass", "End": true}}}
    }
  }
}"#;

fn program() -> Program {
    let definition = Definition::parse(DEFINITION, Syntax::Strict).unwrap();
    stepwright_program::compile(&definition).unwrap()
}

/// What is owed, as texts that can be compared, whatever the order.
fn sorted(commands: impl IntoIterator<Item = Command>) -> Vec<String> {
    let mut texts: Vec<String> =
        commands.into_iter().map(|command| format!("{command:?}")).collect();
    texts.sort();
    texts.dedup();
    texts
}

/// A world that answers what is owed in an order, and in ways, that chance decides.
fn play(program: &Program, choices: &[u16]) -> Result<(), TestCaseError> {
    let mut execution = Execution::default();
    let mut events: Vec<Event> = Vec::new();
    let mut now = Moment(1_000);
    let mut next = Some(Stimulus::Start(Box::new(Beginning {
        input_text: None,
        input: json!({"items": [1, 2, 3, 4, 5]}),
        identity: Identity::default(),
        first: None,
        variables: Object::new(),
        seed: [1, 2],
        map_context: None,
        timeout_seconds: None,
    })));
    let mut owed: Vec<Command> = Vec::new();
    let mut choices = choices.iter().copied();
    while let Some(stimulus) = next.take() {
        let before = execution.clone();
        match step(program, &mut execution, stimulus, now) {
            Err(_) => prop_assert_eq!(&execution, &before, "a stale stimulus changes nothing"),
            Ok(turn) => {
                owed.extend(turn.commands);
                events.extend(turn.events);
                let replayed =
                    Execution::replay(&events).map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert_eq!(&replayed, &execution, "the history folds to the execution");
                let ids: Vec<u64> =
                    events.iter().map(|event| event.id).filter(|id| *id > 0).collect();
                prop_assert!(ids.iter().copied().eq(1..=ids.len() as u64), "ids count from one");
            }
        }
        // Whatever is owed now was asked for in some turn.
        let asked = sorted(owed.iter().map(unsubmitted));
        for command in execution.commands() {
            let command = format!("{:?}", unsubmitted(&command));
            prop_assert!(asked.contains(&command), "nobody was told of {}", command);
        }
        if execution.is_over() {
            prop_assert!(execution.commands().is_empty(), "nothing is owed to what is over");
            return Ok(());
        }
        prop_assert!(!execution.commands().is_empty(), "a live execution waits for something");
        let Some(choice) = choices.next() else { return Ok(()) };
        let open = execution.commands();
        let command = open[choice as usize % open.len()].clone();
        next = Some(answer(command, choice / 64, &mut now));
    }
    Ok(())
}

fn unsubmitted(command: &Command) -> Command {
    match command {
        Command::RunTask { task, call, .. } => {
            Command::RunTask { task: *task, call: call.clone(), submitted: false }
        }
        other => other.clone(),
    }
}

fn answer(command: Command, how: u16, now: &mut Moment) -> Stimulus {
    match command {
        Command::RunTask { task, .. } => match how % 6 {
            0 => Stimulus::TaskHeartbeat { task },
            1 => Stimulus::TaskSubmitted { task, output: json!({"id": 1}) },
            2 => {
                let error = if how % 4 == 2 { "Again" } else { "Broken" };
                Stimulus::TaskFailed {
                    task,
                    failure: Failure::new(error, "by chance"),
                    stage: Stage::Run,
                }
            }
            // A task that nobody knows: stale.
            3 => Stimulus::TaskSucceeded {
                task: stepwright_history::TaskId(task.0 + 1_000),
                output: Json::Null,
            },
            // What is asked as a whole takes a list.
            4 => Stimulus::TaskSucceeded { task, output: json!([1, 2]) },
            _ => Stimulus::TaskSucceeded { task, output: json!({"ok": true}) },
        },
        Command::WakeAt { timer, due } => {
            *now = Moment(now.0.max(due.0));
            Stimulus::TimerDue { timer }
        }
        Command::StartChild { run, index, .. } => {
            let result = if how.is_multiple_of(5) {
                Err(Failure::new("Child", "failed"))
            } else {
                Ok(json!(index))
            };
            Stimulus::ChildFinished { run, index, result }
        }
        Command::ReadItems { run, from, .. } => {
            Stimulus::ItemsRead { run, from, page: Ok(Page::default()) }
        }
        Command::WriteResults { run, .. } => {
            Stimulus::ResultsWritten { run, result: Ok(json!({})) }
        }
        Command::Continue => Stimulus::Continue,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn every_turn_keeps_the_promises(choices in prop::collection::vec(any::<u16>(), 1..120)) {
        play(&program(), &choices)?;
    }

    #[test]
    fn states_that_are_answered_as_a_whole_keep_them(
        which in 1..8_usize,
        choices in prop::collection::vec(any::<u16>(), 1..60),
    ) {
        let mut program = program();
        let names = ["Both", "Each", "Far"].into_iter().enumerate();
        program.whole = names
            .filter(|(at, _)| which & (1 << at) != 0)
            .filter_map(|(_, name)| program.state_named(name))
            .collect();
        play(&program, &choices)?;
    }
}

#[test]
fn a_failed_execution_goes_on_when_redriven() {
    let text = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},
        "B":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:1:function:b","End":true}}}"#;
    let definition = Definition::parse(text, Syntax::Strict).unwrap();
    let program = stepwright_program::compile(&definition).unwrap();
    let mut execution = Execution::default();
    let beginning = Beginning {
        input_text: None,
        input: json!({"n": 1}),
        identity: Identity::default(),
        first: None,
        variables: Object::new(),
        seed: [1, 2],
        map_context: None,
        timeout_seconds: None,
    };
    let run = |execution: &mut Execution, stimulus| {
        step(&program, execution, stimulus, Moment(0)).unwrap()
    };
    run(&mut execution, Stimulus::Start(Box::new(beginning)));
    let task = |execution: &Execution| match &execution.commands()[0] {
        Command::RunTask { task, .. } => *task,
        other => panic!("{other:?}"),
    };
    let first = task(&execution);
    let failure = Failure::new("Broken", "once");
    run(&mut execution, Stimulus::TaskFailed { task: first, failure, stage: Stage::Run });
    assert!(execution.is_over());
    run(&mut execution, Stimulus::Redrive);
    let second = task(&execution);
    assert_ne!(first, second, "the task is a new attempt");
    run(&mut execution, Stimulus::TaskSucceeded { task: second, output: json!("done") });
    assert_eq!(execution.status().name(), "SUCCEEDED");
    assert_eq!(execution.redrive_count(), 1);
}

/// An execution that an earlier release left behind, with all items in one event and two of five
/// children running, is gone on with: its results are those of all five.
#[test]
fn a_map_run_of_an_earlier_release_goes_on() {
    let text = include_str!("corpus/map-run-items.asl.json");
    let definition = Definition::parse(text, Syntax::Strict).unwrap();
    let program = stepwright_program::compile(&definition).unwrap();
    let mut rest: &[u8] = include_bytes!("corpus/map-run-items.chunks");
    let mut events = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let (chunk, more) = more.split_at(u32::from_le_bytes(*length) as usize);
        events.extend(stepwright_history::stored::decode(chunk).unwrap());
        rest = more;
    }
    let mut execution = Execution::replay(&events).unwrap();
    let mut owed = execution.commands();
    let begun = |command: &Command| match command {
        Command::StartChild { index, input, .. } => Some((*index, input.clone())),
        _ => None,
    };
    let given = |row: i64| ChildInput::Given(json!({"row": row}));
    let running: Vec<_> = owed.iter().filter_map(begun).collect();
    assert_eq!(running, [(3, given(3)), (4, given(4))]);
    let mut objects = stepwright_simulator::MemoryObjects::default();
    while let Some(command) = owed.pop() {
        let stimulus = match command {
            Command::StartChild { run, index, input: ChildInput::Given(input), .. } => {
                Stimulus::ChildFinished { run, index, result: Ok(input) }
            }
            Command::WriteResults { run, request, records } => {
                let journal = &mut events.as_slice();
                let result = items::write(&request, &records, journal, &mut objects);
                Stimulus::ResultsWritten { run, result }
            }
            other => panic!("{other:?} is not owed"),
        };
        let turn = step(&program, &mut execution, stimulus, Moment(1_704_067_300_000)).unwrap();
        events.extend(turn.events);
        owed.extend(turn.commands);
    }
    assert!(matches!(execution.status(), Status::Succeeded { .. }), "{:?}", execution.status());
    assert_eq!(Execution::replay(&events).unwrap(), execution);
    let written = objects.objects.iter().find(|((_, key), _)| key.ends_with("/SUCCEEDED_0.json"));
    let records = stepwright_json::parse_bytes(written.unwrap().1).unwrap();
    let inputs: Vec<_> =
        records.as_array().unwrap().iter().map(|one| one.get("Input").unwrap().clone()).collect();
    let expected: Vec<Json> = (0..5).map(|row| format!("{{\"row\":{row}}}").into()).collect();
    assert_eq!(inputs, expected);
}
