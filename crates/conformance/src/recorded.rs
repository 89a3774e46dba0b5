//! Small definitions with one input each, and what AWS answered to them in 2026.

use crate::Verdict;
use crate::case;
use crate::executions::ending;
use regex::Regex;
use std::path::Path;
use stepwright_asl::Definition;
use stepwright_history::Identity;
use stepwright_json::{Json, Object, Str};
use stepwright_program::{CheckOptions, check_with, compile};
use stepwright_simulator::{Answer, Call, MemoryObjects, MockCase, MockConfig, Simulation};

/// Runs every recorded answer, and what the suite's author only noted.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let mut verdicts = Vec::new();
    for file in case::load(data, "conformance/recorded")? {
        for (at, row) in file.json.as_array().into_iter().flat_map(|rows| rows.iter()).enumerate() {
            let is_note = row.get("basis").and_then(Json::as_str) == Some("note");
            let kind = if is_note { "noted" } else { "recorded" };
            let mut verdict = Verdict::new(kind, format!("{}#{at}", file.file));
            row.get("id").and_then(Json::as_str).unwrap_or_default().clone_into(&mut verdict.name);
            judge(&mut verdict, row);
            verdicts.push(verdict);
        }
    }
    Ok(verdicts)
}

fn judge(verdict: &mut Verdict, row: &Json) {
    let expected = row.get("expected").cloned().unwrap_or_default();
    let field = |key: &str| expected.get(key);
    let found = complaints(&row.get("definition").cloned().unwrap_or_default());
    if field("create_error").is_some() {
        let refused = if found.is_err() { Ok(()) } else { Err("it is accepted".to_owned()) };
        verdict.measure("refusal", refused);
        if let Some(wanted) = field("message").and_then(Json::as_str) {
            let messages = found.err().map(|messages| messages.join("; ")).unwrap_or_default();
            verdict.measure("message", same(wanted, &messages));
        }
        return;
    }
    let program = match found {
        Ok(definition) => compile(&definition).expect("a definition without errors compiles"),
        Err(messages) => {
            let why = format!("it is refused: {}", messages.join("; "));
            verdict.measure("status", Err(why));
            return;
        }
    };
    let mut answers = mocks(row.get("mocks"));
    let run = Simulation::new(&program)
        .input(row.get("input").cloned().unwrap_or_default())
        .identity(identity())
        .objects(objects(row.get("objects")))
        .run(&mut |call: &Call<'_>| {
            let of_case = answers.as_mut().and_then(|answers| answers.answer(call));
            let missing = "nothing was recorded for this call";
            of_case.unwrap_or_else(|| Answer::fails("Stepwright.NoRecording", missing))
        });
    let (output, error, cause) = ending(&run.status);
    let status = run.status.name();
    let wanted = field("status").and_then(Json::as_str).unwrap_or_default();
    verdict.measure(
        "status",
        if wanted == status {
            Ok(())
        } else {
            Err(format!("expected {wanted}, got {status}: {output} {error} {cause}"))
        },
    );
    if let Some(wanted) = field("output") {
        let any_order = [row.get("any_order"), field("any_order")].into_iter().flatten();
        let any_order = any_order.into_iter().any(|value| value.as_bool() == Some(true));
        let fits = fits(wanted, &output, any_order);
        let difference = || format!("expected {wanted}, got {output}");
        verdict.measure("output", if fits { Ok(()) } else { Err(difference()) });
    }
    if let Some(wanted) = field("error").and_then(Json::as_str) {
        verdict.measure("error", same(wanted, error.as_str().unwrap_or_default()));
    }
    if let Some(wanted) = field("cause").and_then(Json::as_str) {
        let is_built = row.get("cause_is").or(field("cause_is")).is_some();
        let measure = if is_built { "cause, built" } else { "cause" };
        verdict.measure(measure, same(wanted, cause.as_str().unwrap_or_default()));
    }
}

/// The definition, or what AWS would say is wrong with it.
fn complaints(definition: &Json) -> Result<Definition, Vec<String>> {
    let definition = Definition::from_api(&definition.to_string())
        .map_err(|diagnostic| vec![diagnostic.message.clone()])?;
    let options = CheckOptions { express: false, deployed: true };
    let errors: Vec<_> = check_with(&definition, &options)
        .into_iter()
        .filter(stepwright_source::Diagnostic::is_error)
        .map(|diagnostic| diagnostic.message)
        .collect();
    if errors.is_empty() { Ok(definition) } else { Err(errors) }
}

fn identity() -> Identity {
    let arn = |kind: &str, rest: &str| {
        format!("arn:aws:states:us-east-1:111111111111:{kind}:{rest}").into()
    };
    let name = "0f6d4a1e-3c55-4d0e-9d7a-5a1c0b6e2f10";
    Identity {
        execution_arn: arn("execution", &format!("recorded:{name}")),
        name: name.into(),
        role_arn: "arn:aws:iam::111111111111:role/test-role".into(),
        state_machine_arn: arn("stateMachine", "recorded"),
        state_machine_name: "recorded".into(),
        region: "us-east-1".into(),
    }
}

