//! Starts and stops tasks.

use super::describe::described;
use super::run::Part;
use super::state::is_stopped;
use super::{Ecs, client, invalid};
use crate::call::{Answer, Call, Refusal, answer, list, members, text};
use crate::substitutes::Substitutes;
use stepwright_json::{Json, Object, json};

impl Ecs {
    pub(super) async fn run_task(&self, call: &Call<'_>) -> Answer {
        let count = call.int("count").unwrap_or(1);
        if !(1..=10).contains(&count) {
            return Err(invalid("Tasks count must be between 1 and 10."));
        }
        let cluster = self.cluster(call);
        let named = self.name_of("task-definition", call.required("taskDefinition"));
        let token = call.text("clientToken").filter(|token| !token.is_empty());
        let now = self.now();
        let (tasks, begun) = self
            .kept
            .with(|state, changes| {
                Self::check_cluster(state, cluster)?;
                // The same request, sent again: the tasks are there already.
                let earlier =
                    |task: &&Object| token.is_some() && text(task, "clientToken") == token;
                let earlier: Vec<Json> = state
                    .tasks
                    .values()
                    .filter(earlier)
                    .map(|task| described(task, true))
                    .collect();
                if !earlier.is_empty() {
                    return Ok((earlier, Vec::new()));
                }
                let Some(((family, _), definition)) = state.definition(named) else {
                    return Err(client("TaskDefinition not found."));
                };
                if text(definition, "status") != Some("ACTIVE") {
                    return Err(client("TaskDefinition is inactive"));
                }
                let parts = parts(definition, call, &self.substitutes)?;
                let (mut tasks, mut begun) = (Vec::new(), Vec::new());
                for _ in 0..count {
                    let id = uuid::Uuid::new_v4().simple().to_string();
                    let arn = self.arn("task", &format!("{cluster}/{id}"));
                    let containers: Vec<Json> = parts
                        .iter()
                        .map(|part| {
                            members([
                                (
                                    "containerArn",
                                    Some(
                                        self.arn(
                                            "container",
                                            &format!("{cluster}/{id}/{}", part.name),
                                        )
                                        .into(),
                                    ),
                                ),
                                ("taskArn", Some(arn.as_str().into())),
                                ("name", Some(part.name.as_str().into())),
                                ("image", part.definition.get("image").cloned()),
                                ("lastStatus", Some("PENDING".into())),
                                ("networkInterfaces", Some(Vec::new().into())),
                            ])
                        })
                        .collect();
                    let group = call
                        .text("group")
                        .map_or_else(|| format!("family:{family}"), str::to_owned);
                    let task = members([
                        ("taskArn", Some(arn.as_str().into())),
                        ("clusterArn", Some(self.arn("cluster", cluster).into())),
                        ("taskDefinitionArn", definition.get("taskDefinitionArn").cloned()),
                        ("containers", Some(containers.into())),
                        (
                            "overrides",
                            Some(call.input.get("overrides").cloned().unwrap_or_else(|| json!({}))),
                        ),
                        ("lastStatus", Some("PROVISIONING".into())),
                        ("desiredStatus", Some("RUNNING".into())),
                        ("launchType", Some(call.text("launchType").unwrap_or("EC2").into())),
                        ("cpu", definition.get("cpu").cloned()),
                        ("memory", definition.get("memory").cloned()),
                        ("group", Some(group.into())),
                        ("startedBy", call.input.get("startedBy").cloned()),
                        ("createdAt", Some(now.clone())),
                        ("version", Some(1.into())),
                        ("tags", Some(call.list("tags").to_vec().into())),
                        ("clientToken", token.map(Json::from)),
                    ]);
                    changes.put(format!("task/{id}"), &task);
                    let task = task.as_object().cloned().unwrap_or_default();
                    tasks.push(described(&task, true));
                    begun.push((id.clone(), task));
                }
                let parts = std::sync::Arc::new(parts);
                let mut receivers = Vec::new();
                for (id, task) in begun {
                    state.tasks.insert(id.clone(), task);
                    let (stop, stopping) = tokio::sync::watch::channel(false);
                    self.stops.lock().insert(id.clone(), stop);
                    receivers.push((id, parts.clone(), stopping));
                }
                Ok((tasks, receivers))
            })
            .await??;
        for (id, parts, stopping) in begun {
            if let Some(this) = self.this.upgrade() {
                tokio::spawn(async move { this.carry(&id, &parts, stopping).await });
            }
        }
        answer(json!({"tasks": (Json::from(tasks)), "failures": []}))
    }

