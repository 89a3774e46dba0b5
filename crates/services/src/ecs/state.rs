//! What ECS keeps: definitions, clusters and tasks, and their documents in the store.

use crate::call::{list, text};
use crate::kept::{Changes, Contents};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object};

#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the tasks are called so")]
pub(super) struct Tasks {
    /// By family and revision.
    pub(super) definitions: BTreeMap<(String, i64), Object>,
    pub(super) clusters: BTreeMap<String, Object>,
    /// Tasks as they are described, by their ids.
    pub(super) tasks: BTreeMap<String, Object>,
}

impl Contents for Tasks {
    const PREFIX: &'static str = "services/ecs/";

    fn read(&mut self, key: &str, value: &Json) {
        let Some(object) = value.as_object().cloned() else { return };
        match key.split_once('/') {
            Some(("definition", name)) => {
                if let Some((family, revision)) = name.rsplit_once('/')
                    && let Ok(revision) = revision.parse()
                {
                    self.definitions.insert((family.to_owned(), revision), object);
                }
            }
            Some(("cluster", name)) => drop(self.clusters.insert(name.to_owned(), object)),
            Some(("task", id)) => drop(self.tasks.insert(id.to_owned(), object)),
            _ => {}
        }
    }
}

impl Tasks {
    /// Changes a task, unless it has ended.
    pub(super) fn change(
        &mut self,
        id: &str,
        changes: &mut Changes,
        change: impl FnOnce(&mut Object),
    ) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| !is_stopped(task)) else { return };
        change(task);
        changes.put(format!("task/{id}"), &Json::Object(task.clone()));
    }

    /// The definition with an ARN's name, a family and a revision, or a family, which means the newest.
    pub(super) fn definition(&self, name: &str) -> Option<(&(String, i64), &Object)> {
        let numbered = name.rsplit_once(':').and_then(|(family, revision)| {
            Some((family.to_owned(), revision.parse::<i64>().ok()?))
        });
        match numbered {
            Some(key) => self.definitions.get_key_value(&key),
            None => {
                let all =
                    self.definitions.range((name.to_owned(), 0)..=(name.to_owned(), i64::MAX));
                all.rev().find(|(_, one)| text(one, "status") == Some("ACTIVE"))
            }
        }
    }
}

pub(super) fn is_stopped(task: &Object) -> bool {
    text(task, "lastStatus") == Some("STOPPED")
}

/// Changes a container of a task.
pub(super) fn change_container(task: &mut Object, name: &str, change: impl FnOnce(&mut Object)) {
    let mut containers = list(task, "containers").to_vec();
    let found =
        containers.iter_mut().find(|one| one.get("name").and_then(Json::as_str) == Some(name));
    if let Some(Json::Object(container)) = found {
        change(container);
    }
    task.insert("containers", containers.into());
}
