//! What AWS and others say of definitions.

use crate::Verdict;
use crate::case::{self, Case};
use std::path::Path;
use stepwright_asl::{Definition, LoadOptions, load};
use stepwright_json::Json;
use stepwright_program::{CheckOptions, aws_message, check_with};
use stepwright_source::Diagnostic;

/// Runs the recorded calls and the collected verdicts.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let mut verdicts = Vec::new();
    for case in case::load(data, "conformance/asl/cases")? {
        match case.text("kind") {
            "validation" => verdicts.extend(recorded(&case.file, &case.json)),
            "validation_rows" => {
                let rows = case.list("rows");
                verdicts.extend(
                    rows.iter()
                        .enumerate()
                        .filter_map(|(at, row)| recorded(&format!("{}#{at}", case.file), row)),
                );
            }
            _ => {}
        }
    }
    verdicts.extend(case::load(data, "conformance/validation")?.iter().map(collected));
    Ok(verdicts)
}

fn text<'j>(case: &'j Json, key: &str) -> Option<&'j str> {
    case.get(key).and_then(Json::as_str)
}

fn errors(definition: &Definition, options: CheckOptions) -> Vec<Diagnostic> {
    check_with(definition, &options).into_iter().filter(Diagnostic::is_error).collect()
}

fn shown(errors: &[Diagnostic]) -> Vec<String> {
    errors
        .iter()
        .map(|error| {
            let at = error.location.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
            format!("{}: {}{at}", error.code, error.message)
        })
        .collect()
}

fn verdict_is(found: &[Diagnostic], accepted: bool) -> Result<(), String> {
    if found.is_empty() == accepted {
        Ok(())
    } else {
        Err(format!("accepted is {accepted}: {:?}", shown(found)))
    }
}

/// A call of the API. `None` where it was refused for something besides the definition.
fn recorded(name: &str, case: &Json) -> Option<Verdict> {
    let expected = case.get("expected")?;
    let error = expected.get("error");
    let code = error.and_then(|error| text(error, "code"));
    if code.is_some_and(|code| code != "InvalidDefinition") {
        return None;
    }
    let definition = match text(case, "definition_text") {
        Some(text) => text.to_owned(),
        None => case.get("definition")?.to_string(),
    };
    let express = text(case, "type") == Some("EXPRESS");
    let found = match Definition::from_api(&definition) {
        Ok(definition) => errors(&definition, CheckOptions { express, deployed: true }),
        Err(diagnostic) => vec![*diagnostic],
    };
    let mut verdict = Verdict::new("validation", name);
    let accepted = expected.get("accepted").and_then(Json::as_bool).unwrap_or_default();
    verdict.measure("recorded", verdict_is(&found, accepted));
    if let Some(wanted) = error.and_then(|error| text(error, "message")) {
        // Where the recording holds an emulator's own exception there is no message of AWS's.
        if !wanted.starts_with("Error=ValueError") {
            let message = aws_message(&found).unwrap_or_default();
            let same = message == wanted;
            verdict.measure(
                "message",
                if same { Ok(()) } else { Err(format!("expected {wanted:?}, got {message:?}")) },
            );
        }
    }
    Some(verdict)
}

/// A definition with the verdict of AWS, as recorded or measured, or of a validator's fixture.
fn collected(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("validation", case.file.clone());
    case.text("name").clone_into(&mut verdict.name);
    let found = judge(case);
    let valid = case.get("valid").as_bool().unwrap_or_default();
    let agreed = verdict_is(&found, valid);
    let source = case.get("source");
    let (measure, has_messages) = match text(&source, "tier") {
        Some("aws-recorded") => ("recorded", true),
        Some("validator-fixture") => ("fixtures", false),
        _ => ("measured", true),
    };
    verdict.measure(measure, agreed);
    if has_messages {
        let wanted = case.list("messages");
        let wanted: Vec<&str> = wanted.iter().filter_map(Json::as_str).collect();
        let found = shown(&found);
        // Some were noted down without their place.
        let same = |found: &str, wanted: &str| {
            found == wanted || (!wanted.contains(" at /") && found.starts_with(wanted))
        };
        let right = found.len() == wanted.len()
            && found.iter().zip(&wanted).all(|(found, wanted)| same(found, wanted));
        verdict.measure(
            "message",
            if right { Ok(()) } else { Err(format!("expected {wanted:?}, got {found:?}")) },
        );
    }
    verdict
}

fn judge(case: &Case) -> Vec<Diagnostic> {
    let substitutions = case.get("definition_substitutions");
    let values = substitutions
        .as_object()
        .map(|all| {
            let spelled = |value: &Json| match value {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            all.iter().map(|(key, value)| (key.to_string(), spelled(value))).collect()
        })
        .unwrap_or_default();
    let (file, source) = match (case.text("definition_yaml"), case.text("definition_text")) {
        ("", "") => ("case.asl.json", case.get("definition").to_string()),
        ("", text) => ("case.asl.json", text.to_owned()),
        (yaml, _) => ("case.asl.yaml", yaml.to_owned()),
    };
    let options = LoadOptions { file, values: Some(&values), ..LoadOptions::default() };
    let loaded = load(source.as_bytes(), &options);
    let mut found: Vec<Diagnostic> = loaded
        .complaints
        .iter()
        .map(|complaint| complaint.diagnostic.clone())
        .filter(Diagnostic::is_error)
        .collect();
    let express = case.text("type") == "EXPRESS";
    for named in &loaded.definitions {
        found.extend(errors(&named.definition, CheckOptions { express, deployed: false }));
    }
    found
}
