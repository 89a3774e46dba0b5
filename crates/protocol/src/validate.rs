use crate::{ApiError, Member, Operation, Shape};
use stepwright_json::{Json, Object};

/// Checks a request against the model.
///
/// A member of the wrong type is a `SerializationException`; members that break a constraint are
/// one `ValidationException` that names them all. Members that the model does not know are ignored,
/// as AWS ignores them.
pub fn validate(operation: &Operation, body: &Json) -> Result<(), ApiError> {
    if body.as_object().is_none() {
        return Err(serialization("the request is not a JSON object"));
    }
    let mut complaints = Complaints::default();
    members(operation.input, body, "", &mut complaints)?;
    let Complaints { shown, count } = complaints;
    if count == 0 {
        return Ok(());
    }
    let noun = if count == 1 { "error" } else { "errors" };
    Err(ApiError::validation(format!("{count} validation {noun} detected: {}", shown.join("; "))))
}

/// The largest number of complaints that are shown. All of them are counted.
const MOST_SHOWN: usize = 100;

/// What is wrong with a request.
#[derive(Default)]
struct Complaints {
    shown: Vec<String>,
    count: usize,
}

impl Complaints {
    /// Adds a complaint, which is written only if it is shown.
    fn push(&mut self, complaint: impl FnOnce() -> String) {
        self.count += 1;
        if self.shown.len() < MOST_SHOWN {
            self.shown.push(complaint());
        }
    }
}

fn serialization(message: impl Into<String>) -> ApiError {
    ApiError::new("SerializationException", message)
}

fn members(
    members: &[Member],
    value: &Json,
    path: &str,
    complaints: &mut Complaints,
) -> Result<(), ApiError> {
    for member in members {
        let path = match path {
            "" => member.name.to_owned(),
            path => format!("{path}.{}", member.name),
        };
        match value.get(member.name).filter(|value| !value.is_null()) {
            Some(value) => check(member.shape, value, &path, complaints)?,
            None if member.is_required => complaints.push(|| {
                format!(
                    "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                )
            }),
            None => {}
        }
    }
    Ok(())
}

fn check(
    shape: &Shape,
    value: &Json,
    path: &str,
    complaints: &mut Complaints,
) -> Result<(), ApiError> {
    let wrong_type = |wanted: &str| {
        Err(serialization(format!("the member '{path}' is {} and must be {wanted}", value.kind())))
    };
    let mut complain = |shown: &str, constraint: String| {
        complaints.push(|| {
            format!(
                "Value '{shown}' at '{path}' failed to satisfy constraint: Member must {constraint}"
            )
        });
    };
    match shape {
        Shape::Text { min, max, pattern, values } => {
            let Some(text) = value.as_str() else { return wrong_type("a string") };
            let length = text.encode_utf16().count();
            if length < *min {
                complain(text, format!("have length greater than or equal to {min}"));
            }
            if let Some(max) = max.filter(|max| length > *max) {
                complain(text, format!("have length less than or equal to {max}"));
            }
            if let Some(pattern) = pattern.filter(|pattern| !pattern.matches(text)) {
                complain(text, format!("satisfy regular expression pattern: {}", pattern.text()));
            }
            if !values.is_empty() && !values.contains(&text) {
                complain(text, format!("satisfy enum value set: [{}]", values.join(", ")));
            }
        }
        Shape::Integer { min, max } => {
            let Some(number) = value.as_i64() else { return wrong_type("a whole number") };
            let shown = number.to_string();
            if let Some(min) = min.filter(|min| number < *min) {
                complain(&shown, format!("have value greater than or equal to {min}"));
            }
            if let Some(max) = max.filter(|max| number > *max) {
                complain(&shown, format!("have value less than or equal to {max}"));
            }
        }
        Shape::Number { min, max } => {
            let Some(number) = value.as_f64() else { return wrong_type("a number") };
            let shown = number.to_string();
            if let Some(min) = min.filter(|min| number < *min) {
                complain(&shown, format!("have value greater than or equal to {min}"));
            }
            if let Some(max) = max.filter(|max| number > *max) {
                complain(&shown, format!("have value less than or equal to {max}"));
            }
        }
        Shape::Boolean => {
            if value.as_bool().is_none() {
                return wrong_type("true or false");
            }
        }
        Shape::List { name, of, min, max } => {
            let Some(items) = value.as_array() else { return wrong_type("a list") };
            if items.len() < *min || max.is_some_and(|max| items.len() > max) {
                let shown: Vec<String> = items.iter().map(|item| java(of, item, name)).collect();
                let shown = format!("[{}]", shown.join(", "));
                if items.len() < *min {
                    complain(&shown, format!("have length greater than or equal to {min}"));
                }
                if let Some(max) = max.filter(|max| items.len() > *max) {
                    complain(&shown, format!("have length less than or equal to {max}"));
                }
            }
            for (index, item) in items.iter().enumerate() {
                check(of, item, &format!("{path}.{}.member", index + 1), complaints)?;
            }
        }
        Shape::Structure(of) => {
            if value.as_object().is_none() {
                return wrong_type("an object");
            }
            members(of, value, path, complaints)?;
        }
    }
    Ok(())
}

/// Drops the members that an operation does not know, so that nothing is kept that nobody reads.
pub fn keep_known(operation: &Operation, body: Json) -> Json {
    let Json::Object(members) = body else { return body };
    let is_known = |name: &str| operation.input.iter().any(|member| member.name == name);
    if members.iter().all(|(name, _)| is_known(name)) {
        return Json::Object(members);
    }
    let known = members.iter().filter(|(name, _)| is_known(name));
    known.map(|(name, value)| (name.clone(), value.clone())).collect::<Object>().into()
}

/// A value as AWS's messages show it, which is how AWS's Java classes print themselves.
fn java(shape: &Shape, value: &Json, name: &str) -> String {
    match (shape, value) {
        (Shape::Structure(members), Json::Object(_)) => {
            let shown: Vec<String> = members
                .iter()
                .map(|member| {
                    let value = value.get(member.name).unwrap_or(&Json::Null);
                    format!("{}={}", member.name, java(member.shape, value, ""))
                })
                .collect();
            format!("{name}({})", shown.join(", "))
        }
        (_, Json::String(text)) => text.to_string(),
        (_, other) => other.to_string(),
    }
}
