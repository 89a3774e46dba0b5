//! Who answers the tasks of a case: mocks, real functions, and executions of other state machines.

use crate::file::{Case, Machine};
use crate::run::{Functions, MOST_TURNS, Unmocked};
use crate::trace::ChildHistory;
use std::collections::BTreeSet;
use std::sync::Arc;
use stepwright_history::{Event, Failure, Moment, Stage, TaskCall, TaskId, TaskKind};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Limits, Program};
use stepwright_simulator::{
    Answer, Call, Form, MemoryObjects, MockCase, Mocks, Nesting, Outcome, Reply, Run, Tasks,
    input_of, machine_of, refused, starts_execution,
};

/// How deep executions may be nested.
pub(crate) const MOST_DEPTH: usize = 10;

/// How many executions the tasks of a case may start, at any depth.
pub(crate) const MOST_EXECUTIONS: usize = 1_000;

/// How many events the executions may have that the tasks of a case start, all together.
pub(crate) const MOST_EVENTS: usize = 1_000_000;

/// How many turns a nested execution may take.
const NESTED_TURNS: u64 = MOST_TURNS / 10;

/// An execution that a task of a case has started.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// Of which machine, by its place in the test file.
    pub(crate) machine: usize,
    /// Its name.
    pub(crate) name: String,
    /// The execution whose task has started it: its place among those that were started, or None for
    /// the one that is tested.
    pub(crate) parent: Option<usize>,
    /// The task that has started it, unless it belongs to a child of a distributed Map.
    pub(crate) task: Option<TaskId>,
    /// The state of that task.
    pub(crate) state: Str,
    /// Its input.
    pub(crate) input: Json,
    /// How it went.
    pub(crate) run: Run,
    /// The histories of the children of its distributed Maps.
    pub(crate) children: Vec<ChildHistory>,
}

/// What the executions of a case share.
pub(crate) struct World<'f> {
    machines: &'f [Machine],
    /// The programs of the machines, as the case runs them.
    programs: Vec<Arc<Program>>,
    /// The mocks of each machine.
    pub(crate) mocks: Vec<Mocks>,
    /// What is answered to the machine that is tested before its mocks are asked.
    mock_case: Option<MockCase>,
    functions: &'f dyn Functions,
    objects: MemoryObjects,
    seed: [u64; 2],
    pub(crate) unmocked: Vec<Unmocked>,
    /// The executions that were started, in the order in which they began. One that runs has no end yet.
    started: Vec<Option<Started>>,
    /// How many events those have that have ended.
    events: usize,
    /// The ARNs of all executions.
    names: BTreeSet<String>,
    /// The task tokens of tasks that wait for them, and what was sent to them when.
    tokens: Vec<(Str, Option<Sent>)>,
}

/// What was sent with a task token.
type Sent = (Moment, Result<Json, Failure>);

impl<'f> World<'f> {
    pub(crate) fn new(machines: &'f [Machine], case: &Case, functions: &'f dyn Functions) -> Self {
        let mocks: Vec<Mocks> = (0..machines.len())
            .map(|at| match at {
                0 => case.mocks.clone(),
                at => case.machine_mocks.get(&at).cloned().unwrap_or_default(),
            })
            .collect();
        let program = |(machine, mocks): (&Machine, &Mocks)| {
            let mut program = Arc::clone(&machine.program);
            if case.extended_limits {
                program =
                    Arc::new(Program { limits: Limits::EXTENDED, ..Program::clone(&program) });
            }
            mocks.applied_to(&program)
        };
        let base = case.seed.map_or([0x5157_4550, 0x5752_4947], |seed| [seed, seed ^ 0x5EED]);
        Self {
            machines,
            programs: machines.iter().zip(&mocks).map(program).collect(),
            mocks,
            mock_case: case.mock_case.clone(),
            functions,
            objects: case.mocks.objects.clone(),
            seed: base,
            unmocked: Vec::new(),
            started: Vec::new(),
            events: 0,
            names: BTreeSet::new(),
            tokens: Vec::new(),
        }
    }

    /// The program of a machine.
    pub(crate) fn program(&self, machine: usize) -> Arc<Program> {
        Arc::clone(&self.programs[machine])
    }

    /// The executions that were started, in the order in which they began.
    pub(crate) fn take_started(&mut self) -> Vec<Started> {
        self.started.drain(..).map(|one| one.expect("every execution has ended")).collect()
    }

