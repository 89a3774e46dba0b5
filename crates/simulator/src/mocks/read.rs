//! Reading a mocks file.

use super::{By, Case, Condition, Mock, Mocks, MocksError, Reply};
use crate::objects::MemoryObjects;
use crate::simulation::{Answer, Outcome};
use stepwright_history::{Failure, Stage};
use stepwright_json::tree::{Member, Node, Value};
use stepwright_json::{Json, Str};
use stepwright_source::{Span, did_you_mean};

/// What an answer may say.
const ANSWER: [&str; 8] =
    ["return", "fail", "never", "function", "after", "heartbeat", "submitted", "worker"];

/// What stands around answers.
const AROUND: [&str; 3] = ["when", "by", "answers"];

fn wrong(span: Span, message: impl Into<String>) -> MocksError {
    MocksError { message: message.into(), span, help: None }
}

pub(super) fn mocks(root: &Node) -> (Mocks, Vec<MocksError>) {
    let mut mocks = Mocks::default();
    if !root.is_object() {
        let message = "mocks are an object: names of states and their answers";
        return (mocks, vec![wrong(root.span, message)]);
    }
    let mut errors = Vec::new();
    for member in root.members() {
        if let Err(error) = entry(member, &mut mocks) {
            errors.push(error);
        }
    }
    (mocks, errors)
}

/// Reads what stands at one key.
fn entry(member: &Member, mocks: &mut Mocks) -> Result<(), MocksError> {
    match member.key.as_str() {
        "objects" => mocks.objects = objects(&member.value)?,
        "default" => mocks.default = Some(mock(member)?),
        state => {
            if mocks.by_state.contains_key(state) {
                return Err(wrong(member.key_span, format!("`{state}` is mocked twice")));
            }
            mocks.by_state.insert(member.key.clone(), mock(member)?);
        }
    }
    Ok(())
}

fn mock(member: &Member) -> Result<Mock, MocksError> {
    let node = &member.value;
    let has_cases = node.items().iter().any(|item| item.member("when").is_some());
    let cases = if has_cases {
        let last = node.items().len() - 1;
        let cases = node.items().iter().enumerate().map(|(at, item)| {
            let case = case(item)?;
            if case.condition.is_none() && at < last {
                return Err(MocksError {
                    message: "a case without `when` answers every call, so what follows is never \
                              used"
                        .to_owned(),
                    span: item.span,
                    help: Some("put it last, or give it a `when`".to_owned()),
                });
            }
            Ok(case)
        });
        cases.collect::<Result<_, _>>()?
    } else {
        vec![case(node)?]
    };
    Ok(Mock { span: member.key_span, cases })
}

/// An answer, a list of answers, or `answers` with what counts through them.
fn case(node: &Node) -> Result<Case, MocksError> {
    let mut case = Case { condition: None, by: By::Call, answers: Vec::new(), calls: 0 };
    if let Some(when) = node.get("when") {
        let condition = Condition::read(when.to_json());
        case.condition = Some(condition.map_err(|message| wrong(when.span, message))?);
    }
    let Some(answers) = node.get("answers") else {
        if let Some(by) = node.member("by") {
            return Err(MocksError {
                message: "`by` says what counts through a list of `answers`, and there is none"
                    .to_owned(),
                span: by.key_span,
                help: Some("write `by: attempt` beside `answers: [{…}, {…}]`".to_owned()),
            });
        }
        case.answers = list(node)?;
        return Ok(case);
    };
    if let Some(extra) = node.members().iter().find(|member| !AROUND.contains(&member.key.as_str()))
    {
        return Err(unknown(extra, &AROUND, "what stands beside `answers`"));
    }
    if let Some(by) = node.get("by") {
        case.by = match by.as_str() {
            Some("call") => By::Call,
            Some("attempt") => By::Attempt,
            Some("entry") => By::Entry,
            Some("item") => By::Item,
            _ => return Err(wrong(by.span, "`by` is `call`, `attempt`, `entry` or `item`")),
        };
    }
    case.answers = list(answers)?;
    Ok(case)
}

fn list(node: &Node) -> Result<Vec<(Reply, Span)>, MocksError> {
    let answer = |node: &Node| Ok((answer(node)?, node.span));
    match &node.value {
        Value::Array(items) if items.is_empty() => {
            Err(wrong(node.span, "a list of answers needs one"))
        }
        Value::Array(items) => items.iter().map(answer).collect(),
        _ => Ok(vec![answer(node)?]),
    }
}

fn unknown(member: &Member, known: &[&str], what: &str) -> MocksError {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let help = match did_you_mean(&member.key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what} may have {}", names.join(", ")),
    };
    MocksError {
        message: format!("`{}` is not known here", member.key),
        span: member.key_span,
        help: Some(help),
    }
}

