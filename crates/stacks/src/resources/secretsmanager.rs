//! Secrets.

use crate::names::{self, Values};
use crate::request::{tags, text};
use crate::stack::{Made, Record, Stack, Was};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, json};

/// Makes a secret. One that is there keeps its value, until the template gives it another one.
pub(super) async fn secret(
    stack: &Stack,
    resource: &Resource,
    last: Option<&Record>,
) -> Result<Made, String> {
    let name = names::name(resource);
    let generated = resource.properties.get("GenerateSecretString");
    let mut properties = resource.properties.as_object().cloned().unwrap_or_default();
    for elsewhere in ["Tags", "GenerateSecretString", "KmsKeyId", "ReplicaRegions"] {
        properties.remove(elsewhere);
    }
    let (mut input, left_out) =
        stack.parameters_of("secretsmanager", "CreateSecret", &Json::Object(properties));
    input.insert("Name", name.as_str().into());
    let asked = json!({"SecretId": (name.as_str())});
    let (arn, was) = match stack.call("secretsmanager", "DescribeSecret", asked).await {
        Err(_) => {
            if let Some(wanted) = generated {
                input.insert("SecretString", password(stack, wanted).await?.into());
            }
            if let Some(tags) = tags(&resource.properties) {
                input.insert("Tags", tags);
            }
            let answer = stack.told("secretsmanager", "CreateSecret", input.into()).await?;
            (answer.get("ARN").map(text), Was::Nothing)
        }
        Ok(there) => {
            let arn = there.get("ARN").map(text);
            let of = |properties: &Json| properties.get("SecretString").cloned();
            let wanted = of(&resource.properties);
            let is_same = last.is_none_or(|last| of(&last.properties) == wanted);
            match wanted.filter(|_| !is_same) {
                None => (arn, Was::Same),
                Some(text) => {
                    let input = json!({"SecretId": (name.as_str()), "SecretString": text});
                    stack.told("secretsmanager", "PutSecretValue", input).await?;
                    (arn, Was::Other)
                }
            }
        }
    };
    let arn = arn.unwrap_or_default();
    let values = Values::new(arn.clone()).with("Id", arn);
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

/// A password, alone or within a document.
async fn password(stack: &Stack, wanted: &Json) -> Result<String, String> {
    let mut options = wanted.as_object().cloned().unwrap_or_default();
    let template = options.remove("SecretStringTemplate");
    let key = options.remove("GenerateStringKey");
    let (input, _) =
        stack.parameters_of("secretsmanager", "GetRandomPassword", &Json::Object(options));
    let answer = stack.told("secretsmanager", "GetRandomPassword", input.into()).await?;
    let password = answer.get("RandomPassword").map(text).unwrap_or_default();
    let Some((template, key)) = template.zip(key) else { return Ok(password) };
    let template = stepwright_json::parse(&text(&template))
        .map_err(|error| format!("its SecretStringTemplate is not JSON: {error}"))?;
    let mut document: Object = template.as_object().cloned().unwrap_or_default();
    document.insert(text(&key), password.into());
    Ok(Json::from(document).to_string())
}
