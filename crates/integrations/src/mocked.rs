//! Tasks that mocks answer: a test case of a Step Functions Local mock file, or a mocks file of
//! Stepwright's own format.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use stepwright_engine::Call;
use stepwright_history::Moment;
use stepwright_simulator::{
    self as simulator, Answer, Entries, MockCase, MockConfig, Mocks, Reply,
};

/// The mocks. They answer tasks before anything else is asked.
#[derive(Debug, Default)]
pub struct Mocked {
    /// False if there are no mocks at all. Then no lock is needed to know that.
    is_some: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The mock file whose test cases executions are started with (`…:stateMachine:NAME#CASE`).
    config: Option<MockConfig>,
    /// The test cases that were used so far, by machine and case.
    cases: BTreeMap<(String, String), MockCase>,
    /// The test case that answers every execution.
    case: Option<MockCase>,
    mocks: Option<Mocks>,
    /// How often states were entered, by execution.
    entries: BTreeMap<String, Entries>,
    calls: usize,
}

/// A mock's reaction to a call.
pub(crate) enum Met {
    /// It gives this answer.
    Answer(Answer),
    /// It passes the call on to a function, after this many milliseconds: to the named one, or to
    /// the one that the task calls.
    Function { name: Option<String>, after_millis: i64 },
}

/// After this many calls the counts are cleared, as most of them belong to executions that ended
/// long ago.
const MOST_CALLS: usize = 100_000;

impl Mocked {
    /// Adds a Step Functions Local mock file, whose test cases executions are started with.
    #[must_use]
    pub fn with_config(mut self, config: Option<MockConfig>) -> Self {
        self.is_some |= config.is_some();
        self.state.get_mut().config = config;
        self
    }

    /// The test cases that executions can be started with, by machine; `None` without a mock file.
    pub fn test_cases(&self) -> Option<BTreeMap<String, Vec<String>>> {
        let state = self.state.lock();
        let config = state.config.as_ref()?;
        let cases = |machine: &str| config.cases(machine).into_iter().map(str::to_owned).collect();
        let machines = config.machines().into_iter();
        Some(machines.map(|machine| (machine.to_owned(), cases(machine))).collect())
    }

    /// Adds one test case, which answers every execution.
    #[must_use]
    pub fn with_case(mut self, case: Option<MockCase>) -> Self {
        self.is_some |= case.is_some();
        self.state.get_mut().case = case;
        self
    }

    /// Adds a mocks file.
    #[must_use]
    pub fn with_mocks(mut self, mocks: Option<Mocks>) -> Self {
        self.is_some |= mocks.is_some();
        self.state.get_mut().mocks = mocks;
        self
    }

    /// The mocks that no task has used.
    pub fn unused(&self) -> Vec<String> {
        let state = self.state.lock();
        let of_case = state.case.iter().flat_map(MockCase::unused);
        let of_mocks = state.mocks.iter().flat_map(Mocks::unused);
        of_case.chain(of_mocks).map(str::to_owned).collect()
    }

    /// Whether there is an answer for a task.
    pub(crate) fn has(&self, call: &Call) -> bool {
        if !self.is_some {
            return false;
        }
        let state = self.state.lock();
        let name = call.call.state.as_str();
        let is_in_case = |case: &MockCase| case.states().contains(&name);
        call.facts.test_case.is_some()
            || state.case.as_ref().is_some_and(is_in_case)
            || state.mocks.as_ref().is_some_and(|mocks| mocks.has(name))
    }

    /// The mocks' reaction to a task of an engine; `None` if they do not concern it.
    pub(crate) fn meet_task(&self, call: &Call, at: Moment) -> Option<Met> {
        if !self.is_some {
            return None;
        }
        let execution = call.facts.about.arn.as_str();
        let entry = {
            let mut state = self.state.lock();
            state.calls += 1;
            if state.calls > MOST_CALLS {
                state.calls = 0;
                state.entries.clear();
                state.cases.clear();
            }
            let entries = state.entries.entry(execution.to_owned()).or_default();
            entries.of(&call.map_path, &call.call)
        };
        let asked = simulator::Call {
            call: &call.call,
            map_path: &call.map_path,
            entry,
            attempt: call.call.retry_count,
            in_child: call.facts.about.map_run.is_some(),
            execution,
            task: call.task,
            at,
        };
        let machine = call.facts.about.machine.rsplit(':').next().unwrap_or_default();
        self.meet(machine, call.facts.test_case.as_deref(), &asked)
    }

    /// The mocks' reaction to a call of a machine.
    pub(crate) fn meet(
        &self,
        machine: &str,
        test_case: Option<&str>,
        call: &simulator::Call<'_>,
    ) -> Option<Met> {
        let mut state = self.state.lock();
        if let Some(answer) = state.of_case(machine, test_case, call) {
            return Some(Met::Answer(answer));
        }
        let mocks = state.mocks.as_mut().filter(|mocks| mocks.has(&call.call.state))?;
        Some(match mocks.reply(call) {
            None => Met::Answer(mocks.missing(call)),
            Some(Reply::Answer(answer)) => Met::Answer(answer),
            Some(Reply::Function { name, after_millis }) => {
                Met::Function { name: name.map(Into::into), after_millis }
            }
        })
    }
}

impl State {
    fn of_case(
        &mut self,
        machine: &str,
        test_case: Option<&str>,
        call: &simulator::Call<'_>,
    ) -> Option<Answer> {
        if let Some(case) = &mut self.case {
            return case.answer(call);
        }
        let (config, case) = (self.config.as_ref()?, test_case?);
        let key = (machine.to_owned(), case.to_owned());
        if !self.cases.contains_key(&key) {
            let case = config.case(machine, case)?;
            self.cases.insert(key.clone(), case);
        }
        self.cases.get_mut(&key)?.answer(call)
    }
}