fn answer(node: &Node) -> Result<Reply, MocksError> {
    if !node.is_object() {
        return Err(wrong(
            node.span,
            "an answer is an object: `return`, `fail`, `never` or `function`",
        ));
    }
    let mut ends: Vec<&Member> = Vec::new();
    let mut outcome = None;
    let mut function = None;
    let mut answer = Answer::new(Outcome::Never);
    for member in node.members() {
        let value = &member.value;
        if ["return", "fail", "never", "function"].contains(&member.key.as_str()) {
            ends.push(member);
        }
        match member.key.as_str() {
            "when" => {}
            "return" => outcome = Some(Outcome::Returns(value.to_json())),
            "fail" => outcome = Some(Outcome::Fails(failure(value)?, Stage::Run)),
            "never" => {
                if value.as_scalar().and_then(Json::as_bool) != Some(true) {
                    return Err(wrong(value.span, "`never` is `true`, or left out"));
                }
                outcome = Some(Outcome::Never);
            }
            "function" => {
                function = Some(match value.as_scalar() {
                    Some(Json::Bool(true)) => None,
                    Some(Json::String(name)) if !name.is_empty() => Some(name.clone()),
                    _ => {
                        return Err(wrong(
                            value.span,
                            "`function` is `true`, for the function that the task calls, or the \
                             name of one",
                        ));
                    }
                });
            }
            "after" => answer.after_millis = duration_of(value)?,
            "heartbeat" => answer.heartbeat_millis = Some(duration_of(value)?),
            "submitted" => answer.submitted = Some(value.to_json()),
            "worker" => {
                let name = value.as_str().ok_or_else(|| wrong(value.span, "`worker` is a text"))?;
                answer.worker = Some(name.into());
            }
            _ => return Err(unknown(member, &ANSWER, "an answer")),
        }
    }
    if let [_, second, ..] = ends[..] {
        return Err(wrong(
            second.key_span,
            "an answer is one of `return`, `fail`, `never` and `function`",
        ));
    }
    if let Some(name) = function {
        return Ok(Reply::Function { name, after_millis: answer.after_millis });
    }
    answer.outcome = outcome.ok_or_else(|| {
        wrong(node.span, "an answer needs `return`, `fail`, `never` or `function`")
    })?;
    Ok(Reply::Answer(answer))
}

fn failure(node: &Node) -> Result<Failure, MocksError> {
    const KEYS: [&str; 2] = ["error", "cause"];
    if let Some(error) = node.as_str() {
        return Ok(Failure { error: Some(error.into()), cause: None });
    }
    if !node.is_object() {
        let message = "`fail` is an error name, or an object of `error` and `cause`";
        return Err(wrong(node.span, message));
    }
    if let Some(extra) = node.members().iter().find(|member| !KEYS.contains(&member.key.as_str())) {
        return Err(unknown(extra, &KEYS, "a failure"));
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
                None => Err(wrong(value.span, format!("`{key}` is a text"))),
            },
        }
    };
    Ok(Failure { error: text("error")?, cause: text("cause")? })
}

fn duration_of(node: &Node) -> Result<i64, MocksError> {
    let scalar = node.as_scalar();
    let millis = match scalar.and_then(Json::as_f64) {
        Some(seconds) => Some((seconds * 1_000.0) as i64),
        None => scalar.and_then(Json::as_str).and_then(stepwright_history::parse_duration),
    };
    millis.filter(|millis| *millis >= 0).ok_or_else(|| {
        wrong(node.span, "a duration is a number of seconds, or like `500ms`, `2s`, `3h`, `1d`")
    })
}

fn objects(node: &Node) -> Result<MemoryObjects, MocksError> {
    let mut store = MemoryObjects::default();
    let shape = "`objects` is an object: buckets, their keys, and the contents";
    if !node.is_object() {
        return Err(wrong(node.span, shape));
    }
    for bucket in node.members() {
        if !bucket.value.is_object() {
            return Err(wrong(bucket.value.span, shape));
        }
        for object in bucket.value.members() {
            // What is no text is taken as JSON.
            let bytes = match object.value.as_str() {
                Some(text) => text.to_owned(),
                None => object.value.to_json().to_string(),
            };
            store = store.with(&bucket.key, &object.key, bytes);
        }
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::{Limits, Syntax, tree};

    #[track_caller]
    fn refuse(text: &str, at: &str, words: &str) {
        let root = tree::parse(text, Syntax::Comments, Limits::default()).unwrap();
        let (_, mut errors) = mocks(&root);
        let error = errors.remove(0);
        let marked = &text[error.span.start as usize..error.span.end as usize];
        let said = format!("{} {}", error.message, error.help.unwrap_or_default());
        assert!(marked.starts_with(at), "marked {marked:?}");
        assert!(said.contains(words), "{said:?}");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        refuse("[]", "[", "mocks are an object");
        refuse(r#"{"A": 3}"#, "3", "an answer is an object");
        refuse(r#"{"A": {"retrun": 1}}"#, "\"retrun\"", "did you mean `return`");
        refuse(r#"{"A": {"return": 1, "fail": "X"}}"#, "\"fail\"", "one of");
        refuse(r#"{"A": {"fail": {"eror": "X"}}}"#, "\"eror\"", "did you mean `error`");
        refuse(r#"{"A": {"return": 1, "after": "soon"}}"#, "\"soon\"", "a duration is");
        refuse(r#"{"A": {"by": "attempt", "return": 1}}"#, "\"by\"", "`answers`");
        refuse(r#"{"A": {"by": "retry", "answers": []}}"#, "\"retry\"", "`attempt`");
        refuse(r#"{"A": [{"return": 1}, {"when": {}, "return": 2}]}"#, "{\"return", "put it last");
        refuse(r#"{"A": {"when": "{% ( %}", "return": 2}}"#, "\"{%", "no JSONata expression");
        refuse(r#"{"A": {"when": "$.[", "return": 2}}"#, "\"$.[", "no JSONPath");
        refuse(r#"{"A": {"return": 1}, "A": {"return": 2}}"#, "\"A\"", "twice");
        refuse(r#"{"objects": {"b": 1}}"#, "1", "buckets");
        let text = r#"{"A": 1, "B": {"return": 1}, "C": 2}"#;
        let root = tree::parse(text, Syntax::Comments, Limits::default()).unwrap();
        assert_eq!(mocks(&root).1.len(), 2, "each state's mistake is said");
    }
}
