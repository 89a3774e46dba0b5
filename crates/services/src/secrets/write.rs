//! Operations that change secrets.

use super::state::{Secret, Version};
use super::{CURRENT, PREVIOUS, SecretsManager, invalid, invalid_request, purpose};
use crate::call::{Answer, Call, Refusal, answer, empty, members};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, json};

/// The largest secret, in bytes.
const MOST_BYTES: usize = 65_536;

/// How many versions without a stage are kept.
const MOST_VERSIONS: usize = 100;

const DAY: i64 = 86_400_000;

/// The value of a request, and whether it was given as bytes.
struct Value {
    bytes: Vec<u8>,
    is_binary: bool,
}

fn value(call: &Call<'_>) -> Result<Option<Value>, Refusal> {
    let found = match (call.text("SecretString"), call.text("SecretBinary")) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            ));
        }
        (Some(text), None) => Value { bytes: text.as_bytes().to_vec(), is_binary: false },
        (None, Some(text)) => {
            let bytes =
                STANDARD.decode(text).map_err(|_| invalid("SecretBinary is not base64."))?;
            Value { bytes, is_binary: true }
        }
        (None, None) => return Ok(None),
    };
    if found.bytes.len() > MOST_BYTES {
        return Err(invalid(format!("The secret value has more than {MOST_BYTES} bytes.")));
    }
    Ok(Some(found))
}

fn read_tags(call: &Call<'_>) -> BTreeMap<String, String> {
    let tag = |tag: &Json| {
        let text = |member: &str| tag.get(member).and_then(Json::as_str).map(str::to_owned);
        Some((text("Key")?, text("Value").unwrap_or_default()))
    };
    call.list("Tags").iter().filter_map(tag).collect()
}

impl Secret {
    /// Adds a version with stages, which are taken away from the others. The version that loses
    /// `AWSCURRENT` becomes the previous one.
    fn add(&mut self, id: &str, version: Version) {
        // Without stages at first: there is one holder of each.
        let stages = version.stages.clone();
        let new = Version { stages: BTreeSet::new(), ..version };
        self.versions.insert(id.to_owned(), new);
        for stage in stages {
            self.give(&stage, id);
        }
        while self.versions.len() > MOST_VERSIONS {
            let without = self.versions.iter().filter(|(_, version)| version.stages.is_empty());
            let oldest =
                without.min_by_key(|(_, version)| version.created).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            self.versions.remove(&oldest);
        }
    }

    fn give(&mut self, stage: &str, to: &str) {
        let before = self.staged(stage).map(|(id, _)| id.to_owned()).filter(|id| id != to);
        for (id, version) in &mut self.versions {
            if id == to {
                version.stages.insert(stage.to_owned());
            } else {
                version.stages.remove(stage);
            }
        }
        if let Some(before) = before.filter(|_| stage == CURRENT) {
            self.give(PREVIOUS, &before);
        }
        if stage == CURRENT
            && let Some(version) = self.versions.get_mut(to)
        {
            version.stages.remove(PREVIOUS);
        }
    }
}

impl SecretsManager {
    fn sealed(&self, name: &str, value: &Value) -> Result<String, Refusal> {
        let sealed = self.vault.seal(&value.bytes, &purpose(name));
        sealed.map_err(|why| Refusal::new("EncryptionFailure", why))
    }

    pub(super) async fn create_secret(&self, call: &Call<'_>) -> Answer {
        let name = call.required("Name");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        if name.is_empty() || name.len() > 512 || !name.chars().all(is_plain) {
            let why = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
                       following: -/_+=.@!";
            return Err(Refusal::new("ValidationException", why).status(400));
        }
        let given = value(call)?;
        let token = token(call);
        let now = self.now();
        let version = match &given {
            Some(value) => Some(Version {
                value: self.sealed(name, value)?,
                is_binary: value.is_binary,
                stages: [CURRENT.to_owned()].into(),
                created: now,
            }),
            None => None,
        };
        let random = uuid::Uuid::new_v4().simple().to_string();
        let mut secret = Secret {
            suffix: random[..6].to_owned(),
            description: call.text("Description").map(str::to_owned),
            tags: read_tags(call),
            created: now,
            changed: now,
            ..Secret::default()
        };
        let has_version = version.is_some();
        if let Some(version) = version {
            secret.add(&token, version);
        }
        let suffix = self
            .kept
            .with(|secrets, changes| {
                if let Some(known) = secrets.by_name.get(name) {
                    if known.deleted.is_some() {
                        return Err(invalid_request(
                            "You can't create this secret because a secret with this name is already scheduled for \
                             deletion.",
                        ));
                    }
                    // The same request twice is one.
                    let is_same = known.versions.get(&token).is_some_and(|version| {
                        let opened = self.vault.open(&version.value, &purpose(name)).ok();
                        given.as_ref().is_some_and(|given| opened.as_ref() == Some(&given.bytes))
                    });
                    if is_same {
                        return Ok(known.suffix.clone());
                    }
                    let why = format!(
                        "The operation failed because the secret {name} already exists."
                    );
                    return Err(Refusal::new("ResourceExistsException", why));
                }
                let suffix = secret.suffix.clone();
                secrets.put(name, secret, changes);
                Ok(suffix)
            })
            .await??;
        answer(members([
            ("ARN", Some(self.arn(name, &suffix).into())),
            ("Name", Some(name.into())),
            ("VersionId", has_version.then(|| token.into())),
        ]))
    }

