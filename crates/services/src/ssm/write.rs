//! Operations that change parameters.

use super::state::{Parameter, Version};
use super::{Ssm, invalid, missing, purpose};
use crate::call::{Answer, Call, Refusal, answer, empty};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, json};

/// The largest value of a standard parameter, in bytes.
const MOST_BYTES: usize = 4_096;

/// How many versions are kept.
const MOST_VERSIONS: usize = 100;

fn read_tags(call: &Call<'_>) -> BTreeMap<String, String> {
    let tag = |tag: &Json| {
        let text = |member: &str| tag.get(member).and_then(Json::as_str).map(str::to_owned);
        Some((text("Key")?, text("Value").unwrap_or_default()))
    };
    call.list("Tags").iter().filter_map(tag).collect()
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    let levels = name.trim_start_matches('/').split('/').count();
    if name.is_empty() || name.len() > 1_011 {
        return Err(invalid("Parameter name must be from 1 to 1011 characters long."));
    }
    let start = name.trim_start_matches('/').to_ascii_lowercase();
    if start.starts_with("aws") || start.starts_with("ssm") {
        let why = if start.starts_with("aws") && name.starts_with('/') {
            format!("No access to reserved parameter name: {name}.")
        } else {
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive)."
                .to_owned()
        };
        return Err(invalid(why));
    }
    if !name.chars().all(is_plain) || name.contains("//") || name.ends_with('/') {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can \
             consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers \
             and the following 3 symbols .-_",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if levels > 15 {
        let why = "The parameter name has too many levels: at most 15.";
        return Err(Refusal::new("HierarchyLevelLimitExceededException", why));
    }
    Ok(())
}

