//! Histories are read as they were written: now, and by the releases before.

#![expect(clippy::disallowed_methods, reason = "a test reads its corpus")]

use std::path::Path;
use stepwright_history::stored::{KINDS, Seen, StoredError, decode, decode_each, encode};
use stepwright_history::{
    Event, EventKind, Failure, FrameId, Identity, Keeps, MapPage, MapPlan, Moment, Stage, Start,
    StateType, TaskCall, TaskId, TaskKind, TimerId, To, aws,
};
use stepwright_json::{Array, Json, Object, json};

/// An event of every kind, with every option once taken and once not.
fn every_kind() -> Vec<Event> {
    use EventKind as E;
    let value = json!({"a": [1, 2.5, "three", null, true], "b": {"c": 12_345_678_901_234_i64}});
    let failure = Failure::new("Error", "Cause");
    let none = Failure::default();
    let task = TaskId(7);
    let timer = TimerId(9);
    let at = Moment(1_704_067_200_123);
    let items = value.get("a").and_then(Json::as_array).cloned().unwrap_or_default();
    let call = |kind: TaskKind, token: Option<&str>| {
        Box::new(TaskCall {
            resource: "arn:aws:states:::lambda:invoke".into(),
            kind,
            parameters: value.clone(),
            region: "us-east-1".into(),
            timeout_seconds: token.map(|_| 60),
            heartbeat_seconds: token.map(|_| 5),
            credentials: token.map(|_| "arn:aws:iam::123456789012:role/other".into()),
            state: "State".into(),
            retry_count: 3,
            token: token.map(Into::into),
        })
    };
    let service = TaskKind::Service { service: "lambda".into(), action: "invoke".into() };
    let start = |deadline, map_context| {
        E::ExecutionStarted(Box::new(Start {
            input: value.clone(),
            input_text: None,
            identity: Identity { name: "name".into(), ..Identity::default() },
            first: 0,
            deadline,
            seed: [u64::MAX, 0],
            map_context,
            variables: Object::new(),
        }))
    };
    let plan = |full: bool| {
        Box::new(MapPlan {
            items: items.clone(),
            of_object: false,
            first: 4,
            max_concurrency: 2,
            distributed: full,
            tolerated_count: full.then_some(3),
            tolerated_percentage: full.then_some(12.5),
            reader: full.then(|| value.clone()),
        })
    };
    let name = || "Map".into();
    let kinds = vec![
        start(None, None),
        start(Some((at, timer)), Some(json!({"Item": {"Index": 0}}))),
        E::ExecutionSucceeded { output: value.clone() },
        E::ExecutionFailed { failure: failure.clone() },
        E::ExecutionTimedOut { failure: none.clone() },
        E::ExecutionAborted { failure: none },
        E::ExecutionRedriven { count: 2, deadline: Some((at, timer)) },
        E::StateEntered {
            state: 3,
            kind: StateType::Task,
            name: "State".into(),
            input: value.clone(),
        },
        E::StateExited {
            kind: StateType::Choice,
            name: "State".into(),
            output: "text".into(),
            assigned: value.as_object().cloned(),
            to: To::Next(0),
        },
        E::StateExited {
            kind: StateType::Succeed,
            name: "State".into(),
            output: Json::Null,
            assigned: None,
            to: To::End,
        },
        E::StateAborted { kind: StateType::Wait },
        E::EvaluationFailed {
            failure: failure.clone(),
            state: "State".into(),
            location: Some("Output".into()),
        },
        E::TaskScheduled {
            task,
            call: call(service, Some("token")),
            deadline: Some(at),
            heartbeat_deadline: Some(at),
            timer: Some(timer),
        },
        E::TaskScheduled {
            task,
            call: call(TaskKind::Lambda, None),
            deadline: None,
            heartbeat_deadline: None,
            timer: None,
        },
        E::TaskStarted { task, worker: Some("worker".into()) },
        E::TaskSubmitted { task, output: value.clone() },
        E::TaskHeartbeat { task, deadline: at, timer },
        E::TaskSucceeded { task, output: value.clone() },
        E::TaskFailed { task, failure: failure.clone(), stage: Stage::Submit },
        E::TaskTimedOut { task, failure: failure.clone(), heartbeat: true },
        E::RetryScheduled { retrier: 1, due: at, timer },
        E::TimerFired { timer },
        E::WaitStarted { due: Moment(-5), timer },
        E::ParallelStarted { branches: vec![1, 5, 300], input: value.clone() },
        E::ParallelSucceeded,
        E::ParallelFailed,
        E::MapStarted { length: 5, plan: plan(false) },
        E::MapStarted { length: 5, plan: plan(true) },
        E::MapIterationStarted { index: 1, name: name(), input: value.clone() },
        E::MapIterationSucceeded { index: 1, name: name(), output: value.clone() },
        E::MapIterationFailed { index: 1, name: name() },
        E::MapIterationAborted { index: 1, name: name() },
        E::MapSucceeded,
        E::MapFailed,
        E::MapRunStarted { run: task, arn: "arn".into() },
        E::MapRunItems { inputs: items.clone() },
        E::ChildStarted { index: 70_000 },
        E::ChildFinished { index: 1, result: Ok(value.clone()) },
        E::ChildFinished { index: 2, result: Err(failure.clone()) },
        E::MapRunWriting { request: value.clone() },
        E::MapRunUpdated {
            max_concurrency: Some(4),
            tolerated_count: None,
            tolerated_percentage: Some(0.5),
        },
        E::MapRunRedriven { arn: "arn".into(), count: 1 },
        E::MapRunSucceeded,
        E::MapRunFailed { failure },
        E::MapRunPage(Box::new(MapPage {
            inputs: items.clone(),
            items: 70_000,
            batch: items.clone(),
            next: Some(value.clone()),
            keeps: Keeps::Nothing,
        })),
        E::WholeAsked { task, call: call(TaskKind::Whole, None) },
        E::WholeAnswered { task, result: Ok(value.clone()) },
        E::WholeAnswered { task, result: Err(Failure::new("Error", "Cause")) },
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(n, kind)| Event {
            at: Moment(at.0 + n as i64 * 1_000 - 5_000),
            frame: FrameId(n as u32 % 3),
            id: n as u64,
            previous: n as u64 / 2,
            kind,
        })
        .collect()
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    let events = every_kind();
    assert_eq!(decode(&encode(&events)).expect("it was just written"), events);
    for event in events {
        let one = vec![event];
        assert_eq!(decode(&encode(&one)).expect("it was just written"), one);
    }
    assert_eq!(decode(&encode(&[])).expect("nothing is something, too"), []);
}

