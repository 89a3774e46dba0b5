//! What the tasks of a recorded execution answered.

use std::collections::BTreeMap;
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object, Str};
use stepwright_simulator::{Answer, Call, Outcome};
use stepwright_timeline::recorded::{Within, places};
use stepwright_timeline::recorded::{detail, failure, id_of, moment, previous_of, type_of, value};

/// The answer to one call that was recorded.
#[derive(Clone, Debug)]
pub struct RecordedAnswer {
    /// The state that called.
    pub state: Str,
    /// The Map states around it, with the index of the item.
    pub map_path: Vec<(Str, u32)>,
    /// How often the state was entered before, under this path.
    pub entry: u32,
    /// How often it was tried before within the entry.
    pub attempt: u32,
    /// What it was called with.
    pub input: Json,
    /// The answer.
    pub answer: Answer,
}

/// Recorded answers, each of which is given once.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    answers: Vec<(RecordedAnswer, bool)>,
}

impl Answers {
    /// Nothing is answered yet.
    pub fn new(answers: Vec<RecordedAnswer>) -> Self {
        Self { answers: answers.into_iter().map(|answer| (answer, false)).collect() }
    }

    /// The answer that was recorded for a call: for this very attempt, or else the next of the
    /// same state.
    pub fn answer(&mut self, call: &Call<'_>) -> Option<Answer> {
        let is_state = |answer: &RecordedAnswer| answer.state == call.call.state;
        let exact = self.answers.iter().position(|(answer, _)| {
            is_state(answer)
                && answer.map_path == call.map_path
                && answer.entry == call.entry
                && answer.attempt == call.attempt
        });
        let next = || self.answers.iter().position(|(answer, used)| !used && is_state(answer));
        let at = exact.or_else(next)?;
        self.answers[at].1 = true;
        let recorded = &self.answers[at].0;
        let mut answer = recorded.answer.clone();
        if let (Outcome::Returns(output), Some(token)) = (&answer.outcome, &call.call.token) {
            let old = token_in(&recorded.input, &call.call.parameters, token);
            answer.outcome = Outcome::Returns(with_token(output, old, token));
        }
        Some(answer)
    }

    /// The states whose recorded answers nobody asked for.
    pub fn unused(&self) -> Vec<&RecordedAnswer> {
        self.answers.iter().filter(|(_, used)| !used).map(|(answer, _)| answer).collect()
    }
}

/// What stood in the recorded input where the token stands in this one.
fn token_in<'j>(recorded: &'j Json, input: &Json, token: &str) -> Option<&'j str> {
    match (recorded, input) {
        (Json::String(old), Json::String(new)) if new == token => Some(old),
        (Json::Object(recorded), Json::Object(input)) => {
            input.iter().find_map(|(key, value)| token_in(recorded.get(key)?, value, token))
        }
        (Json::Array(recorded), Json::Array(input)) => {
            recorded.iter().zip(input.iter()).find_map(|(old, new)| token_in(old, new, token))
        }
        _ => None,
    }
}

/// A callback that returns what it was sent returns the task token, too.
fn with_token(output: &Json, recorded: Option<&str>, token: &Str) -> Json {
    match output {
        Json::String(text) => {
            let is_token = recorded.is_some_and(|recorded| recorded == text)
                || (text.starts_with("<*:task_token") && text.ends_with('>'));
            if is_token { token.clone().into() } else { output.clone() }
        }
        Json::Array(items) => {
            let items = items.iter().map(|item| with_token(item, recorded, token));
            items.collect::<Vec<_>>().into()
        }
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), with_token(value, recorded, token)))
            .collect::<Object>()
            .into(),
        other => other.clone(),
    }
}

