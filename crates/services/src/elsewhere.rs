//! Calls of services that another node has, and what nodes tell each other of them.

use crate::call::{Answer, Caller, Refusal, Reply, members};
use crate::events::Event;
use crate::{NAMES, Services};
use std::time::Duration;
use stepwright_aws::codec::{Message, ServiceError};
use stepwright_aws::table::{self, Operation, Service};
use stepwright_engine::{PeerError, Place, Principal};
use stepwright_json::{Json, Object, json};
use tokio::time::Instant;

/// The services that nodes have. The others have files or processes of one machine.
pub const OF_NODES: [&str; 6] = ["dynamodb", "eventbridge", "secretsmanager", "sns", "sqs", "ssm"];

/// How long a node that has the services is waited for, and between two attempts.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// How often a node looks whether it has the services, and whether there are rules.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An operation that waits for something, during which the services may go to another node.
fn waits(operation: &Operation) -> bool {
    operation.name == "ReceiveMessage"
}

impl Services {
    /// Calls an operation at the node that has the services. It is called again only if it was not carried
    /// out for certain.
    pub(crate) async fn call_among_nodes(
        &self,
        service: &'static Service,
        operation: &'static Operation,
        message: Message,
        caller: &Caller,
    ) -> Result<Reply, ServiceError> {
        let name = service.name.as_str();
        if NAMES.contains(&name) && !self.seat.has(name) {
            let how = if OF_NODES.contains(&name) {
                format!("`{name} = \"local\"` in `[services]` of each node's stepwright.toml")
            } else {
                "a server of its own, which it needs for its files or processes".to_owned()
            };
            let refusal = Refusal::new(
                "UnsupportedOperation",
                format!(
                    "this server is one of several nodes, which do not have the local service `{name}`: \
                     that takes {how}; or name an endpoint in `[services.{name}]`"
                ),
            );
            return Err(refusal.status(501).reported(service));
        }
        let end = Instant::now() + PATIENCE;
        loop {
            match self.seat.place() {
                Place::Here => {
                    let answer = self.call_here(service, operation, &message, caller).await;
                    if let Some(answer) = answer {
                        return answer.map_err(|refusal| refusal.reported(service));
                    }
                }
                Place::At(address) => {
                    let request = asked(service, operation, &message, caller);
                    match self.ask(&address, request).await {
                        Ok(reply) => {
                            if let Some(answer) = read_answer(&reply) {
                                return answer;
                            }
                        }
                        Err(PeerError::NotReached(why)) => {
                            tracing::debug!(address, why, "a node cannot be reached");
                        }
                        Err(error @ PeerError::Unknown(_)) => {
                            let why = format!("the node that has the local services: {error}");
                            let refusal = Refusal::new("InternalError", why).status(500);
                            return Err(refusal.reported(service));
                        }
                    }
                }
                Place::Nowhere => {}
            }
            if Instant::now() >= end {
                return Err(Refusal::elsewhere().reported(service));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Carries an operation out if the services are here. `None` if they are not, and nothing was done.
    async fn call_here(
        &self,
        service: &'static Service,
        operation: &'static Operation,
        message: &Message,
        caller: &Caller,
    ) -> Option<Answer> {
        let work = self.answer(service, operation, message.clone(), caller);
        if !waits(operation) {
            return self.seat.during(work).await;
        }
        let answer = work.await;
        let is_elsewhere = answer.as_ref().is_err_and(Refusal::is_elsewhere);
        (!is_elsewhere).then_some(answer)
    }

    async fn ask(&self, address: &str, request: Json) -> Result<Json, PeerError> {
        ask(&self.seat, address, request).await
    }

    /// Does what another node asks of the services here. `None` if this release does not know what that is.
    pub async fn answer_node(&self, request: &Json) -> Option<Json> {
        let text = |key: &str| request.get(key).and_then(Json::as_str);
        match text("do")? {
            "service" => {
                let service = table::service(text("service")?).ok()?;
                let operation = service.operation(text("operation")?)?;
                let caller = Caller {
                    url: text("url")?.to_owned(),
                    id: text("id")?.to_owned(),
                    principal: Principal::of_text(text("by")).unwrap_or_default(),
                    once: text("once").map(str::to_owned),
                };
                let message = Message::from(request.get("input")?.clone());
                let answer = match self.seat.place() {
                    Place::Here => self.call_here(service, operation, &message, &caller).await,
                    _ => None,
                };
                Some(match answer {
                    Some(answer) => write_answer(answer.map_err(|why| why.reported(service))),
                    None => Object::new().into(),
                })
            }
            "rules" => Some(json!({"rules": (self.events.has_rules())})),
            "event" => {
                let event = Event::read(request.get("event")?)?;
                self.events.tell(event).await;
                Some(Object::new().into())
            }
            _ => None,
        }
    }

    /// Sees whether the services have come here, or have gone, and whether another node has rules.
    pub(crate) async fn look_after_seat(self) {
        let mut last = None;
        while !self.seat.is_over() {
            let term = self.seat.term();
            if term != last {
                // Whoever waits for messages asks the node that has them now.
                self.sqs.ring_all();
                let resumed = match term {
                    Some(_) => self.deliveries.resume().await,
                    None => Ok(()),
                };
                match resumed {
                    Ok(()) => last = term,
                    Err(why) if why.is_elsewhere() => {}
                    Err(refusal) => {
                        let why = refusal.message;
                        tracing::error!(why, "events that were under way cannot be read");
                    }
                }
            }
            if let Place::At(address) = self.seat.place()
                && let Ok(reply) = self.ask(&address, json!({"do": "rules"})).await
                && let Some(has_rules) = reply.get("rules").and_then(Json::as_bool)
            {
                self.events.set_has_rules(has_rules);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Asks another node.
pub(crate) async fn ask(
    seat: &crate::Seat,
    address: &str,
    request: Json,
) -> Result<Json, PeerError> {
    let peers = seat.engine().and_then(|engine| engine.options().peers.clone());
    match peers {
        Some(peers) => peers.call(address, request).await,
        None => Err(PeerError::NotReached("the engine has ended".to_owned())),
    }
}

/// What the node is asked that has the services.
fn asked(service: &Service, operation: &Operation, message: &Message, caller: &Caller) -> Json {
    members([
        ("do", Some("service".into())),
        ("service", Some(service.name.as_str().into())),
        ("operation", Some(operation.name.as_str().into())),
        ("input", Some(message.value.clone())),
        ("url", Some(caller.url.as_str().into())),
        ("id", Some(caller.id.as_str().into())),
        ("by", caller.principal.text().map(Json::from)),
        ("once", caller.once.as_deref().map(Json::from)),
    ])
}

fn write_answer(answer: Result<Reply, ServiceError>) -> Json {
    match answer {
        Ok(reply) => members([
            ("reply", Some(reply.message.value)),
            ("status", reply.status.map(|status| i64::from(status).into())),
        ]),
        Err(error) => members([
            ("error", Some(error.code.into())),
            ("name", error.name.map(Json::from)),
            ("message", Some(error.message.into())),
            ("status", Some(i64::from(error.status).into())),
            ("fault", Some(error.is_fault.into())),
            ("detail", Some(error.detail)),
        ]),
    }
}

/// Reads an answer; `None` if the services are not at the node that was asked.
fn read_answer(answer: &Json) -> Option<Result<Reply, ServiceError>> {
    let text = |key: &str| answer.get(key).and_then(Json::as_str).map(str::to_owned);
    let status = answer.get("status").and_then(Json::as_i64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    if let Some(value) = answer.get("reply") {
        return Some(Ok(Reply { status, ..Reply::from(value.clone()) }));
    }
    Some(Err(ServiceError {
        code: text("error")?,
        name: text("name"),
        message: text("message").unwrap_or_default(),
        status: status.unwrap_or(500),
        is_fault: answer.get("fault").and_then(Json::as_bool).unwrap_or_default(),
        detail: answer.get("detail").cloned().unwrap_or_default(),
        ..ServiceError::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let service = table::service("sqs").expect("the table has it");
        let error = Refusal::new("QueueDoesNotExist", "it is not there").status(400);
        let error = error.with("Queue", "q").reported(service);
        let read = read_answer(&write_answer(Err(error.clone()))).expect("it is an answer");
        let read = read.expect_err("it is an error");
        assert_eq!(format!("{read:?}"), format!("{error:?}"));
        let reply = Reply { status: Some(201), ..Reply::from(json!({"a": [1, null]})) };
        let read = read_answer(&write_answer(Ok(reply))).expect("it is an answer");
        let read = read.expect("it is no error");
        assert_eq!((read.message.value, read.status), (json!({"a": [1, null]}), Some(201)));
        assert!(read_answer(&json!({})).is_none());
    }
}