    /// The states of all machines that have mocks, with what holds of them.
    fn mocked<'w>(
        &'w self,
        of: impl Fn(&'w Mocks) -> Vec<&'w str> + 'w,
    ) -> impl Iterator<Item = Str> + 'w {
        let mocks = self.mocks.iter().zip(self.machines).enumerate();
        mocks.flat_map(move |(at, (mocks, machine))| {
            let name = move |state: &str| shown(at, machine, state);
            of(mocks).into_iter().map(name).collect::<Vec<_>>()
        })
    }

    /// The states whose mocks nobody has asked for.
    pub(crate) fn unused(&self) -> Vec<Str> {
        self.mocked(Mocks::unused).collect()
    }

    /// The states that are mocked.
    pub(crate) fn states(&self) -> Vec<Str> {
        self.mocked(|mocks| mocks.states().collect()).collect()
    }

    /// The conditions that no call fulfils, with their states.
    pub(crate) fn never_matched(&self) -> Vec<(Str, String)> {
        let mocks = self.mocks.iter().zip(self.machines).enumerate();
        mocks
            .flat_map(|(at, (mocks, machine))| {
                let never = mocks.never_matched().into_iter();
                never.map(move |(state, condition)| (shown(at, machine, &state), condition))
            })
            .collect()
    }
}

/// How a report names a state: with its machine, if that is not the one that is tested.
fn shown(at: usize, machine: &Machine, state: &str) -> Str {
    if at == 0 { state.into() } else { machine.state(state) }
}

/// The tasks of one execution.
pub(crate) struct Answering<'w, 'f> {
    pub(crate) world: &'w mut World<'f>,
    /// Of which machine it is.
    machine: usize,
    /// Its place among those that were started.
    me: Option<usize>,
    depth: usize,
    pub(crate) children: Vec<ChildHistory>,
}

impl<'w, 'f> Answering<'w, 'f> {
    /// The tasks of the execution that is tested.
    pub(crate) fn tested(world: &'w mut World<'f>) -> Self {
        Self { world, machine: 0, me: None, depth: 0, children: Vec::new() }
    }

    fn give_up(&mut self, call: &TaskCall, why: String) -> Answer {
        let machine = &self.world.machines[self.machine].name;
        let machine = (self.machine > 0).then(|| machine.clone());
        let is_this = |one: &Unmocked| one.state == call.state && one.machine == machine;
        if !self.world.unmocked.iter().any(is_this) {
            self.world.unmocked.push(Unmocked {
                state: call.state.clone(),
                machine,
                resource: call.resource.clone(),
                input: call.parameters.clone(),
                why: why.clone(),
            });
        }
        // Nothing can catch it: a missing mock is no failure of the task.
        Answer::fails("States.Runtime", why)
    }

    fn found(&mut self, call: &Call<'_>) -> Answer {
        let of_case = self.world.mock_case.as_mut().filter(|_| self.machine == 0);
        if let Some(answer) = of_case.and_then(|case| case.answer(call)) {
            return answer;
        }
        let mocks = &mut self.world.mocks[self.machine];
        if !mocks.has(&call.call.state) {
            if starts_execution(call.call) {
                return self.start(call);
            }
            if sent(call.call).is_some_and(|(token, _)| self.awaits(&token)) {
                return Answer::returns(Object::new().into());
            }
            return self.give_up(call.call, "it has no mock".to_owned());
        }
        match mocks.reply(call) {
            Some(Reply::Answer(answer)) => answer,
            Some(Reply::Function { name, after_millis }) => {
                match self.world.functions.call(name.as_deref(), call.call) {
                    Ok((takes, result)) => {
                        let after = if after_millis > 0 { after_millis } else { takes };
                        Answer::new(match result {
                            Ok(output) => Outcome::Returns(output),
                            Err(failure) => Outcome::Fails(failure, Stage::Run),
                        })
                        .after(after)
                    }
                    Err(why) => {
                        let name = name.unwrap_or_else(|| call.call.resource.clone());
                        self.give_up(call.call, format!("`{name}` cannot be called: {why}"))
                    }
                }
            }
            None => self.give_up(call.call, "no case of its mock fits the input".to_owned()),
        }
    }

