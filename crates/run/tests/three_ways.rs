//! Checks that a definition has one meaning: with the same input and the same mocks, it has the
//! same history in the simulator, with `run`, and on a server. Examples and spec cases are always
//! compared; the corpus only where it is available.

#![expect(clippy::print_stdout, reason = "a test says what it has compared")]

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stepwright_asl::{Definition, LoadOptions, load, read_data};
use stepwright_engine::Clock;
use stepwright_functions::{Functions, Place};
use stepwright_history::{Event, EventKind, Moment, aws};
use stepwright_integrations::{MemoryBuckets, Mocked};
use stepwright_json::{Json, Object, Syntax, json};
use stepwright_run::{Machines, NAME, Plan, Runnable, identity};
use stepwright_server::Assembly;
use stepwright_server::config::ServerConfig;
use stepwright_simulator::{DEFAULT_START, Mocks, Simulation};

/// A definition that is run in all three ways.
struct Case {
    name: String,
    definition: Definition,
    mocks: Mocks,
    input: Json,
}

/// Virtual time, which passes when everybody waits.
struct Virtual(tokio::time::Instant);

impl Clock for Virtual {
    fn now(&self) -> Moment {
        DEFAULT_START.after_millis(self.0.elapsed().as_millis() as i64)
    }
}

/// The longest that an execution may take, in virtual time.
const LONGEST: Duration = Duration::from_hours(24 * 400);

#[test]
fn examples_have_one_history() {
    let cases = examples();
    assert!(cases.len() >= 8, "only {} examples were found", cases.len());
    compare(&cases, &[]);
}

#[test]
fn spec_cases_have_one_history() {
    let cases = spec_cases();
    assert!(cases.len() >= 20, "only {} cases were found", cases.len());
    compare(&cases, &[]);
}

#[test]
fn the_corpus_has_one_history() {
    let cases = corpus();
    if cases.is_empty() {
        println!("skipped: there is no corpus here");
        return;
    }
    assert!(cases.len() >= 260, "only {} definitions were read", cases.len());
    compare(&cases, &EXCEPTIONS);
}

/// What a mocks file answers as a whole is the same in both loops. A server takes no mocks files.
#[test]
fn what_is_mocked_as_a_whole_has_one_history() {
    let machine = r#"
StartAt: Each
States:
  Each:
    Type: Map
    ItemsPath: $.items
    Retry: [{ErrorEquals: [Busy]}]
    ItemProcessor: {StartAt: P, States: {P: {Type: Pass, End: true}}}
    ResultPath: $.each
    Next: Both
  Both:
    Type: Parallel
    Branches:
      - {StartAt: Q, States: {Q: {Type: Pass, End: true}}}
    Catch: [{ErrorEquals: [States.ALL], ResultPath: $.why, Next: Far}]
    Next: Far
  Far:
    Type: Map
    ItemsPath: $.items
    ItemProcessor:
      ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}
      StartAt: R
      States: {R: {Type: Pass, End: true}}
    End: true
"#;
    let definition = Definition::from_json(&read_data(machine, "m.yaml").unwrap().to_json());
    let case = Case {
        name: "mocked as a whole".to_owned(),
        definition,
        mocks: mocks(
            "Each: [{fail: Busy, after: 3s}, {return: [1, 2]}]\nBoth: {fail: Broken}\n\
             Far: {return: [3], after: 1h}",
        ),
        input: json!({"items": [1, 2]}),
    };
    let (ran, simulated) = (ran(&case, [1, 2]), simulated(&case, [1, 2]));
    assert!(
        matches!(&simulated.last().unwrap().kind, EventKind::ExecutionSucceeded { output } if *output == json!([3]))
    );
    same("run", &shown(&ran), "the simulator", &shown(&simulated)).unwrap();
    let hours = |events: &[Event]| (events.last().unwrap().at.0 - events[0].at.0) / 3_600_000;
    assert_eq!((hours(&ran), hours(&simulated)), (1, 1));
}