/// What the second revisions of events add is read as it was written.
#[test]
fn second_revisions_are_read_as_they_were_written() {
    let mut events = every_kind();
    for event in &mut events {
        match &mut event.kind {
            EventKind::ExecutionStarted(start) => start.input_text = Some("{ \"a\": 1.0 }".into()),
            EventKind::MapStarted { plan, .. } => plan.of_object = true,
            _ => {}
        }
    }
    let bytes = encode(&events);
    assert_eq!(decode(&bytes).expect("what was written is read"), events);
    assert_ne!(bytes, encode(&every_kind()));
}

/// The variables that a fork begins with, with and without the text of its input.
#[test]
fn third_revisions_are_read_as_they_were_written() {
    for input_text in [None, Some("{ \"a\": 1.0 }")] {
        let mut events = every_kind();
        for event in &mut events {
            if let EventKind::ExecutionStarted(start) = &mut event.kind {
                start.input_text = input_text.map(Into::into);
                start.variables.insert("order", json!({"id": 7, "lines": [1.5, null]}));
                start.variables.insert("attempt", Json::Int(2));
            }
        }
        let bytes = encode(&events);
        assert_eq!(decode(&bytes).expect("what was written is read"), events);
        assert_ne!(bytes, encode(&every_kind()));
    }
}

#[test]
fn a_value_is_written_once() {
    let value = json!({"text": ("x".repeat(10_000))});
    let event = |value: &Json| Event {
        at: Moment(0),
        frame: FrameId::ROOT,
        id: 1,
        previous: 0,
        kind: EventKind::ExecutionSucceeded { output: value.clone() },
    };
    let once = encode(&[event(&value)]).len();
    let often = encode(&vec![event(&value); 50]).len();
    assert!(often < once + 500, "{once} bytes once, {often} bytes fifty times");
}

#[test]
fn damage_is_told_and_never_a_panic() {
    let chunk = encode(&every_kind());
    for length in 0..chunk.len() {
        assert!(decode(&chunk[..length]).is_err(), "cut off at {length}");
    }
    for at in 0..chunk.len() {
        let mut damaged = chunk.clone();
        damaged[at] ^= 0x55;
        // Damage within a text may go unseen; it must not bring anything down.
        drop(decode(&damaged));
    }
    assert_eq!(decode(&[9, 0]), Err(StoredError::UnknownFormat(9)));
}

