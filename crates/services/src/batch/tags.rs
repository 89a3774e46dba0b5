//! Tags of definitions, queues, environments and jobs.

use super::state::Jobs;
use super::{Batch, refused};
use crate::call::{Answer, Call, answer, empty};
use crate::kept::Changes;
use std::sync::Arc;
use stepwright_json::{Json, Object, json};

impl Batch {
    pub(super) async fn list_tags_for_resource(&self, call: &Call<'_>) -> Answer {
        let tags = self.tags(call, |tags| tags.clone()).await?;
        answer(json!({"tags": (Json::Object(tags))}))
    }

    pub(super) async fn tag_resource(&self, call: &Call<'_>) -> Answer {
        let given = call.object("tags").cloned().unwrap_or_default();
        let is_wrong = |(name, value): (&stepwright_json::Str, &Json)| {
            name.is_empty()
                || name.len() > 128
                || value.as_str().is_none_or(|text| text.len() > 256)
        };
        if given.len() > 50 || given.iter().any(is_wrong) {
            return Err(refused(
                "there are at most 50 tags, with keys of 128 and values of 256 characters",
            ));
        }
        self.tags(call, |tags| {
            for (name, value) in given.iter() {
                tags.insert(name.clone(), value.clone());
            }
        })
        .await?;
        empty()
    }

    pub(super) async fn untag_resource(&self, call: &Call<'_>) -> Answer {
        let keys = call.texts("tagKeys");
        self.tags(call, |tags| {
            for key in &keys {
                tags.remove(key);
            }
        })
        .await?;
        empty()
    }

    /// Reads or changes the tags of what a request names.
    async fn tags<T: Send>(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut Object) -> T + Send,
    ) -> Result<T, crate::call::Refusal> {
        let arn = call.required("resourceArn");
        let prefix = self.arn("", "");
        let named =
            arn.strip_prefix(prefix.trim_end_matches('/')).and_then(|rest| rest.split_once('/'));
        let Some((kind, name)) = named else {
            return Err(refused(format!("{arn} is not the ARN of anything here")));
        };
        let done =
            self.kept.with(|state, changes| tagged(state, changes, kind, name, change)).await?;
        done.ok_or_else(|| refused(format!("{arn} does not exist")))
    }
}

fn tagged<T>(
    state: &mut Jobs,
    changes: &mut Changes,
    kind: &str,
    name: &str,
    change: impl FnOnce(&mut Object) -> T + Send,
) -> Option<T> {
    if kind == "job" {
        let job = state.jobs.get_mut(name)?;
        let answer = in_tags(Arc::make_mut(&mut job.given), change);
        changes.put(format!("job/{name}"), &job.write());
        return answer;
    }
    let (key, object) = match kind {
        "job-definition" => {
            let (name, revision) = name.rsplit_once(':')?;
            let revision = revision.parse().ok()?;
            let definition = state.definitions.get_mut(&(name.to_owned(), revision))?;
            (format!("definition/{name}/{revision}"), definition)
        }
        "job-queue" => (format!("queue/{name}"), state.queues.get_mut(name)?),
        "compute-environment" => (format!("environment/{name}"), state.environments.get_mut(name)?),
        _ => return None,
    };
    let answer = in_tags(object, change);
    changes.put(key, &object.clone().into());
    answer
}

fn in_tags<T>(object: &mut Object, change: impl FnOnce(&mut Object) -> T) -> Option<T> {
    match object.get_or_insert_with("tags", || Json::Object(Object::new())) {
        Json::Object(tags) => Some(change(tags)),
        _ => None,
    }
}
