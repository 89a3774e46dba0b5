//! The plan of a deployment: which parts of a project are deployed, and in which template.

use crate::Origin;
use crate::complaint::{Complaints, Refused, Subject};
use crate::names::{Names, id, is_plain};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_fluxio::{Machine, Project, Task};
use stepwright_json::{Json, Object};

/// The machine that is used if none is named.
const MAIN: &str = "main";

/// The number of characters in a task's ARN other than the names of the project and the task.
const LONGEST_ARN: usize = 80;
/// The number of characters of a role's policies that are available for the tasks of a machine.
const MOST_POLICY: usize = 8_500;

/// The plan for deploying a project.
pub(crate) struct Plan<'a> {
    pub(crate) project: &'a Project,
    pub(crate) origin: &'a Origin<'a>,
    pub(crate) names: Names,
    /// The machines to deploy, in the order of the file.
    pub(crate) machines: Vec<Deployed<'a>>,
    /// The tasks that these machines use.
    pub(crate) tasks: BTreeMap<&'a str, &'a Task>,
}

/// A machine to deploy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployed<'a> {
    pub(crate) name: &'a str,
    pub(crate) machine: &'a Machine,
    pub(crate) definition: &'a Json,
    pub(crate) is_exported: bool,
}

/// What a machine subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source<'a> {
    /// A topic that another stack exports under this name.
    Import(&'a str),
    /// The topic of a machine; `project` may be this one.
    Machine { project: &'a str, machine: &'a str, status: &'a str },
}

/// What processes the events of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor<'a> {
    None,
    /// The default processor, available to every machine.
    Default,
    /// A class of the project.
    Own(&'a str),
}

impl<'a> Deployed<'a> {
    /// The id of its stack, which is also the name of its template.
    pub(crate) fn stack(&self) -> String {
        id(&self.machine.logical_id())
    }

    /// The machines that its states start.
    pub(crate) fn nested(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let states = self.machine.task_states.iter();
        states.filter(|state| state.service == "state-machine").map(|state| state.task.as_str())
    }

    /// The tasks that its states call.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let states = self.machine.task_states.iter();
        states.filter(|state| state.service != "state-machine").map(|state| state.task.as_str())
    }

    /// The sources that it subscribes to, without repetitions.
    pub(crate) fn sources(&self) -> BTreeSet<Source<'a>> {
        let subscribes = self.machine.decorators.subscribes.iter();
        subscribes.map(source).collect()
    }

    /// What processes its events.
    pub(crate) fn processor(&self) -> Processor<'a> {
        let Some(options) = self.machine.decorators.event_processor.as_ref() else {
            return Processor::None;
        };
        match options.get("processor").and_then(Json::as_str) {
            Some(class) => Processor::Own(class),
            None => Processor::Default,
        }
    }
}