    pub(super) async fn stop_task(&self, call: &Call<'_>) -> Answer {
        let cluster = self.cluster(call);
        let id = self.task_id(call.required("task")).to_owned();
        let arn = self.arn("cluster", cluster);
        let reason = call.text("reason").unwrap_or("Task stopped by user").to_owned();
        let now = self.now();
        let task = self
            .kept
            .with(|state, changes| {
                Self::check_cluster(state, cluster)?;
                let is_there =
                    state.tasks.get(&id).is_some_and(|task| text(task, "clusterArn") == Some(&arn));
                if !is_there {
                    return Err(invalid("The referenced task was not found."));
                }
                state.change(&id, changes, |task| {
                    task.insert("desiredStatus", "STOPPED".into());
                    task.get_or_insert_with("stopCode", || "UserInitiated".into());
                    task.get_or_insert_with("stoppedReason", || reason.as_str().into());
                    task.get_or_insert_with("stoppingAt", || now.clone());
                });
                Ok(state.tasks.get(&id).map(|task| (described(task, true), is_stopped(task))))
            })
            .await??;
        if let Some(stop) = self.stops.lock().get(&id) {
            stop.send_replace(true);
        }
        answer(json!({"task": (task.map(|(task, _)| task).unwrap_or_default())}))
    }
}

/// The containers of a task, with what the request overrides.
fn parts(
    definition: &Object,
    call: &Call<'_>,
    substitutes: &Substitutes,
) -> Result<Vec<Part>, Refusal> {
    let none = Object::new();
    let overrides = call.object("overrides").unwrap_or(&none);
    let known = ["containerOverrides", "cpu", "memory", "taskRoleArn", "executionRoleArn"];
    if let Some(foreign) = overrides.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(client(format!("`overrides.{foreign}` cannot be had on this machine")));
    }
    let overrides = list(overrides, "containerOverrides");
    let mut parts = Vec::new();
    for container in list(definition, "containerDefinitions") {
        let mut container = container.as_object().cloned().unwrap_or_default();
        let name = text(&container, "name").unwrap_or_default().to_owned();
        let own = overrides.iter().filter_map(Json::as_object);
        for over in own.filter(|one| text(one, "name") == Some(&name)) {
            for (member, value) in over.iter() {
                match member.as_str() {
                    "environment" => {
                        let mut merged = list(&container, member).to_vec();
                        // A later one counts.
                        merged.extend(list(over, member).iter().cloned());
                        container.insert(member.clone(), merged.into());
                    }
                    "name" | "command" | "cpu" | "memory" | "memoryReservation" => {
                        container.insert(member.clone(), value.clone());
                    }
                    foreign => {
                        return Err(client(format!(
                            "the override `{foreign}` cannot be had on this machine"
                        )));
                    }
                }
            }
        }
        let line = ["entryPoint", "command"].iter().flat_map(|member| list(&container, member));
        let line: Vec<String> = line.filter_map(Json::as_str).map(str::to_owned).collect();
        // An entry point of the definition is instead of the image's.
        let has_entry_point = !list(&container, "entryPoint").is_empty();
        let image = text(&container, "image").filter(|_| !has_entry_point);
        let line = substitutes.line(image, line);
        if !substitutes.is_contained() && line.first().is_none_or(String::is_empty) {
            return Err(client(format!(
                "the container `{name}` has no `command`: on this machine it is a process, and the command \
                 of the image is not known; [server.images] in stepwright.toml can say it"
            )));
        }
        let volumes = substitutes.volumes(list(definition, "volumes"));
        parts.push(Part { name, line, definition: container, volumes });
    }
    let unknown = overrides.iter().filter_map(|one| one.get("name").and_then(Json::as_str));
    if let Some(name) =
        unknown.into_iter().find(|name| !parts.iter().any(|part| part.name == *name))
    {
        return Err(invalid(format!(
            "Override for container named {name} is not a container in the TaskDefinition."
        )));
    }
    Ok(parts)
}
