use super::{COMPRESS_FROM, EARLIER, FORMAT, LZ4, NUMBERED, PLAIN, UNNUMBERED};
use crate::{
    Event, EventKind, Failure, Identity, Keeps, MapPlan, Stage, Start, StateType, TaskCall,
    TaskKind, To,
};
use rustc_hash::FxHashMap;
use stepwright_json::{Array, Json, Object};

/// The bytes of a turn's events.
pub fn encode(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::default();
    // One for all records: it knows the values, and its memory is used again.
    let mut body = Writer::default();
    writer.number(events.len() as u64);
    let mut at = 0;
    for event in events {
        writer.signed(event.at.0.wrapping_sub(at));
        at = event.at.0;
        writer.number(u64::from(event.frame.0));
        writer.number(event.id);
        writer.number(event.previous);
        body.bytes.clear();
        let (kind, revision) = body.kind(&event.kind);
        writer.bytes.push(kind);
        writer.bytes.push(revision);
        writer.number(body.bytes.len() as u64);
        writer.bytes.extend_from_slice(&body.bytes);
    }
    let (compression, packed) = if writer.bytes.len() < COMPRESS_FROM {
        (PLAIN, writer.bytes)
    } else {
        (LZ4, lz4_flex::compress_prepend_size(&writer.bytes))
    };
    let mut chunk = Vec::with_capacity(6 + packed.len());
    chunk.extend([FORMAT, compression]);
    chunk.extend(crc32fast::hash(&packed).to_le_bytes());
    chunk.extend(packed);
    chunk
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    values: Values,
    text: String,
}

/// The values written so far, by address. What has an address here is alive: the events hold it.
#[derive(Default)]
struct Values {
    numbers: FxHashMap<usize, u64>,
}

