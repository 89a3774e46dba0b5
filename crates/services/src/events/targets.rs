//! Operations on the targets of rules.

use super::buses::page;
use super::state::Target;
use super::transform::{self, Path};
use super::{Events, invalid};
use crate::call::{Answer, Call, Refusal, answer, members, text};
use crate::sqs::is_fifo;
use stepwright_json::{Json, Object, json};

/// The most targets of a rule.
const MOST: usize = 5;

/// What a target can have.
const MEMBERS: [&str; 8] = [
    "Arn",
    "DeadLetterConfig",
    "Id",
    "Input",
    "InputPath",
    "InputTransformer",
    "RetryPolicy",
    "SqsParameters",
];

impl Target {
    pub(super) fn arn(&self) -> &str {
        text(&self.given, "Arn").unwrap_or_default()
    }

    /// A member of an object within.
    pub(super) fn within(&self, object: &str, member: &str) -> Option<&Json> {
        self.given.get(object)?.get(member)
    }
}

impl Events {
    pub(super) async fn put_targets(&self, call: &Call<'_>) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Rule"));
        let mut given = Vec::new();
        for target in call.list("Targets") {
            let target = target.as_object().cloned().unwrap_or_default();
            self.check_target(&target)?;
            given.push(target);
        }
        let owner = call.caller.principal.text();
        self.kept
            .with(|rules, changes| {
                let mut rule = rules.rule(bus, name)?.clone();
                for target in given {
                    let id = text(&target, "Id").unwrap_or_default().to_owned();
                    rule.targets.insert(id, Target { given: target, owner: owner.clone() });
                }
                if rule.targets.len() > MOST {
                    let why = format!(
                        "The requested resource exceeds the maximum number allowed: {MOST} targets."
                    );
                    return Err(Refusal::new("LimitExceededException", why));
                }
                rules.put_rule(bus, name, rule, changes);
                Ok(())
            })
            .await??;
        answer(json!({"FailedEntryCount": 0, "FailedEntries": []}))
    }

    fn check_target(&self, target: &Object) -> Result<(), Refusal> {
        let id = text(target, "Id").unwrap_or_default();
        let arn = text(target, "Arn").unwrap_or_default();
        if id.is_empty() || arn.is_empty() {
            return Err(invalid("a target must have an Id and an Arn"));
        }
        let foreign =
            target.keys().find(|name| *name != "RoleArn" && !MEMBERS.contains(&name.as_str()));
        if let Some(foreign) = foreign {
            return Err(crate::LocalService::unsupported(
                self,
                format!("the local service `eventbridge` does not have `{foreign}` of targets"),
            ));
        }
        let service = arn.split(':').nth(2).unwrap_or_default();
        if !["states", "lambda", "sqs", "sns", "events"].contains(&service)
            || !arn.starts_with("arn:")
        {
            return Err(crate::LocalService::unsupported(
                self,
                format!(
                    "the local service `eventbridge` reaches state machines, functions, queues, topics and buses, \
                     and not `{arn}`"
                ),
            ));
        }
        let inputs = ["Input", "InputPath", "InputTransformer"];
        if inputs.iter().filter(|name| target.contains_key(name)).count() > 1 {
            return Err(invalid(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
            )));
        }
        if text(target, "Input").is_some_and(|input| stepwright_json::parse(input).is_err()) {
            return Err(invalid(format!("JSON syntax error in input for target {id}")));
        }
        if text(target, "InputPath").is_some_and(|path| Path::read(path).is_none()) {
            return Err(invalid(format!("Invalid InputPath for target {id}.")));
        }
        if let Some(transformer) = target.get("InputTransformer") {
            transform::check(transformer).map_err(|why| {
                invalid(format!("Invalid InputTemplate for target {id} : {why}."))
            })?;
        }
        if service == "sqs" && is_fifo(arn) {
            let group = target.get("SqsParameters").and_then(|one| one.get("MessageGroupId"));
            if group.and_then(Json::as_str).is_none_or(str::is_empty) {
                return Err(invalid(format!(
                    "Parameter(s) SqsParameters must be specified for target: {id}."
                )));
            }
        }
        Ok(())
    }

    pub(super) async fn remove_targets(&self, call: &Call<'_>) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Rule"));
        let ids = call.texts("Ids");
        let missing = self
            .kept
            .with(|rules, changes| {
                let mut rule = rules.rule(bus, name)?.clone();
                let missing: Vec<String> =
                    ids.iter().filter(|id| !rule.targets.contains_key(*id)).cloned().collect();
                rule.targets.retain(|id, _| !ids.contains(id));
                rules.put_rule(bus, name, rule, changes);
                Ok::<_, Refusal>(missing)
            })
            .await??;
        let failed = |id: &String| {
            json!({
                "TargetId": (id.as_str()),
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": (format!("Target {id} does not exist."))
            })
        };
        answer(json!({
            "FailedEntryCount": (missing.len()),
            "FailedEntries": (missing.iter().map(failed).collect::<Vec<Json>>())
        }))
    }

    pub(super) async fn list_targets_by_rule(&self, call: &Call<'_>) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Rule"));
        let rule = self.kept.with(|rules, _| rules.rule(bus, name).cloned()).await??;
        let page = page(call, rule.targets.keys().cloned().collect())?;
        let shown: Vec<Json> =
            page.items.iter().map(|id| Json::Object(rule.targets[id].given.clone())).collect();
        answer(members([("Targets", Some(shown.into())), ("NextToken", page.next.map(Json::from))]))
    }
}
