//! An execution of a server whose events are read as they come.

use crate::Client;
use crate::find::{self, text};
use std::sync::Arc;
use std::time::Duration;
use stepwright_asl::Definition;
use stepwright_json::{Json, Object, Syntax};
use stepwright_program::Program;
use stepwright_terminal::report::Failure;
use stepwright_terminal::{Happening, KnownMachine, Screen};
use stepwright_timeline::recorded::{Reader, id_of};

/// The largest page of a history.
const PAGE: i64 = 1_000;

/// An execution of a server.
pub(crate) struct Followed {
    pub(crate) arn: String,
    pub(crate) machine: String,
    program: Option<Arc<Program>>,
    pub(crate) definition: Option<Definition>,
    reader: Reader,
    /// The id of the last event that was read, and the page it was on.
    last: i64,
    page: Option<Json>,
    /// The events as the server gave them, if they are kept.
    pub(crate) events: Vec<Json>,
}

impl Followed {
    /// An execution, and its definition if the server has one that can be used.
    pub(crate) fn new(client: &Client, arn: String) -> Self {
        let about = find::request(&[("executionArn", &arn)]).into();
        // A child of a map run, or a server that lacks the operation: the timeline does without.
        let described = client.call("DescribeStateMachineForExecution", &about).ok();
        let definition = described.as_ref().and_then(|described| {
            // A person reads places in it, so it is laid out as one would write it.
            let written = stepwright_json::parse(text(described, "definition")).ok()?;
            Definition::parse(&(written.pretty() + "\n"), Syntax::Strict).ok()
        });
        let program = definition.as_ref().and_then(|it| stepwright_program::compile(it).ok());
        let machine = match &described {
            Some(described) => text(described, "stateMachineArn").to_owned(),
            None => machine_of(&arn),
        };
        Self {
            arn,
            machine,
            program: program.map(Arc::new),
            definition,
            reader: Reader::default(),
            last: 0,
            page: None,
            events: Vec::new(),
        }
    }

    /// The name of its state machine.
    pub(crate) fn machine_name(&self) -> &str {
        self.machine.rsplit(':').next().unwrap_or_default()
    }

    /// Tells a screen what it needs to know before the first event.
    pub(crate) fn introduce(&self, screen: &Screen) {
        screen
            .know(&self.machine, KnownMachine { program: self.program.clone(), is_recorded: true });
    }

    /// Reads the events that are new, and shows them. Returns whether there were any.
    pub(crate) fn read(
        &mut self,
        client: &Client,
        screen: &Screen,
        keep: bool,
    ) -> Result<bool, Failure> {
        let mut is_new = false;
        loop {
            let mut request = Object::new();
            request.insert("executionArn", self.arn.as_str().into());
            request.insert("maxResults", Json::Int(PAGE));
            request.insert("includeExecutionData", Json::Bool(true));
            if let Some(token) = &self.page {
                request.insert("nextToken", token.clone());
            }
            let page = client.call("GetExecutionHistory", &request.into())?;
            let events = page.get("events").and_then(Json::as_array);
            let new: Vec<Json> = events
                .into_iter()
                .flat_map(|events| events.iter())
                .filter(|event| id_of(event).is_some_and(|id| id > self.last))
                .cloned()
                .collect();
            let next = page.get("nextToken").filter(|token| !token.is_null());
            if let Some(last) = new.last().and_then(id_of) {
                self.last = last;
                is_new = true;
                let events = self.reader.read(&new, self.program.as_deref(), next.is_some());
                let (execution, machine) = (self.arn.as_str(), self.machine.as_str());
                screen.events(&Happening { execution, machine, events: &events });
                if keep {
                    self.events.extend(new);
                }
            }
            match next {
                Some(token) => self.page = Some(token.clone()),
                // What comes next is on this page, or on one after it.
                None => return Ok(is_new),
            }
        }
    }

    /// The status of the execution.
    pub(crate) fn status(&self, client: &Client) -> Result<Json, Failure> {
        Ok(client
            .call("DescribeExecution", &find::request(&[("executionArn", &self.arn)]).into())?)
    }

    /// Shows what happens until the execution has ended, and returns its description.
    pub(crate) fn until_the_end(
        &mut self,
        client: &Client,
        screen: &Screen,
    ) -> Result<Json, Failure> {
        loop {
            // The status first: what ended it is then in the history.
            let described = self.status(client)?;
            self.read(client, screen, false)?;
            if text(&described, "status") != "RUNNING" {
                return Ok(described);
            }
            std::thread::sleep(pause(client));
        }
    }
}

/// How long to wait before a server is asked again.
pub(crate) fn pause(client: &Client) -> Duration {
    Duration::from_millis(if client.is_aws() { 2_000 } else { 250 })
}

/// The state machine of an execution, by its ARN.
fn machine_of(arn: &str) -> String {
    let mut parts: Vec<&str> = arn.split(':').collect();
    parts.truncate(7);
    let machine = parts.join(":").replacen(":execution:", ":stateMachine:", 1);
    machine.replacen(":express:", ":stateMachine:", 1)
}