impl Ssm {
    pub(super) async fn put_parameter(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call.required("Name"));
        check_name(name)?;
        let value = call.required("Value");
        if value.is_empty() {
            return Err(invalid(
                "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have \
                 length greater than or equal to 1.",
            ));
        }
        if call.text("Tier").is_some_and(|tier| tier != "Standard") {
            return Err(crate::LocalService::unsupported(
                self,
                "the local service `ssm` has the tier `Standard` only".to_owned(),
            ));
        }
        if call.text("DataType").is_some_and(|kind| kind != "text") {
            return Err(crate::LocalService::unsupported(
                self,
                "the local service `ssm` has the data type `text` only".to_owned(),
            ));
        }
        if value.len() > MOST_BYTES {
            return Err(invalid(format!(
                "Standard tier parameters support a maximum parameter value of {MOST_BYTES} characters. To create \
                 a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
            )));
        }
        let allowed = call.text("AllowedPattern").filter(|pattern| !pattern.is_empty());
        if let Some(pattern) = allowed {
            let pattern = format!("^(?:{pattern})$");
            let checked =
                regex::RegexBuilder::new(&pattern).size_limit(1 << 20).build().map_err(|_| {
                    Refusal::new(
                        "InvalidAllowedPatternException",
                        "The pattern is no regular expression.",
                    )
                })?;
            if !checked.is_match(value) {
                let why = format!(
                    "Parameter value, cannot be validated against allowedPattern: {}",
                    &pattern[4..pattern.len() - 2]
                );
                return Err(Refusal::new("ParameterPatternMismatchException", why));
            }
        }
        let kind = call.text("Type");
        if kind.is_some_and(|kind| !["String", "StringList", "SecureString"].contains(&kind)) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{}' at 'type' failed to satisfy constraint: Member must \
                 satisfy enum value set: [SecureString, StringList, String]",
                kind.unwrap_or_default()
            )));
        }
        let tags = read_tags(call);
        let overwrites = call.flag("Overwrite");
        if overwrites && !tags.is_empty() {
            return Err(invalid(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
            ));
        }
        // Sealed beforehand, for the kind may be the one that is there.
        let sealed = self
            .vault
            .seal(value.as_bytes(), &purpose(name))
            .map_err(|why| Refusal::new("InternalServerError", why).status(500))?;
        let now = self.clock.now().0;
        let number = self
            .kept
            .with(|parameters, changes| {
                let mut parameter = match parameters.by_name.get(name) {
                    Some(_) if !overwrites => {
                        let why = "The parameter already exists. To overwrite this value, set the overwrite option \
                                   in the request to true.";
                        return Err(Refusal::new("ParameterAlreadyExists", why));
                    }
                    Some(parameter) => parameter.clone(),
                    None => Parameter { tags, ..Parameter::default() },
                };
                let before = parameter.latest().map(|(number, version)| (number, version.clone()));
                let kind = match (kind, &before) {
                    (Some(kind), _) => kind.to_owned(),
                    (None, Some((_, before))) => before.kind.clone(),
                    (None, None) => return Err(invalid("A parameter type is required when you create a parameter.")),
                };
                let number = before.as_ref().map_or(1, |(number, _)| number + 1);
                let described = before.and_then(|(_, before)| before.description);
                let version = Version {
                    value: if kind == "SecureString" { sealed } else { value.to_owned() },
                    kind,
                    description: call.text("Description").map(str::to_owned).or(described),
                    allowed: allowed.map(str::to_owned),
                    modified: now,
                    labels: BTreeSet::new(),
                };
                parameter.versions.insert(number, version);
                while parameter.versions.len() > MOST_VERSIONS {
                    let oldest = parameter.versions.first_key_value();
                    if oldest.is_some_and(|(_, version)| !version.labels.is_empty()) {
                        let why = "The oldest version has a label and cannot be deleted. Move the label to another version of the parameter, and try again.";
                        return Err(Refusal::new("ParameterMaxVersionLimitExceeded", why));
                    }
                    parameter.versions.pop_first();
                }
                parameters.put(name, parameter, changes);
                Ok(number)
            })
            .await??;
        answer(json!({"Version": number, "Tier": "Standard"}))
    }

    pub(super) async fn delete_parameter(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call.required("Name"));
        let is_deleted =
            self.kept.with(|parameters, changes| parameters.remove(name, changes)).await?;
        if is_deleted { empty() } else { Err(missing()) }
    }

    pub(super) async fn delete_parameters(&self, call: &Call<'_>) -> Answer {
        let names = call.texts("Names");
        let (deleted, unknown): (Vec<String>, Vec<String>) = self
            .kept
            .with(|parameters, changes| {
                names.into_iter().partition(|name| parameters.remove(self.named(name), changes))
            })
            .await?;
        let list = |names: Vec<String>| -> Json {
            names.into_iter().map(Json::from).collect::<Vec<_>>().into()
        };
        answer(json!({"DeletedParameters": (list(deleted)), "InvalidParameters": (list(unknown))}))
    }

    pub(super) async fn label_parameter_version(&self, call: &Call<'_>) -> Answer {
        let labels = call.texts("Labels");
        let is_right = |label: &String| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            let lower = label.to_ascii_lowercase();
            label.len() <= 100
                && label.chars().all(is_plain)
                && !label.starts_with(|c: char| c.is_ascii_digit())
                && !lower.starts_with("aws")
                && !lower.starts_with("ssm")
        };
        let (good, bad): (Vec<String>, Vec<String>) = labels.into_iter().partition(is_right);
        let number = self
            .change_version(call, |parameter, number| {
                // A label is on one version.
                for version in parameter.versions.values_mut() {
                    version.labels.retain(|label| !good.contains(label));
                }
                let version = parameter.versions.get_mut(&number).expect("it is there");
                version.labels.extend(good);
                if version.labels.len() > 10 {
                    let why = "A parameter version can have maximum 10 labels.";
                    return Err(Refusal::new("ParameterVersionLabelLimitExceeded", why));
                }
                Ok(())
            })
            .await?;
        let bad: Vec<Json> = bad.into_iter().map(Json::from).collect();
        answer(json!({"InvalidLabels": bad, "ParameterVersion": number}))
    }

    pub(super) async fn unlabel_parameter_version(&self, call: &Call<'_>) -> Answer {
        let labels = call.texts("Labels");
        let (mut removed, mut unknown) = (Vec::new(), Vec::new());
        self.change_version(call, |parameter, number| {
            let version = parameter.versions.get_mut(&number).expect("it is there");
            for label in labels {
                let known = version.labels.remove(&label);
                if known { &mut removed } else { &mut unknown }.push(Json::from(label));
            }
            Ok(())
        })
        .await?;
        answer(json!({"RemovedLabels": removed, "InvalidLabels": unknown}))
    }

    /// Changes a version of a parameter; the latest, if the request names none.
    async fn change_version(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut Parameter, i64) -> Result<(), Refusal> + Send,
    ) -> Result<i64, Refusal> {
        let name = self.named(call.required("Name"));
        self.kept
            .with(|parameters, changes| {
                let mut parameter = parameters.by_name.get(name).cloned().ok_or_else(missing)?;
                let latest = parameter.latest().map_or(1, |(number, _)| number);
                let number = call.int("ParameterVersion").unwrap_or(latest);
                if !parameter.versions.contains_key(&number) {
                    let why = format!(
                        "Systems Manager could not find version {number} of {name}. Verify the version and try again."
                    );
                    return Err(Refusal::new("ParameterVersionNotFound", why));
                }
                change(&mut parameter, number)?;
                parameters.put(name, parameter, changes);
                Ok(number)
            })
            .await?
    }

    pub(super) async fn add_tags_to_resource(&self, call: &Call<'_>) -> Answer {
        let given = read_tags(call);
        self.change_tags(call, |tags| tags.extend(given)).await.map(drop)?;
        empty()
    }

    pub(super) async fn remove_tags_from_resource(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("TagKeys");
        self.change_tags(call, |tags| tags.retain(|key, _| !keys.contains(key))).await.map(drop)?;
        empty()
    }

    pub(super) async fn list_tags_for_resource(&self, call: &Call<'_>) -> Answer {
        let tags = self.change_tags(call, |_| {}).await?;
        let shown = |(key, value): (&String, &String)| json!({"Key": (key.as_str()), "Value": (value.as_str())});
        answer(json!({"TagList": (tags.iter().map(shown).collect::<Vec<Json>>())}))
    }

    async fn change_tags(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let kind = call.required("ResourceType");
        if kind != "Parameter" {
            return Err(crate::LocalService::unsupported(
                self,
                format!("the local service `ssm` has no tags of resources of the type `{kind}`"),
            ));
        }
        let name = self.named(call.required("ResourceId"));
        self.kept
            .with(|parameters, changes| {
                let found = parameters.by_name.get(name).cloned();
                let mut parameter = found.ok_or_else(|| Refusal::new("InvalidResourceId", ""))?;
                let before = parameter.tags.clone();
                change(&mut parameter.tags);
                let tags = parameter.tags.clone();
                if tags != before {
                    parameters.put(name, parameter, changes);
                }
                Ok(tags)
            })
            .await?
    }
}