/// Definitions of the corpus whose histories differ, each with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[track_caller]
fn compare(cases: &[Case], exceptions: &[(&str, &str)]) {
    let (mut wrong, mut excepted) = (Vec::new(), 0);
    for case in cases {
        let result = three_ways(case);
        match (result, exceptions.iter().any(|(name, _)| *name == case.name)) {
            (Ok(()), false) => {}
            (Err(_), true) => excepted += 1,
            (Ok(()), true) => wrong.push(format!("{} has one history now", case.name)),
            (Err(why), false) => wrong.push(format!("{}: {why}", case.name)),
        }
    }
    println!("{} of {} have one history", cases.len() - wrong.len() - excepted, cases.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn three_ways(case: &Case) -> Result<(), String> {
    let served = served(case)?;
    let Some(EventKind::ExecutionStarted(start)) = served.first().map(|event| &event.kind) else {
        return Err("the server has no history".to_owned());
    };
    let ran = ran(case, start.seed);
    let simulated = simulated(case, start.seed);
    let (served, ran, simulated) = (shown(&served), shown(&ran), shown(&simulated));
    same("run", &ran, "the simulator", &simulated)?;
    same("the server", &served, "the simulator", &simulated)
}

/// Events as AWS shows them, without their times.
fn shown(events: &[Event]) -> Vec<String> {
    let events = aws::project(events).into_iter().map(|event| {
        let members = event.as_object().into_iter().flat_map(Object::iter);
        let members = members.filter(|(key, _)| *key != "timestamp");
        let members = members.map(|(key, value)| (key.clone(), value.clone()));
        without_times(&Json::from(members.collect::<Object>()).to_string())
    });
    events.collect()
}

/// The text in which each moment such as `2023-01-01T00:00:00.000Z` is replaced by a mark.
fn without_times(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('T') {
        let (begin, end) = (at.saturating_sub(10), at + 14);
        let moment = rest.get(begin..end).filter(|moment| {
            moment.ends_with('Z')
                && moment.bytes().enumerate().all(|(at, byte)| match at {
                    4 | 7 => byte == b'-',
                    10 => byte == b'T',
                    13 | 16 => byte == b':',
                    19 => byte == b'.',
                    23 => byte == b'Z',
                    _ => byte.is_ascii_digit(),
                })
        });
        let (kept, next) = if moment.is_some() { (begin, end) } else { (at + 1, at + 1) };
        out.push_str(&rest[..kept]);
        if moment.is_some() {
            out.push_str("(a moment)");
        }
        rest = &rest[next..];
    }
    out + rest
}

fn same(one: &str, events: &[String], other: &str, others: &[String]) -> Result<(), String> {
    let at = events.iter().zip(others).position(|(event, other)| event != other);
    match at {
        Some(at) => Err(format!(
            "event {}\n  with {one}: {}\n  with {other}: {}",
            at + 1,
            events[at],
            others[at]
        )),
        None if events.len() != others.len() => {
            let longer = if events.len() > others.len() { events } else { others };
            let next = &longer[events.len().min(others.len())];
            Err(format!(
                "{} events with {one}, {} with {other}; the next is {next}",
                events.len(),
                others.len()
            ))
        }
        None => Ok(()),
    }
}

fn machines(case: &Case) -> Machines {
    let program = stepwright_program::compile(&case.definition).expect("it was checked");
    let main = Runnable {
        arn: "arn:aws:states:us-east-1:123456789012:stateMachine:machine".to_owned(),
        is_express: false,
        definition: case.definition.root.to_json().to_string(),
        program: Arc::new(program),
    };
    Machines { main, others: Vec::new(), project: None }
}

fn functions() -> Functions {
    let none = BTreeMap::new();
    Functions::new(none, PathBuf::new(), Place::default()).expect("there are none")
}

fn in_virtual_time<T>(work: impl AsyncFnOnce(Arc<dyn Clock>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async { work(Arc::new(Virtual(tokio::time::Instant::now()))).await })
}

fn simulated(case: &Case, seed: [u64; 2]) -> Vec<Event> {
    let machines = machines(case);
    let mut mocks = case.mocks.clone();
    Simulation::new(&mocks.applied_to(&machines.main.program))
        .input(case.input.clone())
        .identity(identity(&machines.main.arn))
        .seed(seed)
        .start(DEFAULT_START)
        .objects(case.mocks.objects.clone())
        .run(&mut mocks)
        .events
}

fn ran(case: &Case, seed: [u64; 2]) -> Vec<Event> {
    in_virtual_time(async |clock| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keeping = seen.clone();
        let plan = Plan {
            machines: machines(case),
            input: case.input.clone(),
            mocks: case.mocks.clone(),
            case: None,
            functions: functions(),
            services: Arc::default(),
            resources: None,
            server: ServerConfig::default(),
            buckets: None,
            seed: Some(seed),
            clock,
            watch: Arc::new(move |execution: &str, _: &str, events: &[Event]| {
                if execution.ends_with(":local") {
                    keeping.lock().extend(events.iter().cloned());
                }
            }),
        };
        // If it runs longer than this, what it did so far is enough to compare.
        let ran = tokio::time::timeout(LONGEST, plan.run()).await;
        let events = std::mem::take(&mut *seen.lock());
        if let Ok(ran) = ran {
            assert_eq!(ran.expect("it runs").events, events, "all events were seen");
        }
        events
    })
}

fn served(case: &Case) -> Result<Vec<Event>, String> {
    in_virtual_time(async |clock| {
        let objects = case.mocks.objects.clone();
        let assembly = Assembly {
            mocked: Mocked::default().with_mocks(Some(case.mocks.clone())),
            object_store: Some(Arc::new(MemoryBuckets::new(objects))),
            clock,
            ..Assembly::new(functions())
        };
        let api = assembly.assemble().await.map_err(|error| error.to_string())?.api;
        let call = async |operation: &str, body: Json| {
            let called = api.call(operation, body).await;
            called.map_err(|error| format!("{operation}: {error}"))
        };
        let body = json!({
            "name": "machine",
            "definition": (case.definition.root.to_json().to_string()),
            "roleArn": "arn:aws:iam::123456789012:role/stepwright"
        });
        let created = call("CreateStateMachine", body).await?;
        let machine = created.get("stateMachineArn").cloned().unwrap_or_default();
        let body = json!({
            "stateMachineArn": (machine),
            "name": (NAME),
            "input": (case.input.to_string())
        });
        let started = call("StartExecution", body).await?;
        let arn = started.get("executionArn").and_then(Json::as_str).unwrap_or_default();
        let engine = api.engine();
        let ended = engine.ended(arn);
        tokio::pin!(ended);
        let idle = async {
            while !engine.is_idle() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let either = async {
            tokio::select! {
                _ = &mut ended => {}
                () = idle => {}
            }
        };
        tokio::time::timeout(LONGEST, either).await.ok();
        let mut events = Vec::new();
        let take = |event: &Event| events.push(event.clone());
        engine.history(arn, take).await.map_err(|error| error.to_string())?;
        Ok(events)
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn mocks(text: &str) -> Mocks {
    let tree = read_data(text, "mocks.yaml").expect("mocks are data");
    Mocks::parse(&tree).expect("mocks are right")
}

/// Every example's definition with each of its mocks files.
fn examples() -> Vec<Case> {
    let folder = root().join("examples");
    let mut cases = Vec::new();
    for path in files(&folder, ".asl.json").into_iter().chain(files(&folder, ".asl.yaml")) {
        let (name, bytes) = (path.display().to_string(), std::fs::read(&path).unwrap());
        let loaded = load(&bytes, &LoadOptions { file: &name, ..LoadOptions::default() });
        let definition = loaded.definitions.into_iter().next().expect("it holds one").definition;
        let beside = path.parent().unwrap_or(&folder);
        let input = files(beside, "input.json").into_iter().next().map_or_else(
            || Object::new().into(),
            |path| {
                let text = std::fs::read_to_string(path).unwrap();
                read_data(&text, "input.json").expect("an input is data").to_json()
            },
        );
        for file in files(beside, "mocks.yaml") {
            cases.push(Case {
                name: file.display().to_string(),
                definition: definition.clone(),
                mocks: mocks(&std::fs::read_to_string(&file).unwrap()),
                input: input.clone(),
            });
        }
    }
    cases
}

/// Every case under `spec/` that has a timeline.
fn spec_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in files(&root().join("spec"), ".md") {
        let text = std::fs::read_to_string(&file).unwrap();
        let (mut definition, mut answers, mut input) = (None, Mocks::default(), json!({}));
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("## ") {
                (answers, input) = (Mocks::default(), json!({}));
            }
            let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else {
                continue;
            };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let body = body.join("\n");
            match kind {
                "asl" => definition = Definition::parse(&body, Syntax::Strict).ok(),
                "mocks" => answers = mocks(&body),
                "input" => input = stepwright_json::parse(&body).unwrap(),
                "timeline" => cases.push(Case {
                    name: format!("{} #{}", file.display(), cases.len() + 1),
                    definition: definition.clone().expect("a definition stands before a timeline"),
                    mocks: answers.clone(),
                    input: input.clone(),
                }),
                _ => {}
            }
        }
    }
    cases
}

/// The definitions of the corpus that AWS would accept, with tasks that all give the same answer.
fn corpus() -> Vec<Case> {
    let folder = root().join("../shared/corpus");
    let mut cases = Vec::new();
    for path in files(&folder, ".asl.json") {
        let text = std::fs::read_to_string(&path).unwrap();
        // Every placeholder, which a deployment would fill, is filled with a function's ARN.
        let names = text.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        let values = names.map(|name| (name.to_owned(), format!("{FUNCTION}{}", plain(name))));
        let values = values.collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let options = LoadOptions { file: &name, values: Some(&values), ..LoadOptions::default() };
        let loaded = load(text.as_bytes(), &options);
        let Some(found) = loaded.definitions.into_iter().next() else { continue };
        let is_right = !stepwright_program::check(&found.definition)
            .iter()
            .any(stepwright_source::Diagnostic::is_error);
        if !is_right {
            continue;
        }
        let answer = json!({
            "Payload": {"ok": true, "items": [1, 2]},
            "Items": [1, 2],
            "Status": "SUCCEEDED",
            "status": "SUCCEEDED"
        });
        let default = json!({"default": {"return": (answer)}});
        for (what, text) in [("success", default.to_string()), ("failure", FAILURE.to_owned())] {
            cases.push(Case {
                name: format!("{name} ({what})"),
                definition: found.definition.clone(),
                mocks: mocks(&text),
                input: json!({"items": [1, 2], "ok": true}),
            });
        }
    }
    cases
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:";

/// The letters and digits of a name.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).take(40).collect()
}

const FAILURE: &str = r#"{"default": {"fail": {"error": "Generated", "cause": "by a mock"}}}"#;

#[test]
fn moments_are_left_out() {
    let text = r#"{"at":"2023-01-01T00:00:00.000Z","Task":"T2023"}"#;
    assert_eq!(without_times(text), r#"{"at":"(a moment)","Task":"T2023"}"#);
}