#[test]
fn what_a_later_release_writes_is_refused_by_name() {
    let event = |kind: u8, revision: u8| [1, 0, 1, 0, 0, 0, 0, kind, revision, 0];
    assert_eq!(decode(&event(200, 1)), Err(StoredError::UnknownKind(200)));
    let refused = StoredError::UnknownRevision { kind: KINDS[21], revision: 2 };
    assert_eq!(decode(&event(21, 2)), Err(refused));
}

/// `tests/corpus/RELEASE` holds what each release has written. It is never edited.
#[test]
fn what_earlier_releases_wrote_is_read() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut read = 0;
    for release in std::fs::read_dir(corpus).expect("the corpus is there") {
        let folder = release.expect("it can be listed").path();
        let chunk = std::fs::read(folder.join("every-kind.chunk")).expect("each release has one");
        let events = decode(&chunk).expect("it can be read");
        let known = every_kind();
        assert_eq!(events, known[..events.len()], "{}", folder.display());
        read += 1;
    }
    assert!(read > 0, "the corpus is empty");
}

/// Writes the corpus of a release that is to be.
#[test]
fn what_a_map_run_keeps_is_stored() {
    for keeps in [Keeps::Nothing, Keeps::Everything, Keeps::Results] {
        let page =
            MapPage { inputs: Array::new(), items: 0, batch: Array::new(), next: None, keeps };
        let kind = EventKind::MapRunPage(Box::new(page));
        let event = Event { at: Moment(0), frame: FrameId(0), id: 0, previous: 0, kind };
        assert_eq!(decode(&encode(std::slice::from_ref(&event))), Ok(vec![event]));
    }
}

#[test]
fn a_value_of_a_chunk_before_is_one_value_with_it() {
    let value = json!({"text": ("x".repeat(300))});
    let exit = |value: &Json| {
        let output = value.clone();
        let kind = EventKind::ExecutionSucceeded { output };
        Event { at: Moment(0), frame: FrameId(0), id: 0, previous: 0, kind }
    };
    let mut seen = Seen::default();
    let mut values = Vec::new();
    let other = json!({"text": ("y".repeat(300))});
    for value in [&value, &other, &value, &json!({"text": "x"})] {
        let read = decode_each::<StoredError>(&encode(&[exit(value)]), &mut seen, |event| {
            let EventKind::ExecutionSucceeded { output } = event.kind else { unreachable!() };
            values.push(output);
            Ok(())
        });
        assert_eq!(read, Ok(()));
    }
    assert_eq!(values[2], value);
    assert_eq!(values[0].address(), values[2].address(), "it is held once");
    assert_ne!(values[0].address(), values[1].address());
}

#[test]
fn the_corpus_of_this_release_is_what_it_writes() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(env!("CARGO_PKG_VERSION"));
    let path = folder.join("every-kind.chunk");
    if std::env::var_os("STEPWRIGHT_BLESS_CORPUS").is_some() {
        std::fs::create_dir_all(&folder).expect("a directory can be made");
        std::fs::write(&path, encode(&every_kind())).expect("it can be written");
    }
    let written = std::fs::read(path).expect("STEPWRIGHT_BLESS_CORPUS=1 writes it, once a release");
    assert_eq!(decode(&written).expect("it can be read"), every_kind());
}

/// The first event shows the input as it was sent.
#[test]
fn the_input_is_shown_as_it_was_sent() {
    let mut events = every_kind();
    events[0].id = 1;
    let EventKind::ExecutionStarted(start) = &mut events[0].kind else { panic!("no start") };
    start.input_text = Some("{ \"a\" : 1e2 }".into());
    let shown = aws::project(&events);
    let details = shown[0].get("executionStartedEventDetails").expect("it has details");
    assert_eq!(details.get("input").and_then(Json::as_str), Some("{ \"a\" : 1e2 }"));
}

#[test]
fn a_value_that_is_too_deep_is_refused_by_name() {
    let nested = |levels: usize| (0..levels).fold(Json::Int(1), |inner, _| Json::from(vec![inner]));
    let succeeded = |output: Json| Event {
        at: Moment(0),
        frame: FrameId::ROOT,
        id: 1,
        previous: 0,
        kind: EventKind::ExecutionSucceeded { output },
    };
    // An early release let it grow.
    for levels in [2_000, 1_000_000] {
        assert_eq!(decode(&encode(&[succeeded(nested(levels))])), Err(StoredError::TooDeep));
    }
    let deepest = vec![succeeded(nested(stepwright_json::DEEPEST))];
    assert_eq!(decode(&encode(&deepest)), Ok(deepest));
}
