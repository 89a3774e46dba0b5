//! Compares definitions ignoring the order of keys, policies as sets of statements, and `${…}`
//! placeholders by what they stand for, whatever their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stepwright_constructs::{Chainable, StateMachine};
use stepwright_json::Json;

/// Our counterpart of an example: the example's folder, and the state machine.
pub(crate) struct Golden {
    pub(crate) name: &'static str,
    pub(crate) machine: StateMachine,
}

/// The counterpart of an example that consists of one machine around a chain.
pub(crate) fn golden(name: &'static str, chain: impl Chainable) -> Golden {
    Golden { name, machine: StateMachine::new("StateMachine", chain) }
}

/// The folder of a set of goldens, if it is available.
pub(crate) fn folder(set: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut above: Option<&Path> = Some(&workspace);
    while let Some(folder) = above {
        let found = folder.join("../shared/goldens").join(set);
        if found.is_dir() {
            return Some(found);
        }
        above = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    }
    None
}

pub(crate) fn read(path: &Path) -> Option<Json> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(stepwright_json::parse(&text).expect("goldens are JSON"))
}

/// Checks that every golden has a counterpart, and that they are the same.
pub(crate) fn check_all(set: &str, goldens: Vec<Golden>) {
    let Some(folder) = folder(set) else {
        println!("skipped: ../shared/goldens/{set} is not there");
        return;
    };
    let mut missing: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder can be read")
        .flatten()
        .filter(|entry| entry.path().join("definition.asl.json").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    missing.sort();
    let total = missing.len();
    let (mut definitions, mut policies, mut failures) = (0, 0, Vec::new());
    for golden in goldens {
        let before = missing.len();
        missing.retain(|name| name != golden.name);
        assert!(missing.len() < before, "{} is a golden with one twin", golden.name);
        let folder = folder.join(golden.name);
        match compare(&folder, &golden.machine) {
            (Ok(()), Ok(())) => (definitions, policies) = (definitions + 1, policies + 1),
            (definition, policy) => {
                definitions += usize::from(definition.is_ok());
                policies += usize::from(policy.is_ok());
                for difference in [definition.err(), policy.err()].into_iter().flatten() {
                    failures.push(format!("{}: {difference}", golden.name));
                }
            }
        }
    }
    println!("{set}: {definitions} of {total} definitions, {policies} of {total} policies");
    for failure in &failures {
        println!("  {failure}");
    }
    assert!(missing.is_empty(), "no twin of {missing:?}");
    assert!(failures.is_empty(), "{} differences", failures.len());
}

type Comparison = (Result<(), String>, Result<(), String>);

fn compare(folder: &Path, machine: &StateMachine) -> Comparison {
    compare_files(&folder.join("definition.asl.json"), &folder.join("policy.json"), machine)
}

/// Compares a state machine with a definition and a policy.
pub(crate) fn compare_files(
    definition: &Path,
    policy: &Path,
    machine: &StateMachine,
) -> Comparison {
    let folder = definition.parent().unwrap_or(definition);
    let mut expected = read(definition).expect("a definition");
    if folder.ends_with("lambda-function-fragment-plain") {
        expected = named_state(&expected);
    }
    let expected_policy = read(policy).expect("a policy");
    let mut names = Names::default();
    let definition = match machine.asl() {
        Ok(actual) => names.same(&actual, &expected, ""),
        Err(misuses) => Err(misuses.to_string()),
    };
    let policy = machine.policy().map_err(|misuses| misuses.to_string()).and_then(|statements| {
        let place = !PLACED.iter().any(|name| folder.ends_with(name));
        let actual: Vec<Json> = statements
            .iter()
            .map(|statement| if place { statement.to_json() } else { placed(&statement.to_json()) })
            .collect();
        let list =
            |value: Option<&Json>| value.and_then(Json::as_array).cloned().unwrap_or_default();
        let mut expected = list(expected_policy.get("statements")).to_vec();
        for inline in &list(expected_policy.get("inline")) {
            let document = inline.get("PolicyDocument");
            expected.extend(list(document.and_then(|document| document.get("Statement"))).to_vec());
        }
        same_sets(actual, expected, &mut names)
    });
    (definition, policy)
}

/// The library uses a CloudFormation placeholder in the name of a state, which makes the name too
/// long and unpredictable. Our state has the function's name instead.
fn named_state(definition: &Json) -> Json {
    let token = "${Select:6:'${Split:::arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:my-function}'}";
    let text = definition.to_string().replace(token, "my-function");
    stepwright_json::parse(&text).expect("still JSON")
}

/// Examples that were made for a specific account and region.
const PLACED: [&str; 2] = ["002-12-ecs-ec2", "002-13-ecs-fargate"];

fn placed(statement: &Json) -> Json {
    let text = statement.to_string();
    let text =
        text.replace("${AWS::Region}", "us-east-1").replace("${AWS::AccountId}", "123456789012");
    stepwright_json::parse(&text).expect("still JSON")
}

/// Compares statements as sets, because they have no order.
pub(crate) fn same_statements(
    actual: Vec<Json>,
    expected: Vec<Json>,
    names: &mut Names,
) -> Result<(), String> {
    same_sets(actual, expected, names)
}

fn same_sets(actual: Vec<Json>, mut expected: Vec<Json>, names: &mut Names) -> Result<(), String> {
    let mut seen: Vec<Json> = Vec::new();
    expected.retain(|statement| {
        let is_new = !seen.contains(statement);
        seen.push(statement.clone());
        is_new
    });
    let mut extra = Vec::new();
    for statement in actual {
        let found = expected.iter().position(|wanted| {
            let mut attempt = names.clone();
            let same = attempt.same(&sorted(&statement), &sorted(wanted), "").is_ok();
            if same {
                *names = attempt;
            }
            same
        });
        match found {
            Some(position) => drop(expected.remove(position)),
            None => extra.push(statement),
        }
    }
    if extra.is_empty() && expected.is_empty() {
        return Ok(());
    }
    let list = |statements: &[Json]| {
        statements.iter().map(Json::to_string).collect::<Vec<_>>().join("\n      ")
    };
    Err(format!("policy\n    extra   {}\n    missing {}", list(&extra), list(&expected)))
}

/// Sorts the lists in a statement, which have no order either.
fn sorted(statement: &Json) -> Json {
    match statement {
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let mut value = value.clone();
                if let Json::Array(items) = &value {
                    let mut items = items.to_vec();
                    items.sort_by_key(Json::to_string);
                    value = items.into();
                }
                (key.clone(), value)
            })
            .collect::<stepwright_json::Object>()
            .into(),
        other => other.clone(),
    }
}

