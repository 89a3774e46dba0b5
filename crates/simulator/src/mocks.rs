use crate::objects::MemoryObjects;
use crate::simulation::{Answer, Call, Outcome, Tasks};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use stepwright_history::{Failure, Stage};
use stepwright_json::tree::{Node, Value};
use stepwright_json::{Json, Str};
use stepwright_source::Span;

/// Answers to tasks, as a mocks file gives them: by the name of the state, attempt by attempt.
#[derive(Clone, Debug, Default)]
pub struct Mocks {
    answers: BTreeMap<Str, Vec<Answer>>,
    default: Option<Vec<Answer>>,
    /// The object store of `objects:`.
    pub objects: MemoryObjects,
    used: FxHashMap<Str, u32>,
    unmocked: Vec<Str>,
}

/// A mocks file says something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MocksError {
    /// What.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl std::fmt::Display for MocksError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MocksError {}

fn wrong(node: &Node, message: impl Into<String>) -> MocksError {
    MocksError { message: message.into(), span: node.span }
}

impl Mocks {
    /// Reads the tree of a mocks file.
    pub fn parse(root: &Node) -> Result<Self, MocksError> {
        if !root.is_object() {
            return Err(wrong(root, "a mocks file is an object: state names and their answers"));
        }
        let mut mocks = Self::default();
        for member in root.members() {
            match member.key.as_str() {
                "objects" => mocks.objects = objects(&member.value)?,
                "default" => mocks.default = Some(answers(&member.value)?),
                _ => {
                    mocks.answers.insert(member.key.clone(), answers(&member.value)?);
                }
            }
        }
        Ok(mocks)
    }

    /// The states that are mocked, in order of their names.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.answers.keys().map(Str::as_str)
    }

    /// The mocks that no task asked for.
    pub fn unused(&self) -> Vec<&str> {
        self.states().filter(|state| !self.used.contains_key(*state)).collect()
    }

    /// The states whose tasks had no mock, in the order they asked.
    pub fn unmocked(&self) -> &[Str] {
        &self.unmocked
    }

    /// Whether there is an answer for a state.
    pub fn has(&self, state: &str) -> bool {
        self.answers.contains_key(state) || self.default.is_some()
    }
}

impl Tasks for Mocks {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let state = &call.call.state;
        let Some(answers) = self.answers.get(state).or(self.default.as_ref()) else {
            self.unmocked.push(state.clone());
            return Answer::fails(
                "Stepwright.NoMock",
                format!("no mock answers the state '{state}' (it calls {})", call.call.resource),
            );
        };
        let calls = self.used.entry(state.clone()).or_insert(0);
        let at = (*calls as usize).min(answers.len().saturating_sub(1));
        *calls += 1;
        answers[at].clone()
    }
}

fn answers(node: &Node) -> Result<Vec<Answer>, MocksError> {
    match &node.value {
        Value::Array(items) if items.is_empty() => Err(wrong(node, "a list of answers needs one")),
        Value::Array(items) => items.iter().map(answer).collect(),
        _ => Ok(vec![answer(node)?]),
    }
}

fn answer(node: &Node) -> Result<Answer, MocksError> {
    if !node.is_object() {
        return Err(wrong(node, "an answer is an object: `return`, `fail` or `never`"));
    }
    let mut outcome = None;
    let mut answer = Answer::new(Outcome::Never);
    for member in node.members() {
        let value = &member.value;
        let ends = |outcome: &Option<Outcome>| match outcome {
            None => Ok(()),
            Some(_) => Err(wrong(value, "an answer is one of `return`, `fail` and `never`")),
        };
        match member.key.as_str() {
            "return" => {
                ends(&outcome)?;
                outcome = Some(Outcome::Returns(value.to_json()));
            }
            "fail" => {
                ends(&outcome)?;
                outcome = Some(Outcome::Fails(failure(value)?, Stage::Run));
            }
            "never" => {
                ends(&outcome)?;
                outcome = Some(Outcome::Never);
            }
            "after" => answer.after_millis = duration_of(value)?,
            "heartbeat" => answer.heartbeat_millis = Some(duration_of(value)?),
            "submitted" => answer.submitted = Some(value.to_json()),
            "worker" => answer.worker = value.as_str().map(Str::from),
            other => {
                return Err(MocksError {
                    message: format!(
                        "an answer has no `{other}`; it has `return`, `fail`, `never`, `after`, \
                         `heartbeat`, `submitted` and `worker`"
                    ),
                    span: member.key_span,
                });
            }
        }
    }
    answer.outcome =
        outcome.ok_or_else(|| wrong(node, "an answer needs `return`, `fail` or `never`"))?;
    Ok(answer)
}

fn failure(node: &Node) -> Result<Failure, MocksError> {
    if let Some(error) = node.as_str() {
        return Ok(Failure { error: Some(error.into()), cause: None });
    }
    let text = |key: &str| -> Result<Option<Str>, MocksError> {
        match node.get(key) {
            None => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) => Ok(Some(text.into())),
                // A cause given as an object stands for its JSON text.
                None if !matches!(value.value, Value::Scalar(_)) => {
                    Ok(Some(value.to_json().to_string().into()))
                }
                None => Err(wrong(value, format!("`{key}` is a text"))),
            },
        }
    };
    if !node.is_object() {
        return Err(wrong(node, "`fail` is an error name, or an object of `error` and `cause`"));
    }
    Ok(Failure { error: text("error")?, cause: text("cause")? })
}

fn duration_of(node: &Node) -> Result<i64, MocksError> {
    let scalar = node.as_scalar();
    if let Some(seconds) = scalar.and_then(Json::as_f64) {
        return Ok((seconds * 1_000.0) as i64);
    }
    scalar.and_then(Json::as_str).and_then(crate::timeline::parse_duration).ok_or_else(|| {
        wrong(node, "a duration is a number of seconds, or like `500ms`, `2s`, `3h`")
    })
}

fn objects(node: &Node) -> Result<MemoryObjects, MocksError> {
    let mut store = MemoryObjects::default();
    for bucket in node.members() {
        for object in bucket.value.members() {
            // What is no text is taken as JSON.
            let bytes = match object.value.as_str() {
                Some(text) => text.to_owned(),
                None => object.value.to_json().to_string(),
            };
            store = store.with(&bucket.key, &object.key, bytes);
        }
    }
    if !node.is_object() {
        return Err(wrong(node, "`objects` is an object: buckets, their keys, and the contents"));
    }
    Ok(store)
}