impl Writer {
    /// A record's body; the number and the revision of its kind.
    fn kind(&mut self, kind: &EventKind) -> (u8, u8) {
        use EventKind as E;
        let number = match kind {
            E::ExecutionStarted(start) => {
                self.start(start);
                0
            }
            E::ExecutionSucceeded { output } => {
                self.json(output);
                1
            }
            E::ExecutionFailed { failure } => {
                self.failure(failure);
                2
            }
            E::ExecutionTimedOut { failure } => {
                self.failure(failure);
                3
            }
            E::ExecutionAborted { failure } => {
                self.failure(failure);
                4
            }
            E::ExecutionRedriven { count, deadline } => {
                self.number(u64::from(*count));
                self.deadline(deadline.map(|(due, timer)| (due.0, timer.0)));
                5
            }
            E::StateEntered { state, kind, name, input } => {
                self.number(u64::from(*state));
                self.state_type(*kind);
                self.str(name);
                self.json(input);
                6
            }
            E::StateExited { kind, name, output, assigned, to } => {
                self.state_type(*kind);
                self.str(name);
                self.json(output);
                self.option(assigned.as_ref(), Writer::object);
                match to {
                    To::End => self.number(0),
                    To::Next(state) => self.number(u64::from(*state) + 1),
                }
                7
            }
            E::StateAborted { kind } => {
                self.state_type(*kind);
                8
            }
            E::EvaluationFailed { failure, state, location } => {
                self.failure(failure);
                self.str(state);
                self.option(location.as_ref(), |w, text| w.str(text));
                9
            }
            E::TaskScheduled { task, call, deadline, heartbeat_deadline, timer } => {
                self.number(task.0);
                self.call(call);
                self.option(deadline.as_ref(), |w, at| w.signed(at.0));
                self.option(heartbeat_deadline.as_ref(), |w, at| w.signed(at.0));
                self.option(timer.as_ref(), |w, timer| w.number(timer.0));
                10
            }
            E::TaskStarted { task, worker } => {
                self.number(task.0);
                self.option(worker.as_ref(), |w, text| w.str(text));
                11
            }
            E::TaskSubmitted { task, output } => {
                self.number(task.0);
                self.json(output);
                12
            }
            E::TaskHeartbeat { task, deadline, timer } => {
                self.number(task.0);
                self.signed(deadline.0);
                self.number(timer.0);
                13
            }
            E::TaskSucceeded { task, output } => {
                self.number(task.0);
                self.json(output);
                14
            }
            E::TaskFailed { task, failure, stage } => {
                self.number(task.0);
                self.failure(failure);
                self.bytes.push(match stage {
                    Stage::Schedule => 0,
                    Stage::Start => 1,
                    Stage::Submit => 2,
                    Stage::Run => 3,
                });
                15
            }
            E::TaskTimedOut { task, failure, heartbeat } => {
                self.number(task.0);
                self.failure(failure);
                self.bytes.push(u8::from(*heartbeat));
                16
            }
            E::RetryScheduled { retrier, due, timer } => {
                self.number(u64::from(*retrier));
                self.signed(due.0);
                self.number(timer.0);
                17
            }
            E::TimerFired { timer } => {
                self.number(timer.0);
                18
            }
            E::WaitStarted { due, timer } => {
                self.signed(due.0);
                self.number(timer.0);
                19
            }
            E::ParallelStarted { branches, input } => {
                self.number(branches.len() as u64);
                for branch in branches {
                    self.number(u64::from(*branch));
                }
                self.json(input);
                20
            }
            E::ParallelSucceeded => 21,
            E::ParallelFailed => 22,
            E::MapStarted { length, plan } => {
                self.number(u64::from(*length));
                self.plan(plan);
                23
            }
            E::MapIterationStarted { index, name, input } => {
                self.number(u64::from(*index));
                self.str(name);
                self.json(input);
                24
            }
            E::MapIterationSucceeded { index, name, output } => {
                self.number(u64::from(*index));
                self.str(name);
                self.json(output);
                25
            }
            E::MapIterationFailed { index, name } => {
                self.number(u64::from(*index));
                self.str(name);
                26
            }
            E::MapIterationAborted { index, name } => {
                self.number(u64::from(*index));
                self.str(name);
                27
            }
            E::MapSucceeded => 28,
            E::MapFailed => 29,
            E::MapRunStarted { run, arn } => {
                self.number(run.0);
                self.str(arn);
                30
            }
            E::MapRunItems { inputs } => {
                self.items(inputs);
                31
            }
            E::ChildStarted { index } => {
                self.number(u64::from(*index));
                32
            }
            E::ChildFinished { index, result } => {
                self.number(u64::from(*index));
                self.result(result);
                33
            }
            E::MapRunWriting { request } => {
                self.json(request);
                34
            }
            E::MapRunSucceeded => 35,
            E::MapRunFailed { failure } => {
                self.failure(failure);
                36
            }
            E::MapRunUpdated { max_concurrency, tolerated_count, tolerated_percentage } => {
                self.option(max_concurrency.as_ref(), |w, limit| w.number(u64::from(*limit)));
                self.option(tolerated_count.as_ref(), |w, count| w.number(*count));
                self.option(tolerated_percentage.as_ref(), |w, number| w.float(*number));
                37
            }
            E::MapRunRedriven { arn, count } => {
                self.str(arn);
                self.number(u64::from(*count));
                38
            }
            E::WholeAsked { task, call } => {
                self.number(task.0);
                self.call(call);
                40
            }
            E::WholeAnswered { task, result } => {
                self.number(task.0);
                self.result(result);
                41
            }
            E::MapRunPage(page) => {
                self.items(&page.inputs);
                self.number(u64::from(page.items));
                self.items(&page.batch);
                self.option(page.next.as_ref(), Writer::json);
                self.bytes.push(match page.keeps {
                    Keeps::Nothing => 0,
                    Keeps::Everything => 1,
                    Keeps::Results => 2,
                });
                39
            }
        };
        // Later revisions say something that the first do not; where there is nothing of it to say, the
        // first is written.
        let revision = match kind {
            E::ExecutionStarted(start) if !start.variables.is_empty() => 3,
            E::ExecutionStarted(start) if start.input_text.is_some() => 2,
            E::MapStarted { plan, .. } if plan.of_object => 2,
            _ => 1,
        };
        (number, revision)
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    fn float(&mut self, number: f64) {
        self.bytes.extend(number.to_bits().to_le_bytes());
    }

    fn str(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.bytes.push(0),
            Some(value) => {
                self.bytes.push(1);
                write(self, value);
            }
        }
    }