/// An answer as a case file of the recordings lists it.
pub(super) fn of_mock(mock: &Json) -> RecordedAnswer {
    let number =
        |value: &Json, key: &str| value.get(key).and_then(Json::as_i64).unwrap_or(0) as u32;
    let path = mock.get("map_path").and_then(Json::as_array).cloned().unwrap_or_default();
    let map_path = path.iter().map(|step| {
        let map = step.get("map").and_then(Json::as_str).unwrap_or_default();
        (map.into(), number(step, "index"))
    });
    let outcome = mock.get("outcome").cloned().unwrap_or_default();
    let text = |key: &str| match outcome.get(key) {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string().into()),
    };
    let mut answer = Answer::new(match text("type").as_deref() {
        Some("success") => Outcome::Returns(outcome.get("output").cloned().unwrap_or_default()),
        Some("timeout") => Outcome::Never,
        _ => Outcome::Fails(
            Failure { error: text("error"), cause: text("cause") },
            stage(text("stage").as_deref().unwrap_or_default()),
        ),
    });
    answer.submitted = mock.get("submitted").filter(|value| !value.is_null()).cloned();
    answer.worker = mock.get("worker").and_then(Json::as_str).map(Str::from);
    RecordedAnswer {
        state: mock.get("state").and_then(Json::as_str).unwrap_or_default().into(),
        map_path: map_path.collect(),
        entry: number(mock, "entry"),
        attempt: number(mock, "attempt"),
        input: mock.get("parameters").cloned().unwrap_or_default(),
        answer,
    }
}

/// How far a task got that failed with an event of this type.
fn stage(kind: &str) -> Stage {
    match kind {
        "TaskSubmitFailed" => Stage::Submit,
        "TaskStartFailed" | "LambdaFunctionStartFailed" => Stage::Start,
        kind if kind.ends_with("ScheduleFailed") => Stage::Schedule,
        _ => Stage::Run,
    }
}

/// Reads the answers off a history: each `…Scheduled` event begins a chain that ends with what
/// came of it.
pub(super) fn of_events(events: &[Json]) -> Vec<RecordedAnswer> {
    let places = places(events);
    let mut after: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        after.entry(previous_of(event).unwrap_or_default()).or_default().push(at);
    }
    let mut entries: BTreeMap<(Vec<(Str, u32)>, Str), u32> = BTreeMap::new();
    let mut attempts: BTreeMap<(Vec<(Str, u32)>, Str), u32> = BTreeMap::new();
    let mut answers = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let place = &places[at];
        let map_path: Vec<(Str, u32)> = place
            .scope
            .iter()
            .filter_map(|step| match step {
                Within::Item(name, index) => Some((name.clone(), *index)),
                Within::Branch(_) => None,
            })
            .collect();
        let key = (map_path.clone(), place.state.clone());
        if type_of(event) == "TaskStateEntered" {
            *entries.entry(key.clone()).or_insert(0) += 1;
            attempts.insert(key, 0);
            continue;
        }
        if !type_of(event).ends_with("Scheduled") {
            continue;
        }
        let attempt = attempts.entry(key.clone()).or_insert(0);
        let number = *attempt;
        *attempt += 1;
        let parameters = value(event, "parameters").or_else(|| value(event, "input"));
        answers.push(RecordedAnswer {
            state: place.state.clone(),
            map_path,
            entry: entries.get(&key).copied().unwrap_or(1).saturating_sub(1),
            attempt: number,
            input: parameters.unwrap_or_default(),
            answer: answer(events, &after, at),
        });
    }
    answers
}

/// Follows the events of one task to its end.
fn answer(events: &[Json], after: &BTreeMap<i64, Vec<usize>>, scheduled: usize) -> Answer {
    let mut answer = Answer::new(Outcome::Never);
    let began = moment(&events[scheduled]);
    let mut at = scheduled;
    loop {
        let next = id_of(&events[at]).and_then(|id| after.get(&id)).into_iter().flatten();
        let of_task = next.copied().find(|next| {
            let kind = type_of(&events[*next]);
            ["Task", "LambdaFunction", "Activity"].iter().any(|prefix| kind.starts_with(prefix))
                && !kind.contains("State")
                && !kind.ends_with("Scheduled")
        });
        let Some(next) = of_task else { return answer };
        at = next;
        let event = &events[at];
        let kind = type_of(event);
        if let (Some(began), Some(now)) = (began, moment(event)) {
            answer.after_millis = (now - began).max(0);
        }
        if kind.ends_with("Started") {
            answer.worker = detail(event, "workerName");
        } else if kind.ends_with("Submitted") {
            answer.submitted = value(event, "output");
        } else if kind.ends_with("Succeeded") {
            answer.outcome = Outcome::Returns(value(event, "output").unwrap_or_default());
            return answer;
        } else if kind.ends_with("TimedOut") {
            answer.outcome = Outcome::Never;
            return answer;
        } else if kind.ends_with("Failed") {
            answer.outcome = Outcome::Fails(failure(event), stage(kind));
            return answer;
        }
    }
}