fn source(subscribe: &Object) -> Source<'_> {
    let part = |name: &str| subscribe.get(name).and_then(Json::as_str);
    match part("topic_arn_import_value") {
        Some(import) => Source::Import(import),
        None => Source::Machine {
            project: part("project").unwrap_or_default(),
            machine: part("state_machine").unwrap_or(MAIN),
            status: part("status").unwrap_or("success"),
        },
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(project: &'a Project, origin: &'a Origin<'a>) -> Result<Self, Refused> {
        let mut complaints = Complaints::about(project);
        let machines = deployed(project, &mut complaints);
        let used: BTreeSet<&str> = machines.iter().flat_map(Deployed::tasks).collect();
        let tasks = project.tasks.iter().filter(|(name, _)| used.contains(name.as_str()));
        let tasks = tasks.map(|(name, task)| (name.as_str(), task)).collect();
        let names = Names::new(origin.name);
        let mut plan = Self { project, origin, names, machines, tasks };
        plan.check_names(&mut complaints);
        plan.check_machines(&mut complaints);
        for task in plan.tasks.values() {
            complaints.extend(&task.complaints);
        }
        complaints.or_ok(plan)
    }

    /// The machine with this name, if it is to be deployed.
    pub(crate) fn machine(&self, name: &str) -> Option<&Deployed<'a>> {
        self.machines.iter().find(|machine| machine.name == name)
    }

    /// The machines whose states call a task.
    pub(crate) fn users(&self, task: &str) -> impl Iterator<Item = &Deployed<'a>> {
        self.machines.iter().filter(move |machine| machine.tasks().any(|name| name == task))
    }

    /// The machines that start a machine, directly or through others.
    pub(crate) fn ancestors(&self, machine: &str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = vec![machine];
        while let Some(name) = open.pop() {
            for parent in &self.machines {
                if parent.nested().any(|nested| nested == name) && found.insert(parent.name) {
                    open.push(parent.name);
                }
            }
        }
        found
    }

    /// The other projects to whose machines this project subscribes.
    pub(crate) fn sources(&self) -> BTreeSet<&'a str> {
        let sources = self.machines.iter().flat_map(Deployed::sources);
        sources
            .filter_map(|source| match source {
                Source::Machine { project, .. } => Some(project),
                Source::Import(_) => None,
            })
            .filter(|project| *project != self.origin.name)
            .collect()
    }

    /// The tasks that run on a service.
    pub(crate) fn on(&self, service: &str) -> impl Iterator<Item = (&'a str, &'a Task)> {
        let tasks = self.tasks.iter().map(|(name, task)| (*name, *task));
        tasks.filter(move |(_, task)| task.service() == service)
    }

    /// Whether any task runs on ECS.
    pub(crate) fn has_containers(&self) -> bool {
        self.on("ecs").chain(self.on("ecs:worker")).next().is_some()
    }

    /// Notes on things that the user may not expect.
    pub(crate) fn notes(&self) -> Vec<String> {
        let unused =
            self.project.tasks.keys().filter(|name| !self.tasks.contains_key(name.as_str()));
        let mut notes: Vec<String> = unused
            .map(|name| format!("the task `{name}` is used by no state machine: it is left out"))
            .collect();
        let has_functions = self.on("lambda").next().is_some();
        if has_functions && self.origin.requirements.is_some_and(|text| !text.trim().is_empty()) {
            let note = "what requirements.txt names is not in the folders of functions: \
                        pip install --target FOLDER --requirement FOLDER/requirements.txt";
            notes.push(note.to_owned());
        }
        notes
    }

    fn check_names(&mut self, complaints: &mut Complaints) {
        let project = self.origin.name;
        if !is_plain(project) {
            let message =
                "it is the first part of names in AWS, which have letters, digits, - and _";
            let subject = format!("the project's folder `{project}`");
            complaints.add(subject, message, "rename the folder");
        }
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for (name, task) in &self.tasks {
            let subject = Subject::task(name);
            check_plain(&subject, name, complaints);
            if let Some(other) = taken.insert(id(name).to_lowercase(), name) {
                let message = format!("its name is that of `{other}` but for case or `_`");
                complaints.add(&subject, message, "rename one: their folders would be the same");
            }
            let (part, most) = match task.service() {
                "lambda" | "lambda:container" => ((*name).to_owned(), 64),
                "ecs:worker" => (format!("{name}-dead.fifo"), 80),
                "lambda:pexpm-runner" => continue,
                _ => ((*name).to_owned(), 150),
            };
            self.names.limit(&subject, &part, most, complaints);
        }
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for machine in &self.machines {
            let subject = Subject::machine(machine.name);
            check_plain(&subject, machine.name, complaints);
            if let Some(other) = taken.insert(id(machine.name).to_lowercase(), machine.name) {
                let message = format!("its name is that of `{other}` but for case or `_`");
                complaints.add(&subject, message, "rename one: their templates would be the same");
            }
            self.names.limit(&subject, machine.name, 80, complaints);
        }
    }

    fn check_machines(&self, complaints: &mut Complaints) {
        for name in &self.project.names {
            let Some(machine) = self.project.machines.get(name) else { continue };
            let subject = Subject::machine(name);
            if machine.decorators.event_processor.is_some() && self.machine(name).is_none() {
                let message = "it is only a branch or iterator: it has no executions with events";
                complaints.add(&subject, message, "put @process_events on the machine around it");
            }
            let Some(deployed) = self.machine(name) else { continue };
            self.check_policy(&subject, deployed, complaints);
            if let Some(schedule) = &machine.decorators.schedule {
                crate::schedule::check(&subject, schedule, complaints);
            }
            for subscribe in &machine.decorators.subscribes {
                let has = |part: &str| subscribe.get(part).is_some_and(|value| !value.is_null());
                if has("project") == has("topic_arn_import_value") {
                    let message = "@subscribe takes one of `project` and `topic_arn_import_value`";
                    complaints.add(&subject, message, "write @subscribe(project=\"…\")");
                }
            }
            for source in deployed.sources() {
                self.check_source(&subject, source, complaints);
            }
        }
    }

    /// Checks the size of a machine's policy, which is limited: it names each task that the machine
    /// calls.
    fn check_policy(&self, subject: &Subject, machine: &Deployed<'_>, complaints: &mut Complaints) {
        let called: BTreeSet<&str> = machine.tasks().chain(machine.nested()).collect();
        let of_name = |name: &str| LONGEST_ARN + self.names.project.len() + name.len();
        let size: usize = called.iter().map(|name| of_name(name)).sum();
        if size > MOST_POLICY {
            let message = format!(
                "it calls {} tasks and machines, more than the policy of one role can name",
                called.len()
            );
            complaints.add(subject, message, "move some of its states to a nested state machine");
        }
    }

    fn check_source(&self, subject: &Subject, source: Source<'_>, complaints: &mut Complaints) {
        let Source::Machine { project, machine, .. } = source else { return };
        if project.is_empty() {
            return;
        }
        if project == self.origin.name {
            if !self.machine(machine).is_some_and(|machine| machine.is_exported) {
                let message = format!(
                    "it subscribes to `{machine}` of this project, which is no exported state machine"
                );
                complaints.add(subject, message, "put @export() on that one, or name another");
            }
            return;
        }
        for (what, name) in [("project", project), ("state machine", machine)] {
            if !is_plain(name) {
                let message =
                    format!("it subscribes to the {what} `{name}`, which cannot be a name");
                complaints.add(subject, message, "names have letters, digits, - and _");
            }
        }
    }
}

fn check_plain(subject: &Subject, name: &str, complaints: &mut Complaints) {
    if !is_plain(name) {
        let message = "names in AWS have the letters of English, digits and `_`";
        complaints.add(subject, message, "rename it");
    }
}

/// Finds the machines to deploy. A function that is only used as a branch or iterator is not a
/// machine of its own, unless a decorator makes it one.
fn deployed<'a>(project: &'a Project, complaints: &mut Complaints) -> Vec<Deployed<'a>> {
    let mut machines = Vec::new();
    for name in &project.names {
        let Some(machine) = project.machines.get(name) else { continue };
        if !project.is_deployed(name) {
            continue;
        }
        let is_exported = project.is_exported(name);
        match &machine.definition {
            Ok(definition) => {
                machines.push(Deployed { name, machine, definition, is_exported });
            }
            Err(error) => complaints.add(
                Subject::machine(name),
                format!("it has no definition: {}", error.message),
                "mend it first",
            ),
        }
    }
    if machines.is_empty() {
        let message = "it has no state machine to deploy";
        complaints.add("the project", message, "write `def main(data):`");
    }
    machines
}