    fn json(&mut self, value: &Json) {
        match value.address() {
            None => self.number(UNNUMBERED),
            Some(address) => {
                let next = self.values.numbers.len() as u64;
                let number = *self.values.numbers.entry(address).or_insert(next);
                if number != next {
                    self.number(EARLIER + number);
                    return;
                }
                self.number(NUMBERED);
            }
        }
        self.text.clear();
        value.write(&mut self.text);
        self.number(self.text.len() as u64);
        self.bytes.extend_from_slice(self.text.as_bytes());
        // A turn may come to megabytes.
        stepwright_background::breathe();
    }

    fn object(&mut self, object: &Object) {
        self.json(&Json::Object(object.clone()));
    }

    /// A list item by item, for the items come up again one by one.
    fn items(&mut self, items: &Array) {
        self.number(items.len() as u64);
        for item in items {
            self.json(item);
        }
    }

    fn failure(&mut self, failure: &Failure) {
        self.option(failure.error.as_ref(), |w, text| w.str(text));
        self.option(failure.cause.as_ref(), |w, text| w.str(text));
    }

    fn state_type(&mut self, kind: StateType) {
        self.bytes.push(match kind {
            StateType::Task => 0,
            StateType::Pass => 1,
            StateType::Choice => 2,
            StateType::Wait => 3,
            StateType::Succeed => 4,
            StateType::Fail => 5,
            StateType::Parallel => 6,
            StateType::Map => 7,
        });
    }

    fn deadline(&mut self, deadline: Option<(i64, u64)>) {
        self.option(deadline, |w, (due, timer)| {
            w.signed(due);
            w.number(timer);
        });
    }

    fn start(&mut self, start: &Start) {
        let Start { input, input_text, identity, first, deadline, seed, map_context, variables } =
            start;
        self.json(input);
        let Identity {
            execution_arn,
            name,
            role_arn,
            state_machine_arn,
            state_machine_name,
            region,
        } = identity;
        for text in [execution_arn, name, role_arn, state_machine_arn, state_machine_name, region] {
            self.str(text);
        }
        self.number(u64::from(*first));
        self.deadline(deadline.map(|(due, timer)| (due.0, timer.0)));
        for part in seed {
            self.bytes.extend(part.to_le_bytes());
        }
        self.option(map_context.as_ref(), Writer::json);
        if !variables.is_empty() {
            self.option(input_text.as_ref(), |w, text| w.str(text));
            self.object(variables);
        } else if let Some(text) = input_text {
            self.str(text);
        }
    }

    fn result(&mut self, result: &Result<Json, Failure>) {
        match result {
            Ok(output) => {
                self.bytes.push(1);
                self.json(output);
            }
            Err(failure) => {
                self.bytes.push(0);
                self.failure(failure);
            }
        }
    }

    fn call(&mut self, call: &TaskCall) {
        let TaskCall {
            resource,
            kind,
            parameters,
            region,
            timeout_seconds,
            heartbeat_seconds,
            credentials,
            state,
            retry_count,
            token,
        } = call;
        self.str(resource);
        match kind {
            TaskKind::Lambda => self.bytes.push(0),
            TaskKind::Activity => self.bytes.push(1),
            TaskKind::Whole => self.bytes.push(3),
            TaskKind::Service { service, action } => {
                self.bytes.push(2);
                self.str(service);
                self.str(action);
            }
        }
        self.json(parameters);
        self.str(region);
        self.option(timeout_seconds.as_ref(), |w, seconds| w.signed(*seconds));
        self.option(heartbeat_seconds.as_ref(), |w, seconds| w.signed(*seconds));
        self.option(credentials.as_ref(), |w, text| w.str(text));
        self.str(state);
        self.number(u64::from(*retry_count));
        self.option(token.as_ref(), |w, text| w.str(text));
    }

    fn plan(&mut self, plan: &MapPlan) {
        let MapPlan {
            items,
            of_object,
            first,
            max_concurrency,
            distributed,
            tolerated_count,
            tolerated_percentage,
            reader,
        } = plan;
        self.items(items);
        self.number(u64::from(*first));
        self.number(u64::from(*max_concurrency));
        self.bytes.push(u8::from(*distributed) | u8::from(*of_object) << 1);
        self.option(tolerated_count.as_ref(), |w, count| w.number(*count));
        self.option(tolerated_percentage.as_ref(), |w, number| w.float(*number));
        self.option(reader.as_ref(), Writer::json);
    }
}
