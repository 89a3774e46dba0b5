//! Operations that read secrets.

use super::state::{Secret, Version};
use super::{CURRENT, SecretsManager, invalid, invalid_request};
use crate::call::{Answer, Call, Refusal, answer, members};
use crate::pages;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use stepwright_json::{Json, json};

fn seconds(millis: i64) -> Json {
    Json::Float(millis as f64 / 1_000.0)
}

fn stages(version: &Version) -> Json {
    version.stages.iter().map(|stage| stage.as_str().into()).collect::<Vec<Json>>().into()
}

fn tags(secret: &Secret) -> Json {
    let shown = |(key, value): (&String, &String)| json!({"Key": (key.as_str()), "Value": (value.as_str())});
    secret.tags.iter().map(shown).collect::<Vec<Json>>().into()
}

impl SecretsManager {
    async fn find(&self, id: &str) -> Result<(String, Secret), Refusal> {
        self.kept.with(|secrets, _| secrets.find(id)).await?
    }

    async fn value(
        &self,
        id: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<Json, Refusal> {
        let (name, secret) = self.find(id).await?;
        if secret.deleted.is_some() {
            return Err(invalid_request(
                "You can't perform this operation on the secret because it was marked for deletion.",
            ));
        }
        let found = match (version, stage) {
            (Some(id), stage) => {
                let found =
                    secret.versions.get_key_value(id).map(|(id, version)| (id.as_str(), version));
                if stage.is_some_and(|stage| {
                    found.is_some_and(|(_, version)| !version.stages.contains(stage))
                }) {
                    let why = "You provided a VersionStage that is not associated to the provided VersionId.";
                    return Err(invalid_request(why));
                }
                found
            }
            (None, stage) => secret.staged(stage.unwrap_or(CURRENT)),
        };
        let Some((id, version)) = found else {
            let what = match (version, stage) {
                (Some(id), _) => format!("VersionId: {id}"),
                (None, stage) => format!("staging label: {}", stage.unwrap_or(CURRENT)),
            };
            let why = format!("Secrets Manager can't find the specified secret value for {what}");
            return Err(Refusal::new("ResourceNotFoundException", why));
        };
        let bytes = self.open(&version.value, &name)?;
        let (text, binary) = if version.is_binary {
            (None, Some(STANDARD.encode(bytes)))
        } else {
            (Some(String::from_utf8_lossy(&bytes).into_owned()), None)
        };
        Ok(members([
            ("ARN", Some(self.arn(&name, &secret.suffix).into())),
            ("Name", Some(name.into())),
            ("VersionId", Some(id.into())),
            ("SecretString", text.map(Json::from)),
            ("SecretBinary", binary.map(Json::from)),
            ("VersionStages", Some(stages(version))),
            ("CreatedDate", Some(seconds(version.created))),
        ]))
    }

    pub(super) async fn get_secret_value(&self, call: &Call<'_>) -> Answer {
        let (version, stage) = (call.text("VersionId"), call.text("VersionStage"));
        answer(self.value(call.required("SecretId"), version, stage).await?)
    }

    pub(super) async fn batch_get_secret_value(&self, call: &Call<'_>) -> Answer {
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for id in call.texts("SecretIdList") {
            match self.value(&id, None, None).await {
                Ok(value) => found.push(value),
                Err(refusal) => failed.push(json!({
                    "SecretId": id,
                    "ErrorCode": (refusal.name.as_ref()),
                    "Message": (refusal.message.as_str())
                })),
            }
        }
        answer(json!({"SecretValues": found, "Errors": failed}))
    }

    fn described(&self, name: &str, secret: &Secret, versions: &'static str) -> Json {
        let of_versions = secret
            .versions
            .iter()
            .filter(|(_, version)| !version.stages.is_empty())
            .map(|(id, version)| (id.as_str(), stages(version)));
        members([
            ("ARN", Some(self.arn(name, &secret.suffix).into())),
            ("Name", Some(name.into())),
            ("Description", secret.description.as_deref().map(Json::from)),
            ("LastChangedDate", Some(seconds(secret.changed))),
            ("CreatedDate", Some(seconds(secret.created))),
            ("DeletedDate", secret.deleted.map(|(at, _)| seconds(at))),
            ("Tags", (!secret.tags.is_empty()).then(|| tags(secret))),
            (versions, Some(Json::Object(of_versions.collect()))),
        ])
    }

    pub(super) async fn describe_secret(&self, call: &Call<'_>) -> Answer {
        let (name, secret) = self.find(call.required("SecretId")).await?;
        answer(self.described(&name, &secret, "VersionIdsToStages"))
    }

    pub(super) async fn list_secrets(&self, call: &Call<'_>) -> Answer {
        let mut filters = Vec::new();
        for filter in call.list("Filters") {
            let key = filter.get("Key").and_then(Json::as_str).unwrap_or_default();
            if !["all", "description", "name", "tag-key", "tag-value"].contains(&key) {
                return Err(invalid(format!(
                    "the local service `secretsmanager` does not have the filter `{key}`"
                )));
            }
            let values = filter.get("Values").and_then(Json::as_array).cloned().unwrap_or_default();
            let values: Vec<String> =
                values.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            filters.push((key.to_owned(), values));
        }
        let with_deleted = call.flag("IncludePlannedDeletion");
        let all = self.kept.with(|secrets, _| secrets.by_name.clone()).await?;
        let is_meant = |(name, secret): &(&String, &Secret)| {
            (with_deleted || secret.deleted.is_none())
                && filters.iter().all(|(key, values)| passes(key, values, name, secret))
        };
        let names = all.iter().filter(is_meant).map(|(name, _)| name.clone()).collect();
        let page = page(call, names)?;
        let shown = page
            .items
            .iter()
            .map(|name| self.described(name, &all[name], "SecretVersionsToStages"))
            .collect::<Vec<Json>>();
        answer(members([
            ("SecretList", Some(shown.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }

    pub(super) async fn list_secret_version_ids(&self, call: &Call<'_>) -> Answer {
        let (name, secret) = self.find(call.required("SecretId")).await?;
        let all = call.flag("IncludeDeprecated");
        let ids = secret.versions.iter().filter(|(_, version)| all || !version.stages.is_empty());
        let page = page(call, ids.map(|(id, _)| id.clone()).collect())?;
        let shown = |id: &String| {
            let version = &secret.versions[id];
            json!({
                "VersionId": (id.as_str()),
                "VersionStages": (stages(version)),
                "CreatedDate": (seconds(version.created))
            })
        };
        let shown: Vec<Json> = page.items.iter().map(shown).collect();
        answer(members([
            ("ARN", Some(self.arn(&name, &secret.suffix).into())),
            ("Name", Some(name.into())),
            ("Versions", Some(shown.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }

    #[expect(clippy::unused_self, reason = "it is called as its siblings are")]
    pub(super) fn get_random_password(&self, call: &Call<'_>) -> Answer {
        let length = call.int("PasswordLength").unwrap_or(32);
        let excluded = call.text("ExcludeCharacters").unwrap_or_default();
        let kinds = [
            ("ExcludeLowercase", "abcdefghijklmnopqrstuvwxyz"),
            ("ExcludeUppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            ("ExcludeNumbers", "0123456789"),
            ("ExcludePunctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        ];
        let mut sets: Vec<Vec<char>> = kinds
            .into_iter()
            .filter(|(flag, _)| !call.flag(flag))
            .map(|(_, set)| set.chars().filter(|c| !excluded.contains(*c)).collect())
            .filter(|set: &Vec<char>| !set.is_empty())
            .collect();
        if call.flag("IncludeSpace") && !excluded.contains(' ') {
            sets.push(vec![' ']);
        }
        let all: Vec<char> = sets.iter().flatten().copied().collect();
        let needs_each = call.input.get("RequireEachIncludedType") != Some(&Json::Bool(false));
        if !(1..=4_096).contains(&length) || all.is_empty() {
            return Err(invalid(
                "Password length must be from 1 to 4096, and there must be characters to choose from.",
            ));
        }
        if needs_each && (length as usize) < sets.len() {
            return Err(invalid(format!(
                "Password length is too short based on the required types: {}",
                sets.len()
            )));
        }
        let draw = |set: &[char]| -> Result<char, Refusal> {
            let mut bytes = [0; 8];
            SystemRandom::new()
                .fill(&mut bytes)
                .map_err(|_| Refusal::new("InternalServiceError", "there is no randomness"))?;
            Ok(set[(u64::from_le_bytes(bytes) % set.len() as u64) as usize])
        };
        let mut password = Vec::new();
        loop {
            password.clear();
            for _ in 0..length {
                password.push(draw(&all)?);
            }
            let has_each = sets.iter().all(|set| password.iter().any(|c| set.contains(c)));
            if !needs_each || has_each {
                break;
            }
            // A short one may lack a kind: then one of each is put in.
            if (length as usize) < 4 * sets.len() {
                for (at, set) in sets.iter().enumerate() {
                    password[at] = draw(set)?;
                }
                break;
            }
        }
        answer(json!({"RandomPassword": (password.into_iter().collect::<String>())}))
    }
}

/// Whether a secret passes a filter: one of its values is at the beginning of what is looked at; after
/// `!`, it is not.
fn passes(key: &str, values: &[String], name: &str, secret: &Secret) -> bool {
    let description = secret.description.as_deref().unwrap_or_default();
    let starts = |text: &str, value: &str| text.to_lowercase().starts_with(&value.to_lowercase());
    let holds = |value: &str| match key {
        "name" => name.starts_with(value),
        "description" => starts(description, value),
        "tag-key" => secret.tags.keys().any(|key| key.starts_with(value)),
        "tag-value" => secret.tags.values().any(|tag| tag.starts_with(value)),
        _ => {
            starts(name, value)
                || starts(description, value)
                || secret.tags.iter().any(|(key, tag)| starts(key, value) || starts(tag, value))
        }
    };
    values.iter().any(|value| match value.strip_prefix('!') {
        Some(value) => !holds(value),
        None => holds(value),
    })
}

fn page(call: &Call<'_>, names: Vec<String>) -> Result<pages::Page, Refusal> {
    let most = call.int("MaxResults").unwrap_or(100).clamp(1, 100) as usize;
    pages::page(names, call.text("NextToken"), most)
        .ok_or_else(|| Refusal::new("InvalidNextTokenException", "Invalid pagination token"))
}
