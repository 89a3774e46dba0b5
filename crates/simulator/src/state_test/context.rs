//! The context object that a test gives.

use stepwright_json::{Json, Object};

/// What a member of the context object holds.
enum Form {
    Text,
    Number,
    Object,
    Members(&'static [(&'static str, Form)]),
}

use Form::{Members, Number, Text};

const CONTEXT: &[(&str, Form)] = &[
    (
        "Execution",
        Members(&[
            ("Id", Text),
            ("Input", Form::Object),
            ("Name", Text),
            ("RoleArn", Text),
            ("StartTime", Text),
            ("RedriveCount", Number),
            ("RedriveTime", Text),
        ]),
    ),
    ("State", Members(&[("EnteredTime", Text), ("Name", Text), ("RetryCount", Number)])),
    ("StateMachine", Members(&[("Id", Text), ("Name", Text)])),
    ("Task", Members(&[("Token", Text)])),
];

/// Whether this can be a context object; if not, why.
pub(super) fn check(context: &Json, may_have_task: bool) -> Result<(), String> {
    let Json::Object(members) = context else { return Err("it must be an object".to_owned()) };
    if members.get("Map").is_some() {
        return Err("'Map' field is not supported when mocking a Context object".to_owned());
    }
    check_members(members, CONTEXT, "")?;
    if members.get("Task").is_some() && !may_have_task {
        return Err(
            "Context object contains 'Task' when state is not a Task state with a '.sync' \
                    or '.waitForTaskToken' service integration pattern"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_members(given: &Object, allowed: &[(&str, Form)], path: &str) -> Result<(), String> {
    for (key, value) in given.iter() {
        let Some((_, form)) = allowed.iter().find(|(name, _)| name == key) else {
            return Err(format!("Field '{key}' is not allowed"));
        };
        let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        let wrong = |what: &str| Err(format!("{path} must be {what}"));
        match (form, value) {
            (Text, Json::String(_)) | (Number, Json::Int(_)) => {}
            (Form::Object, Json::Object(_) | Json::Array(_)) => {}
            (Members(members), Json::Object(given)) => check_members(given, members, &path)?,
            (Text, _) => return wrong("a string"),
            (Number, _) => return wrong("an integer"),
            (Form::Object | Members(_), _) => return wrong("an object"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn context_objects_have_known_members() {
        let wrong = |context: Json| check(&context, false).err().unwrap_or_default();
        assert_eq!(wrong(json!({"Execution": {"Input": {"any": 1}}, "State": {}})), "");
        assert_eq!(wrong(json!({"Execution": {"Id": 1}})), "Execution.Id must be a string");
        assert_eq!(wrong(json!({"State": 1})), "State must be an object");
        assert_eq!(wrong(json!({"Pokedex": {}})), "Field 'Pokedex' is not allowed");
        assert!(
            wrong(json!({"Task": {"Token": "t"}})).starts_with("Context object contains 'Task'")
        );
        assert!(check(&json!({"Task": {"Token": "t"}}), true).is_ok());
    }
}
