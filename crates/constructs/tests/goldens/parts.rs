//! Compares the resources of our templates with those of the CDK's and the library's: machines,
//! roles with their trust and managed policies, policies, log groups, and what else we define.

use crate::compare::{Golden, Names, folder, read, same_statements};
use std::collections::BTreeMap;
use stepwright_constructs::{Stack, Template};
use stepwright_json::{Json, Object, json};

/// The types of resources that both sides write, and that can be compared.
const KINDS: [&str; 11] = [
    "AWS::StepFunctions::StateMachine",
    "AWS::StepFunctions::Activity",
    "AWS::IAM::Role",
    "AWS::IAM::Policy",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
];

/// The ids of what the examples define besides: clusters, projects, networks and their roles, to which
/// we refer. `RC21A1702` is a role that an example gives to a machine of its own.
const ELSEWHERE: [&str; 9] = [
    "TD",
    "Ec2Cluster",
    "ContainerExecution",
    "Project",
    "PRole",
    "PBatch",
    "ApiCloudWatch",
    "RC21A1702",
    "RDefaultPolicy0707467B",
];

/// Compares the templates of a set of goldens, of which some differ, for a reason.
/// `stack` makes the stack of a golden.
pub(crate) fn check(
    set: &str,
    goldens: &[Golden],
    stack: impl Fn(&Golden) -> Stack,
    different: &[(&str, &str)],
) {
    let Some(folder) = folder(set) else {
        println!("skipped: ../shared/goldens/{set} is not there");
        return;
    };
    let (mut same, mut differences) = (0, Vec::new());
    for golden in goldens {
        let Some(theirs) = read(&folder.join(golden.name).join("template.json")) else { continue };
        let ours = match stack(golden).machine(golden.machine.clone()).template() {
            Ok(template) => template,
            Err(misuses) => {
                differences.push(format!("{}: {misuses}", golden.name));
                continue;
            }
        };
        let found = compare(&ours, &theirs);
        let known = different.iter().any(|(name, _)| *name == golden.name);
        match (found.is_empty(), known) {
            (true, _) => same += 1,
            (false, true) => {}
            (false, false) => {
                differences.push(format!("{}: {}", golden.name, found.join("\n    ")));
            }
        }
    }
    println!("{set}: {same} of {} templates", goldens.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The differences between the resources of two templates.
pub(crate) fn compare(ours: &Template, theirs: &Json) -> Vec<String> {
    let ours = by_kind(&ours.to_json());
    let theirs = by_kind(theirs);
    let mut differences = Vec::new();
    let mut names = Names::default();
    for kind in KINDS {
        let mut left = theirs.get(kind).cloned().unwrap_or_default();
        // Those with the same id first: they may differ from others in their names only.
        let (mut here, there): (Vec<_>, Vec<_>) = ours
            .get(kind)
            .into_iter()
            .flatten()
            .partition(|(id, _)| left.iter().any(|(other, _)| other == id));
        here.extend(there);
        for (id, resource) in here {
            let found = left.iter().position(|(_, other)| {
                let mut attempt = names.clone();
                let same = same_resource(kind, resource, other, &mut attempt);
                if same {
                    names = attempt;
                }
                same
            });
            match found {
                Some(index) => drop(left.remove(index)),
                None => match left.iter().position(|(other, _)| other == id) {
                    Some(index) => {
                        let (_, other) = left.remove(index);
                        let why = names.clone().same(resource, &other, "");
                        differences.push(format!("{kind} {id}{}", why.err().unwrap_or_default()));
                    }
                    None => differences.push(format!("{kind} {id} is too much: {resource}")),
                },
            }
        }
        left.retain(|(id, _)| !ELSEWHERE.iter().any(|prefix| id.starts_with(prefix)));
        for (id, resource) in left {
            differences.push(format!("{kind} {id} is missing: {resource}"));
        }
    }
    differences
}

fn same_resource(kind: &str, ours: &Json, theirs: &Json, names: &mut Names) -> bool {
    if kind != "AWS::IAM::Policy" {
        return names.same(ours, theirs, "").is_ok();
    }
    // The statements of a policy have no order.
    let statements = |resource: &Json| {
        let document = resource.get("Properties").and_then(|all| all.get("PolicyDocument"));
        let list = document.and_then(|it| it.get("Statement")).and_then(Json::as_array);
        list.map(|list| list.to_vec()).unwrap_or_default()
    };
    same_statements(statements(ours), statements(theirs), names).is_ok()
}

/// The resources by type, with their ids. Intrinsic functions are written as text.
fn by_kind(template: &Json) -> BTreeMap<String, Vec<(String, Json)>> {
    let mut kinds: BTreeMap<String, Vec<(String, Json)>> = BTreeMap::new();
    let resources = template.get("Resources").and_then(Json::as_object).cloned();
    for (id, resource) in resources.unwrap_or_default().iter() {
        let kind = resource.get("Type").and_then(Json::as_str).unwrap_or_default().to_owned();
        let mut properties =
            resource.get("Properties").and_then(Json::as_object).cloned().unwrap_or_default();
        // The definition is compared by itself.
        properties.remove("DefinitionString");
        let properties: Object =
            properties.iter().map(|(key, value)| (key.clone(), readable(value))).collect();
        let deletion = resource.get("DeletionPolicy").cloned().unwrap_or_default();
        let body = json!({"Properties": (Json::from(properties)), "Deletion": deletion});
        kinds.entry(kind).or_default().push((id.to_string(), body));
    }
    kinds
}

fn readable(json: &Json) -> Json {
    if let Some(items) = json.as_array() {
        return items.iter().map(readable).collect::<Vec<_>>().into();
    }
    let Some(members) = json.as_object() else { return json.clone() };
    if members.len() == 1
        && let Some((key, value)) = members.iter().next()
        && let Some(text) = intrinsic(key.as_ref(), value)
    {
        return text.into();
    }
    members.iter().map(|(key, value)| (key.clone(), readable(value))).collect::<Object>().into()
}

fn intrinsic(name: &str, value: &Json) -> Option<String> {
    let list = |index: usize| value.as_array().and_then(|list| list.get(index));
    let text = |json: &Json| match readable(json) {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    };
    Some(match name {
        "Ref" if value.as_str() == Some("AWS::Partition") => "aws".to_owned(),
        "Ref" => format!("${{{}}}", value.as_str()?),
        "Fn::GetAtt" => format!("${{{}.{}}}", list(0)?.as_str()?, list(1)?.as_str()?),
        "Fn::Join" => {
            list(1)?.as_array()?.iter().map(text).collect::<Vec<_>>().join(list(0)?.as_str()?)
        }
        "Fn::Select" | "Fn::Split" | "Fn::Sub" => format!("${{{name} {}}}", readable(value)),
        _ => return None,
    })
}