    /// Changes a secret that is not deleted. Returns its name and the end of its ARN.
    async fn change(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&str, &mut Secret) -> Result<(), Refusal> + Send,
    ) -> Result<(String, String), Refusal> {
        let id = call.required("SecretId");
        self.kept
            .with(|secrets, changes| {
                let (name, mut secret) = secrets.find(id)?;
                if secret.deleted.is_some() {
                    return Err(invalid_request(
                        "You can't perform this operation on the secret because it was marked for deletion.",
                    ));
                }
                let before = secret.clone();
                change(&name, &mut secret)?;
                let suffix = secret.suffix.clone();
                if secret != before {
                    secrets.put(&name, secret, changes);
                }
                Ok((name, suffix))
            })
            .await?
    }

    pub(super) async fn put_secret_value(&self, call: &Call<'_>) -> Answer {
        let Some(given) = value(call)? else {
            return Err(invalid_request("You must provide either SecretString or SecretBinary."));
        };
        let stages = call.texts("VersionStages");
        let stages = if stages.is_empty() { vec![CURRENT.to_owned()] } else { stages };
        let (token, now) = (token(call), self.now());
        let shown: Vec<Json> = stages.iter().map(|stage| stage.as_str().into()).collect();
        let (name, suffix) = self
            .change(call, |name, secret| self.add(name, secret, &token, &given, stages, now))
            .await?;
        answer(json!({
            "ARN": (self.arn(&name, &suffix)), "Name": name, "VersionId": token, "VersionStages": shown
        }))
    }

    fn add(
        &self,
        name: &str,
        secret: &mut Secret,
        token: &str,
        given: &Value,
        stages: Vec<String>,
        now: i64,
    ) -> Result<(), Refusal> {
        if let Some(known) = secret.versions.get(token) {
            if self.open(&known.value, name)? == given.bytes {
                return Ok(());
            }
            let why = format!(
                "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {}.",
                self.arn(name, &secret.suffix)
            );
            return Err(Refusal::new("ResourceExistsException", why));
        }
        let mut stages: BTreeSet<String> = stages.into_iter().collect();
        if secret.staged(CURRENT).is_none() {
            // The first version counts.
            stages.insert(CURRENT.to_owned());
        }
        let value = self.sealed(name, given)?;
        secret.add(token, Version { value, is_binary: given.is_binary, stages, created: now });
        secret.changed = now;
        Ok(())
    }

    pub(super) async fn update_secret(&self, call: &Call<'_>) -> Answer {
        let given = value(call)?;
        let (token, now) = (token(call), self.now());
        let (name, suffix) = self
            .change(call, |name, secret| {
                if let Some(description) = call.text("Description") {
                    secret.description = Some(description.to_owned());
                    secret.changed = now;
                }
                match &given {
                    Some(given) => {
                        self.add(name, secret, &token, given, vec![CURRENT.to_owned()], now)
                    }
                    None => Ok(()),
                }
            })
            .await?;
        answer(members([
            ("ARN", Some(self.arn(&name, &suffix).into())),
            ("Name", Some(name.into())),
            ("VersionId", given.map(|_| token.into())),
        ]))
    }

    pub(super) async fn update_secret_version_stage(&self, call: &Call<'_>) -> Answer {
        let stage = call.required("VersionStage");
        let (from, to) = (call.text("RemoveFromVersionId"), call.text("MoveToVersionId"));
        let now = self.now();
        let (name, suffix) = self
            .change(call, |_, secret| {
                let holder = secret.staged(stage).map(|(id, _)| id.to_owned());
                if from.is_some() && holder.as_deref() != from {
                    let why = format!(
                        "The staging label {stage} isn't currently attached to version {}.",
                        from.unwrap_or_default()
                    );
                    return Err(invalid(why));
                }
                match to {
                    Some(to) => {
                        if !secret.versions.contains_key(to) {
                            let why = "Secrets Manager can't find the specified secret version.";
                            return Err(Refusal::new("ResourceNotFoundException", why));
                        }
                        if holder.as_deref().is_some_and(|holder| holder != to) && from.is_none() {
                            return Err(invalid(format!(
                                "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently \
                                 attached to version {}, so you must explicitly reference that version in \
                                 RemoveFromVersionId.",
                                holder.unwrap_or_default()
                            )));
                        }
                        secret.give(stage, to);
                    }
                    None if stage == CURRENT => {
                        let why = "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.";
                        return Err(invalid(why));
                    }
                    None => {
                        for version in secret.versions.values_mut() {
                            version.stages.remove(stage);
                        }
                    }
                }
                secret.changed = now;
                Ok(())
            })
            .await?;
        answer(json!({"ARN": (self.arn(&name, &suffix)), "Name": name}))
    }

    pub(super) async fn delete_secret(&self, call: &Call<'_>) -> Answer {
        let id = call.required("SecretId");
        let days = call.int("RecoveryWindowInDays");
        let at_once = call.flag("ForceDeleteWithoutRecovery");
        if at_once && days.is_some() {
            return Err(invalid(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
            ));
        }
        if days.is_some_and(|days| !(7..=30).contains(&days)) {
            return Err(invalid(
                "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
            ));
        }
        let now = self.now();
        let until = now + if at_once { 0 } else { days.unwrap_or(30) * DAY };
        let (name, suffix) = self
            .kept
            .with(|secrets, changes| {
                let (name, mut secret) = secrets.find(id)?;
                let suffix = secret.suffix.clone();
                if at_once {
                    secrets.remove(&name, changes);
                } else {
                    if secret.deleted.is_some() {
                        return Err(invalid_request(
                            "You can't perform this operation on the secret because it was already scheduled for \
                             deletion.",
                        ));
                    }
                    secret.deleted = Some((now, until));
                    secrets.put(&name, secret, changes);
                }
                Ok((name, suffix))
            })
            .await??;
        let arn = self.arn(&name, &suffix);
        answer(
            json!({"ARN": arn, "Name": name, "DeletionDate": (Json::Float(until as f64 / 1_000.0))}),
        )
    }

    pub(super) async fn restore_secret(&self, call: &Call<'_>) -> Answer {
        let id = call.required("SecretId");
        let (name, suffix) = self
            .kept
            .with(|secrets, changes| {
                let (name, mut secret) = secrets.find(id)?;
                secret.deleted = None;
                let suffix = secret.suffix.clone();
                secrets.put(&name, secret, changes);
                Ok::<_, Refusal>((name, suffix))
            })
            .await??;
        answer(json!({"ARN": (self.arn(&name, &suffix)), "Name": name}))
    }

    pub(super) async fn tag_resource(&self, call: &Call<'_>) -> Answer {
        let given = read_tags(call);
        self.change(call, |_, secret| {
            secret.tags.extend(given);
            Ok(())
        })
        .await?;
        empty()
    }

    pub(super) async fn untag_resource(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("TagKeys");
        self.change(call, |_, secret| {
            secret.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await?;
        empty()
    }
}

/// The id of the version that a request makes.
fn token(call: &Call<'_>) -> String {
    let given = call.text("ClientRequestToken").filter(|token| !token.is_empty());
    given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_before_is_the_previous_one() {
        // Whatever the order of their ids.
        for ids in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
            let mut secret = Secret::default();
            for id in ids {
                let stages = [CURRENT.to_owned()].into();
                secret.add(id, Version { stages, ..Version::default() });
            }
            assert_eq!(secret.staged(CURRENT).map(|(id, _)| id), Some(ids[2]), "{ids:?}");
            assert_eq!(secret.staged(PREVIOUS).map(|(id, _)| id), Some(ids[1]), "{ids:?}");
            assert!(secret.versions[ids[0]].stages.is_empty(), "{ids:?}");
        }
    }
}