/// Answers by state, one after the other, as a mock file of Step Functions Local has them.
fn mocks(mocks: Option<&Json>) -> Option<MockCase> {
    let (mut states, mut responses) = (Object::new(), Object::new());
    for (state, answers) in mocks?.as_object()?.iter() {
        states.insert(state.clone(), Json::String(state.clone()));
        let numbered: Object = answers
            .as_array()?
            .iter()
            .enumerate()
            .map(|(at, answer)| (Str::from(at.to_string()), answer.clone()))
            .collect();
        responses.insert(state.clone(), numbered.into());
    }
    let within = |key: &str, value: Object| {
        let mut object = Object::new();
        object.insert(key, value.into());
        object
    };
    let machine = within("recorded", within("TestCases", within("case", states)));
    let mut file = within("StateMachines", machine);
    file.insert("MockedResponses", responses.into());
    MockConfig::read(&file.into()).ok()?.case("recorded", "case")
}

fn objects(buckets: Option<&Json>) -> MemoryObjects {
    let mut objects = MemoryObjects::default();
    for (bucket, keys) in buckets.and_then(Json::as_object).into_iter().flat_map(Object::iter) {
        for (key, text) in keys.as_object().into_iter().flat_map(Object::iter) {
            objects = objects.with(bucket, key, text.as_str().unwrap_or_default());
        }
    }
    objects
}

fn same(wanted: &str, found: &str) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("expected {wanted:?}, got {found:?}")) }
}

/// Whether a value is what is expected: `{"$re": R}` is any text that matches, `{"$range": [a, b]}`
/// a number from `a` below `b`, and `{"$number": true}` any number.
fn fits(wanted: &Json, found: &Json, any_order: bool) -> bool {
    match (wanted, found) {
        (Json::Object(members), _) if members.len() == 1 && members.keys().any(is_pattern) => {
            let (pattern, argument) = members.iter().next().expect("it has one member");
            fits_pattern(pattern, argument, found)
        }
        (Json::Object(wanted), Json::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, wanted)| {
                    found.get(key).is_some_and(|found| fits(wanted, found, any_order))
                })
        }
        (Json::Array(wanted), Json::Array(found)) if any_order => {
            let mut left: Vec<&Json> = found.iter().collect();
            wanted.len() == found.len()
                && wanted.iter().all(|wanted| {
                    let at = left.iter().position(|found| fits(wanted, found, true));
                    at.map(|at| left.swap_remove(at)).is_some()
                })
        }
        (Json::Array(wanted), Json::Array(found)) => {
            let mut pairs = wanted.iter().zip(found.iter());
            wanted.len() == found.len() && pairs.all(|(wanted, found)| fits(wanted, found, false))
        }
        (wanted, found) => wanted.same(found),
    }
}

fn is_pattern(key: &Str) -> bool {
    ["$re", "$range", "$number"].contains(&key.as_str())
}

fn fits_pattern(pattern: &str, argument: &Json, found: &Json) -> bool {
    match pattern {
        "$re" => {
            let pattern = argument.as_str().and_then(|pattern| Regex::new(pattern).ok());
            pattern.zip(found.as_str()).is_some_and(|(pattern, text)| pattern.is_match(text))
        }
        "$range" => {
            let bound = |at: usize| argument.at(at).and_then(Json::as_f64);
            bound(0).zip(bound(1)).zip(found.as_f64()).is_some_and(|((from, below), number)| {
                found.is_number() && from <= number && number < below
            })
        }
        _ => found.is_number(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, found: &str, any_order: bool, expected: bool) {
        let [wanted, found] =
            [wanted, found].map(|text| stepwright_json::parse(text).expect("the text is JSON"));
        assert_eq!(fits(&wanted, &found, any_order), expected, "{wanted} and {found}");
    }

    #[test]
    fn patterns_stand_for_values() {
        check(r#"{"v":{"$re":"^a+$"}}"#, r#"{"v":"aa"}"#, false, true);
        check(r#"{"v":{"$re":"^a+$"}}"#, r#"{"v":"ab"}"#, false, false);
        check(r#"{"v":{"$re":""}}"#, r#"{"v":1}"#, false, false);
        check(r#"{"$range":[1,10]}"#, "9.5", false, true);
        check(r#"{"$range":[1,10]}"#, "10", false, false);
        check(r#"{"$number":true}"#, "1e3", false, true);
        check(r#"{"$number":true}"#, r#""1""#, false, false);
    }

    #[test]
    fn order_counts_unless_the_case_says_otherwise() {
        check("[1,2,2]", "[2,1,2]", false, false);
        check("[1,2,2]", "[2,1,2]", true, true);
        check("[1,2,2]", "[2,1,1]", true, false);
        check("[1.0]", "[1]", false, true);
        check(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, false, true);
    }
}
