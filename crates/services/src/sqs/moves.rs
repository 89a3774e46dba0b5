//! Moving messages out of a dead-letter queue, back to where they came from or elsewhere.

use super::{Sqs, errors};
use crate::call::{Answer, Call, Refusal, answer, members};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stepwright_json::{Json, json};

/// A move that was made. All of it happens at once, so none is ever running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    source: String,
    target: Option<String>,
    started: i64,
    moved: i64,
}

impl Move {
    fn write(&self) -> Json {
        members([
            ("source", Some(self.source.as_str().into())),
            ("target", self.target.as_deref().map(Json::from)),
            ("started", Some(self.started.into())),
            ("moved", Some(self.moved.into())),
        ])
    }

    pub(super) fn read(document: &Json) -> Self {
        let text = |name: &str| document.get(name).and_then(Json::as_str).map(str::to_owned);
        let number = |name: &str| document.get(name).and_then(Json::as_i64).unwrap_or_default();
        Self {
            source: text("source").unwrap_or_default(),
            target: text("target"),
            started: number("started"),
            moved: number("moved"),
        }
    }
}

/// How many moves of a queue are remembered, as on AWS.
const REMEMBERED: usize = 10;

impl Sqs {
    pub(super) async fn start_message_move_task(&self, call: &Call<'_>) -> Answer {
        let source = call.required("SourceArn");
        let target = call.text("DestinationArn");
        let gone = |what: &str| {
            errors::modelled(
                "ResourceNotFoundException",
                format!("The resource that you specified for the {what} parameter doesn't exist."),
            )
            .status(404)
        };
        let from = self.name_of_arn(source).ok_or_else(|| gone("SourceArn"))?;
        let to = match target {
            Some(arn) => Some(self.name_of_arn(arn).ok_or_else(|| gone("DestinationArn"))?),
            None => None,
        };
        let now = self.now();
        let (number, rung) = self
            .kept
            .with(|queues, changes| {
                if to.is_some_and(|to| !queues.by_name.contains_key(to)) {
                    return Err(gone("DestinationArn"));
                }
                let queue = queues.at(from, now, changes).map_err(|_| gone("SourceArn"))?;
                let messages: Vec<(u64, Option<String>)> = queue
                    .messages
                    .iter()
                    .filter(|(_, stored)| !stored.status.in_flight)
                    .map(|(number, stored)| {
                        (*number, stored.source.as_ref().map(ToString::to_string))
                    })
                    .collect();
                if queues.sources(source).is_empty() {
                    return Err(errors::invalid_parameter(
                        "Source queue must be configured as a Dead Letter Queue.",
                    ));
                }
                let mut rung: Vec<String> = Vec::new();
                let mut moved = 0;
                for (number, origin) in messages {
                    let back = origin.as_deref().and_then(|arn| self.name_of_arn(arn));
                    let Some(to) = to.or(back) else { continue };
                    if !queues.by_name.contains_key(to) {
                        continue;
                    }
                    queues.relocate(number, from, to, None, now, changes);
                    rung.push(to.to_owned());
                    moved += 1;
                }
                let number = queues.moves.last_key_value().map_or(1, |(last, _)| last + 1);
                let of_move = Move {
                    source: source.to_owned(),
                    target: target.map(str::to_owned),
                    started: now,
                    moved,
                };
                changes.put(key(number), &of_move.write());
                queues.moves.insert(number, of_move);
                let of_source = |(_, one): &(&u64, &Move)| one.source == source;
                let old: Vec<u64> = queues
                    .moves
                    .iter()
                    .rev()
                    .filter(of_source)
                    .skip(REMEMBERED)
                    .map(|(n, _)| *n)
                    .collect();
                for old in old {
                    queues.moves.remove(&old);
                    changes.remove(key(old));
                }
                Ok::<_, Refusal>((number, rung))
            })
            .await??;
        for name in rung {
            self.ring(&name, 1);
        }
        answer(json!({"TaskHandle": (handle(number, source))}))
    }

    pub(super) async fn list_message_move_tasks(&self, call: &Call<'_>) -> Answer {
        let source = call.required("SourceArn");
        let most = call.int("MaxResults").unwrap_or(1).clamp(1, 10) as usize;
        let found = self
            .kept
            .with(|queues, _| {
                let of_source = |(_, one): &(&u64, &Move)| one.source == source;
                let moves = queues.moves.iter().rev().filter(of_source).take(most);
                moves.map(|(_, one)| one.clone()).collect::<Vec<_>>()
            })
            .await?;
        let shown = |one: Move| {
            members([
                ("Status", Some("COMPLETED".into())),
                ("SourceArn", Some(one.source.into())),
                ("DestinationArn", one.target.map(Json::from)),
                ("ApproximateNumberOfMessagesMoved", Some(one.moved.into())),
                ("ApproximateNumberOfMessagesToMove", Some(one.moved.into())),
                ("StartedTimestamp", Some(one.started.into())),
            ])
        };
        answer(json!({"Results": (found.into_iter().map(shown).collect::<Vec<Json>>())}))
    }

    pub(super) async fn cancel_message_move_task(&self, call: &Call<'_>) -> Answer {
        let given = call.required("TaskHandle");
        let found = self
            .kept
            .with(|queues, _| {
                queues.moves.iter().any(|(number, one)| handle(*number, &one.source) == given)
            })
            .await?;
        let refusal =
            |message: &str| Err(errors::modelled("ResourceNotFoundException", message).status(404));
        if found {
            return refusal("The task has ended: only active tasks can be cancelled.");
        }
        refusal("Task does not exist.")
    }
}

fn key(number: u64) -> String {
    format!("move/{number}")
}

fn handle(number: u64, source: &str) -> String {
    STANDARD.encode(json!({"taskId": (number.to_string()), "sourceArn": source}).to_string())
}
