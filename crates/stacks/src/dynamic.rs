//! Dynamic references: `{{resolve:ssm:/orders/url}}` and `{{resolve:secretsmanager:orders:SecretString:key}}`
//! in properties, which CloudFormation replaces at a deployment.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>

use crate::stack::Stack;
use stepwright_json::{Json, Object, json};

const OPEN: &str = "{{resolve:";

/// Replaces the dynamic references in a value.
pub(crate) async fn resolve(stack: &Stack, value: &mut Json) -> Result<(), String> {
    // Most templates have none.
    if !value.to_string().contains(OPEN) {
        return Ok(());
    }
    let mut texts = Vec::new();
    collect(value, &mut texts);
    let mut replaced = Vec::new();
    for text in texts {
        let new = text_of(stack, &text).await?;
        replaced.push((text, new));
    }
    *value = replace(value, &replaced);
    Ok(())
}

fn collect(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::String(text) if text.contains(OPEN) => texts.push(text.to_string()),
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Json::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

fn replace(value: &Json, replaced: &[(String, String)]) -> Json {
    match value {
        Json::String(text) => {
            let found = replaced.iter().find(|(old, _)| old == text.as_str());
            found.map_or_else(|| value.clone(), |(_, new)| new.as_str().into())
        }
        Json::Array(items) => {
            items.iter().map(|item| replace(item, replaced)).collect::<Vec<_>>().into()
        }
        Json::Object(members) => {
            let members =
                members.iter().map(|(key, value)| (key.clone(), replace(value, replaced)));
            members.collect::<Object>().into()
        }
        other => other.clone(),
    }
}

async fn text_of(stack: &Stack, text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (reference, tail) = after
            .split_once("}}")
            .ok_or_else(|| format!("`{OPEN}{after}` has no `}}}}` at its end"))?;
        out += before;
        out += &value_of(stack, reference).await?;
        rest = tail;
    }
    Ok(out + rest)
}

async fn value_of(stack: &Stack, reference: &str) -> Result<String, String> {
    let (service, rest) = reference.split_once(':').unwrap_or((reference, ""));
    match service {
        "ssm" | "ssm-secure" => parameter(stack, rest).await,
        "secretsmanager" => secret(stack, rest).await,
        _ => Err(format!("`{{{{resolve:{reference}}}}}` is of a service that is not here")),
    }
}

/// The value of a parameter of Systems Manager: `NAME` or `NAME:VERSION`.
pub(crate) async fn parameter(stack: &Stack, name: &str) -> Result<String, String> {
    let input = json!({"Name": name, "WithDecryption": true});
    let answer = stack.call("ssm", "GetParameter", input).await;
    let value = answer
        .ok()
        .and_then(|answer| Some(answer.get("Parameter")?.get("Value")?.as_str()?.to_owned()));
    value.ok_or_else(|| {
        format!("there is no parameter `{name}` here; make it with `aws ssm put-parameter`")
    })
}

/// `SECRET[:SecretString[:KEY[:STAGE[:VERSION]]]]`, where the secret may be an ARN.
async fn secret(stack: &Stack, reference: &str) -> Result<String, String> {
    let is_arn = reference.starts_with("arn:");
    let parts: Vec<&str> = reference.split(':').collect();
    let of_name = if is_arn { 7.min(parts.len()) } else { 1 };
    let id = parts[..of_name].join(":");
    let part = |at: usize| parts.get(of_name + at).copied().filter(|part| !part.is_empty());
    let mut input = Object::new();
    input.insert("SecretId", id.as_str().into());
    if let Some(stage) = part(2) {
        input.insert("VersionStage", stage.into());
    }
    if let Some(version) = part(3) {
        input.insert("VersionId", version.into());
    }
    let answer = stack.call("secretsmanager", "GetSecretValue", input.into()).await;
    let missing =
        format!("there is no secret `{id}` here; make it with `aws secretsmanager create-secret`");
    let answer = answer.map_err(|_| missing)?;
    let text = answer.get("SecretString").and_then(Json::as_str).unwrap_or_default();
    let Some(key) = part(1) else { return Ok(text.to_owned()) };
    let value = stepwright_json::parse(text).ok().and_then(|json| json.get(key).cloned());
    let value = value.ok_or_else(|| format!("the secret `{id}` has no key `{key}`"))?;
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
