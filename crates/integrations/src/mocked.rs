//! Tasks that a test case of a mock file answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stepwright_engine::{Call, Report};
use stepwright_interpreter::Stimulus;
use stepwright_simulator::MockConfig;

/// A mock file, and how often each state of each execution was called.
pub(crate) struct Mocked {
    config: MockConfig,
    calls: Mutex<BTreeMap<(String, String), u64>>,
}

/// More counters than this are those of executions that are long over.
const MOST_COUNTERS: usize = 100_000;

impl Mocked {
    pub(crate) fn new(config: MockConfig) -> Self {
        Self { config, calls: Mutex::default() }
    }

    /// Answers a task if a test case does; says whether.
    pub(crate) fn answer(&self, call: &Call, report: &Report) -> bool {
        let Some(case) = &call.facts.test_case else { return false };
        let machine = call.facts.about.machine.rsplit(':').next().unwrap_or_default();
        let number = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if calls.len() > MOST_COUNTERS {
                calls.clear();
            }
            let key = (call.facts.about.arn.clone(), call.call.state.to_string());
            let counter = calls.entry(key).or_insert(0);
            *counter += 1;
            *counter - 1
        };
        let Some(answer) = self.config.answer(machine, case, &call.call, number) else {
            return false;
        };
        for (after, stimulus) in answer.stimuli(call.task) {
            let report = report.clone();
            if after == 0 {
                say(&report, stimulus);
                continue;
            }
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after as u64)).await;
                say(&report, stimulus);
            });
        }
        true
    }
}

fn say(report: &Report, stimulus: Stimulus) {
    match stimulus {
        Stimulus::TaskStarted { worker, .. } => report.started(worker),
        Stimulus::TaskSubmitted { output, .. } => report.submitted(output),
        Stimulus::TaskHeartbeat { .. } => report.heartbeat(),
        Stimulus::TaskSucceeded { output, .. } => report.succeeded(output),
        Stimulus::TaskFailed { failure, stage, .. } => report.failed(failure, stage),
        _ => unreachable!("a mock answers a task and nothing else"),
    }
}
