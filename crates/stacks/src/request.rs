//! The properties of a resource as the parameters of an operation.
//!
//! CloudFormation writes members with a capital letter, numbers as texts where it likes, and documents
//! as objects. The model of the operation tells what is wanted.

use stepwright_aws::shapes::{Kind, Reference, Structure};
use stepwright_aws::table::{Operation, Service};
use stepwright_json::{Json, Object};

/// The parameters of an operation from properties, and the names of those properties that it does not
/// have. `takes` lists the parameters that the operation has here.
pub(crate) fn parameters(
    service: &Service,
    operation: &Operation,
    properties: &Json,
    takes: &[&str],
) -> (Object, Vec<String>) {
    let (mut parameters, mut foreign) = (Object::new(), Vec::new());
    let Some(structure) = service.structure(operation.input.as_ref()) else {
        return (parameters, foreign);
    };
    for (name, value) in properties.as_object().into_iter().flat_map(Object::iter) {
        match member(structure, name).filter(|member| takes.contains(&member.name.as_str())) {
            Some(member) => {
                let value = shaped(service, &member.reference, value, name, &mut foreign);
                parameters.insert(member.name.clone(), value);
            }
            None => foreign.push(name.to_string()),
        }
    }
    (parameters, foreign)
}

/// The member with this name, whatever the case of its first letter.
fn member<'s>(structure: &'s Structure, name: &str) -> Option<&'s stepwright_aws::shapes::Member> {
    structure.members.iter().find(|member| member.name.eq_ignore_ascii_case(name))
}

/// A value as its shape wants it. `path` names it for those members that the shape does not have.
fn shaped(
    service: &Service,
    reference: &Reference,
    value: &Json,
    path: &str,
    foreign: &mut Vec<String>,
) -> Json {
    match &service.shape(reference).kind {
        Kind::Structure(structure) => {
            let mut shaped_members = Object::new();
            for (name, value) in value.as_object().into_iter().flat_map(Object::iter) {
                let path = format!("{path}.{name}");
                match member(structure, name) {
                    Some(member) => {
                        let value = shaped(service, &member.reference, value, &path, foreign);
                        shaped_members.insert(member.name.clone(), value);
                    }
                    None => foreign.push(path),
                }
            }
            shaped_members.into()
        }
        Kind::List(item) => match value {
            Json::Array(items) => {
                let items = items.iter().map(|one| shaped(service, item, one, path, foreign));
                items.collect::<Vec<_>>().into()
            }
            // Tags may be an object where the operation wants a list of keys and values.
            Json::Object(entries) => {
                let pairs = entries.iter().map(|(key, value)| {
                    let pair = [("Key", Json::from(key.clone())), ("Value", value.clone())];
                    let pair = Json::Object(pair.into_iter().collect());
                    shaped(service, item, &pair, path, foreign)
                });
                pairs.collect::<Vec<_>>().into()
            }
            // One text stands for a list of one.
            one => vec![shaped(service, item, one, path, foreign)].into(),
        },
        Kind::Map(_, item) => {
            let entry = |(key, value): (stepwright_json::Str, &Json)| {
                (key, shaped(service, item, value, path, foreign))
            };
            pairs(value).into_iter().map(entry).collect::<Object>().into()
        }
        Kind::String { .. } => text(value).into(),
        Kind::Boolean => match value.as_str() {
            Some(text) => (text.eq_ignore_ascii_case("true")).into(),
            None => value.clone(),
        },
        Kind::Integer | Kind::Long | Kind::Float | Kind::Double => {
            let number = value.as_str().and_then(|text| stepwright_json::parse(text.trim()).ok());
            number.filter(|number| number.as_f64().is_some()).unwrap_or_else(|| value.clone())
        }
        Kind::Timestamp | Kind::Blob | Kind::Document => value.clone(),
    }
}

/// The entries of a map, which may be written as a list of keys and values.
pub(crate) fn pairs(value: &Json) -> Vec<(stepwright_json::Str, &Json)> {
    match value {
        Json::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Json::Array(items) => {
            let pair = |item: &'_ Json| Some(item.get("Key")?.as_str()?.to_owned());
            let pairs = items.iter().filter_map(|item| Some((pair(item)?, item.get("Value")?)));
            pairs.map(|(key, value)| (key.as_str().into(), value)).collect()
        }
        _ => Vec::new(),
    }
}

/// A value as text: documents as JSON.
pub(crate) fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The tags of a resource as a list of keys and values; `CloudFormation` has them as a list or an object.
pub(crate) fn tags(properties: &Json) -> Option<Json> {
    let tags = properties.get("Tags")?;
    let tags = pairs(tags).into_iter().map(|(key, value)| {
        let pair = [("Key", Json::from(key)), ("Value", Json::from(text(value)))];
        Json::Object(pair.into_iter().collect())
    });
    Some(tags.collect::<Vec<_>>().into())
        .filter(|tags: &Json| tags.as_array().is_some_and(|all| !all.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_aws::table;
    use stepwright_json::json;

    #[track_caller]
    fn check(service: &str, operation: &str, properties: Json, wanted: Json, foreign: &[&str]) {
        let service = table::service(service).expect("it is a service");
        let operation = service.operation(operation).expect("it is an operation");
        let takes: Vec<&str> = service
            .structure(operation.input.as_ref())
            .into_iter()
            .flat_map(|input| &input.members)
            .map(|member| member.name.as_str())
            .collect();
        let (parameters, left) = parameters(service, operation, &properties, &takes);
        assert_eq!(Json::from(parameters), wanted);
        assert_eq!(left, foreign);
    }

    #[test]
    fn properties_get_the_case_and_the_types_of_the_operation() {
        check(
            "ecs",
            "RegisterTaskDefinition",
            json!({
                "Family": "import", "Cpu": 256, "Tags": [{"Key": "a", "Value": "b"}],
                "ContainerDefinitions": [{
                    "Name": "main", "Image": "python", "Essential": "true", "Memory": "512",
                    "Environment": [{"Name": "A", "Value": 1}], "Command": ["python3", "a.py"],
                    "NoSuch": 1
                }]
            }),
            json!({
                "family": "import", "cpu": "256", "tags": [{"key": "a", "value": "b"}],
                "containerDefinitions": [{
                    "name": "main", "image": "python", "essential": true, "memory": 512,
                    "environment": [{"name": "A", "value": "1"}], "command": ["python3", "a.py"]
                }]
            }),
            &["ContainerDefinitions.NoSuch"],
        );
        check(
            "batch",
            "RegisterJobDefinition",
            json!({
                "JobDefinitionName": "j", "Type": "container", "Parameters": {"file": "a"},
                "Timeout": {"AttemptDurationSeconds": "90"}, "Tags": {"x": "y"}, "Wrong": true
            }),
            json!({
                "jobDefinitionName": "j", "type": "container", "parameters": {"file": "a"},
                "timeout": {"attemptDurationSeconds": 90}, "tags": {"x": "y"}
            }),
            &["Wrong"],
        );
        // A document where text is wanted.
        check(
            "eventbridge",
            "PutRule",
            json!({"Name": "r", "EventPattern": {"source": ["a"]}, "Tags": {"k": "v"}}),
            json!({
                "Name": "r", "EventPattern": "{\"source\":[\"a\"]}",
                "Tags": [{"Key": "k", "Value": "v"}]
            }),
            &[],
        );
    }
}