/// Maps our names to theirs. No two of our names stand for the same one.
#[derive(Clone, Default)]
pub(crate) struct Names {
    ours: BTreeMap<String, String>,
    theirs: BTreeMap<String, String>,
}

impl Names {
    pub(crate) fn same(&mut self, actual: &Json, expected: &Json, at: &str) -> Result<(), String> {
        match (actual, expected) {
            (Json::Object(a), Json::Object(b)) => {
                for (key, value) in b.iter() {
                    match a.get(key) {
                        Some(ours) => self.same(ours, value, &format!("{at}/{key}"))?,
                        None => return Err(format!("{at}/{key} is missing: {value}")),
                    }
                }
                match a.iter().find(|(key, _)| !b.contains_key(key)) {
                    Some((key, value)) => Err(format!("{at}/{key} is too much: {value}")),
                    None => Ok(()),
                }
            }
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                    self.same(a, b, &format!("{at}/{index}"))?;
                }
                Ok(())
            }
            (Json::String(a), Json::String(b)) if self.same_text(a, b) => Ok(()),
            (a, b) if a.same(b) => Ok(()),
            (a, b) => Err(format!("{at}: {a}, expected {b}")),
        }
    }

    fn same_text(&mut self, actual: &str, expected: &str) -> bool {
        let (ours, theirs) = (parts(actual), parts(expected));
        if ours.len() != theirs.len() {
            return false;
        }
        ours.into_iter().zip(theirs).all(|(a, b)| match (a, b) {
            (Part::Text(a), Part::Text(b)) => a == b,
            (Part::Name(a), Part::Name(b)) => {
                *self.ours.entry(a.to_owned()).or_insert_with(|| b.to_owned()) == b
                    && *self.theirs.entry(b.to_owned()).or_insert_with(|| a.to_owned()) == a
            }
            _ => false,
        })
    }
}

enum Part<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// Splits a text at its `${…}` placeholders.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let mut depth = 0;
        let end = rest[start..].char_indices().find_map(|(at, character)| {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (character == '}' && depth == 0).then_some(start + at + 1)
        });
        let Some(end) = end else { break };
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        parts.push(Part::Name(&rest[start..end]));
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}
