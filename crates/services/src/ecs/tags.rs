//! Tags of clusters, definitions and tasks.

use super::{Ecs, invalid};
use crate::call::{Answer, Call, Refusal, answer, empty, list};
use stepwright_json::{Json, json};

fn key(tag: &Json) -> Option<&str> {
    tag.get("key").and_then(Json::as_str)
}

impl Ecs {
    pub(super) async fn list_tags_for_resource(&self, call: &Call<'_>) -> Answer {
        let tags = self.tags(call, |_| {}).await?;
        answer(json!({"tags": (Json::from(tags))}))
    }

    pub(super) async fn tag_resource(&self, call: &Call<'_>) -> Answer {
        let given = call.list("tags").to_vec();
        self.tags(call, |tags| {
            tags.retain(|tag| !given.iter().any(|one| key(one) == key(tag)));
            tags.extend(given);
        })
        .await?;
        empty()
    }

    pub(super) async fn untag_resource(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("tagKeys");
        self.tags(call, |tags| {
            tags.retain(|tag| !keys.iter().any(|one| Some(one.as_str()) == key(tag)));
        })
        .await?;
        empty()
    }

    /// Changes the tags of what a request names, and returns them.
    async fn tags(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut Vec<Json>) + Send,
    ) -> Result<Vec<Json>, Refusal> {
        let arn = call.required("resourceArn");
        let missing = || invalid(format!("The specified resource is not here: {arn}"));
        let prefix = self.arn("", "");
        let named =
            arn.strip_prefix(prefix.trim_end_matches('/')).and_then(|rest| rest.split_once('/'));
        let (kind, name) = named.ok_or_else(missing)?;
        self.kept
            .with(|state, changes| {
                let (place, object) = match kind {
                    "cluster" => (format!("cluster/{name}"), state.clusters.get_mut(name)),
                    "task" => {
                        let id = name.rsplit('/').next().unwrap_or_default();
                        (format!("task/{id}"), state.tasks.get_mut(id))
                    }
                    "task-definition" => {
                        let key = state
                            .definition(name)
                            .map(|(key, _)| key.clone())
                            .ok_or_else(missing)?;
                        (format!("definition/{}/{}", key.0, key.1), state.definitions.get_mut(&key))
                    }
                    _ => return Err(missing()),
                };
                let object = object.ok_or_else(missing)?;
                let mut tags = list(object, "tags").to_vec();
                let before = tags.clone();
                change(&mut tags);
                if tags.len() > 50 {
                    return Err(invalid("A resource has at most 50 tags."));
                }
                if tags != before {
                    object.insert("tags", tags.clone().into());
                    changes.put(place, &object.clone().into());
                }
                Ok(tags)
            })
            .await?
    }
}