    /// Runs the execution that a task starts.
    fn start(&mut self, call: &Call<'_>) -> Answer {
        let arn = machine_of(call.call).to_owned();
        let Some(at) = Machine::meant(self.world.machines, &arn) else {
            let why = format!(
                "it has no mock, and the test file has no state machine `{arn}`: name its \
                 definition under `machines`"
            );
            return self.give_up(call.call, why);
        };
        let number = self.world.started.len() + 1;
        let past = if self.depth >= MOST_DEPTH {
            Some(format!("executions are nested more than {MOST_DEPTH} deep"))
        } else if number > MOST_EXECUTIONS {
            Some(format!("the tasks of the case start more than {MOST_EXECUTIONS} executions"))
        } else if self.world.events > MOST_EVENTS {
            Some(format!("the executions that tasks start have more than {MOST_EVENTS} events"))
        } else {
            None
        };
        if let Some(why) = past {
            return self.give_up(call.call, why);
        }
        let machine = &self.world.machines[at];
        let program = Arc::clone(&self.world.programs[at]);
        let objects = &self.world.mocks[at].objects;
        let objects =
            if objects.objects.is_empty() { &self.world.objects } else { objects }.clone();
        let seed = self.world.seed.map(|part| part.wrapping_add(number as u64));
        let nesting = Nesting {
            call,
            program: &program,
            machine: &machine.arn,
            name: format!("nested-{number}"),
            seed,
            request_id: format!("00000000-0000-4000-8000-{number:012x}"),
            objects,
            most_turns: NESTED_TURNS,
        };
        let execution = nesting.execution_arn();
        let is_new = self.world.names.insert(execution.clone());
        let form = Form::of(call.call);
        if !is_new && !machine.named.express {
            let message = format!("Execution Already Exists: '{execution}'");
            let failure = refused("ExecutionAlreadyExists", 400, &message, &nesting.request_id);
            let waits = form != Form::RequestResponse;
            let stage = if waits { Stage::Submit } else { Stage::Run };
            return Answer::new(Outcome::Fails(failure, stage));
        }
        if let (Form::TaskToken, Some(token)) = (form, &call.call.token) {
            self.world.tokens.push((token.clone(), None));
        }
        self.world.started.push(None);
        let mut within = Answering {
            machine: at,
            me: Some(number - 1),
            depth: self.depth + 1,
            children: Vec::new(),
            world: &mut *self.world,
        };
        let (run, answer) = nesting.run(&mut within);
        let children = within.children;
        let of_children = children.iter().map(|(_, events)| events.len());
        self.world.events += run.events.len() + of_children.sum::<usize>();
        self.world.started[number - 1] = Some(Started {
            machine: at,
            name: execution.rsplit(':').next().unwrap_or_default().to_owned(),
            parent: self.me,
            task: (!call.in_child).then_some(call.task),
            state: call.call.state.clone(),
            input: input_of(&call.call.parameters),
            run,
            children,
        });
        match self.received(call) {
            Some((at, outcome)) => {
                let outcome = match outcome {
                    Ok(output) => Outcome::Returns(output),
                    Err(failure) => Outcome::Fails(failure, Stage::Run),
                };
                let after_millis = (at.0 - call.at.0).max(0);
                Answer { outcome, after_millis, ..answer }
            }
            None => answer,
        }
    }

    /// Whether a task waits for this token.
    fn awaits(&self, token: &str) -> bool {
        self.world.tokens.iter().any(|(awaited, _)| awaited == token)
    }

    /// What the task of this call was sent with its token.
    fn received(&self, call: &Call<'_>) -> Option<Sent> {
        let token = call.call.token.as_ref()?;
        self.world.tokens.iter().find(|(awaited, _)| awaited == token)?.1.clone()
    }

    /// Remembers what a task sends to another one with a task token.
    fn note_sent(&mut self, call: &Call<'_>, answer: &Answer) {
        let Outcome::Returns(_) = answer.outcome else { return };
        let Some((token, outcome)) = sent(call.call) else { return };
        let waiting = self.world.tokens.iter_mut().find(|(awaited, _)| *awaited == token);
        if let Some((_, sent @ None)) = waiting {
            *sent = Some((call.at.after_millis(answer.after_millis), outcome));
        }
    }
}

/// The token, and what a task sends with it: `aws-sdk:sfn:sendTaskSuccess` and `…Failure`.
fn sent(call: &TaskCall) -> Option<(Str, Result<Json, Failure>)> {
    let TaskKind::Service { service, action } = &call.kind else { return None };
    let text = |key: &str| match call.parameters.get(key) {
        Some(Json::String(text)) => Some(text.clone()),
        _ => None,
    };
    let token = text("TaskToken").filter(|_| service == "aws-sdk:sfn")?;
    let outcome = match action.as_str() {
        "sendTaskSuccess" => {
            let output = call.parameters.get("Output").cloned().unwrap_or_default();
            Ok(match &output {
                Json::String(text) => stepwright_json::parse(text).unwrap_or(output),
                _ => output,
            })
        }
        "sendTaskFailure" => Err(Failure { error: text("Error"), cause: text("Cause") }),
        _ => return None,
    };
    Some((token, outcome))
}

impl Tasks for Answering<'_, '_> {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let answer = self.found(call);
        self.note_sent(call, &answer);
        answer
    }

    fn watch_child(&mut self, around: &[(Str, u32)], events: &[Event]) {
        self.children.push((around.to_vec(), events.to_vec()));
    }
}
