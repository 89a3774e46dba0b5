use crate::{Fork, Principal, Revision};
use std::sync::Arc;
use stepwright_history::TaskId;
use stepwright_json::{Json, Object, Str};
use stepwright_store::{About, ExecutionId};

/// The facts about an execution that never change.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its number in the store.
    pub id: ExecutionId,
    /// What the store keeps about it.
    pub about: About,
    /// The revision of its machine that it runs.
    pub revision: Arc<Revision>,
    /// The test case that answers its tasks, if it was started with `#TestCase`.
    pub test_case: Option<String>,
    /// The trace header it was started with.
    pub trace_header: Option<String>,
    /// The execution that waits for it, if one does.
    pub parent: Option<Parent>,
    /// On whose behalf it acts.
    pub principal: Principal,
    /// Where it was forked from, if it was.
    pub fork: Option<Fork>,
    /// Whether it is an Express execution.
    pub is_express: bool,
}

/// The execution that a child execution belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its number in the store.
    pub execution: ExecutionId,
    /// The task or map run of the parent that waits for it.
    pub task: TaskId,
    /// The child's index in the map run; `None` for a task.
    pub index: Option<u32>,
}

impl Facts {
    /// The execution's name: the last part of its ARN.
    pub fn name(&self) -> &str {
        self.about.arn.rsplit(':').next().unwrap_or_default()
    }

    /// The Map state around a child execution of a map run, with the index of its item. Empty for
    /// other executions.
    pub fn map_path(&self) -> Vec<(Str, u32)> {
        let index = self.parent.and_then(|parent| parent.index);
        let run = self.about.map_run.as_deref();
        // A map run's ARN ends in `MACHINE/LABEL:ID`.
        let label = run.and_then(|arn| Some(arn.rsplit_once('/')?.1.split(':').next()?.into()));
        label.zip(index).into_iter().collect()
    }
}

/// The contents of [`About::more`]: JSON, so that later releases can add to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct More {
    pub(crate) revision: String,
    pub(crate) test_case: Option<String>,
    pub(crate) trace_header: Option<String>,
    pub(crate) parent: Option<Parent>,
    pub(crate) principal: Principal,
    pub(crate) fork: Option<Fork>,
}

impl More {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("revision", self.revision.as_str().into());
        if let Some(case) = &self.test_case {
            object.insert("case", case.as_str().into());
        }
        if let Some(header) = &self.trace_header {
            object.insert("trace", header.as_str().into());
        }
        if let Some(Parent { execution, task, index }) = self.parent {
            let index = index.map_or(Json::Null, |index| Json::Int(i64::from(index)));
            let parts = vec![Json::Int(execution.0 as i64), Json::Int(task.0 as i64), index];
            object.insert("parent", parts.into());
        }
        if let Some(principal) = self.principal.text() {
            object.insert("by", principal.into());
        }
        if let Some(Fork { from, state }) = &self.fork {
            object.insert("fork", vec![Json::from(from.as_str()), state.as_str().into()].into());
        }
        Json::Object(object).to_string().into_bytes()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let value = stepwright_json::parse_bytes(bytes).ok()?;
        let text = |key: &str| value.get(key).and_then(Json::as_str).map(str::to_owned);
        let parent = value.get("parent").and_then(|parts| {
            Some(Parent {
                execution: ExecutionId(parts.at(0)?.as_i64()? as u64),
                task: TaskId(parts.at(1)?.as_i64()? as u64),
                index: parts.at(2)?.as_i64().map(|index| index as u32),
            })
        });
        Some(Self {
            revision: text("revision")?,
            test_case: text("case"),
            trace_header: text("trace"),
            parent,
            principal: Principal::of_text(
                value.get("by").map(|by| by.as_str().unwrap_or_default()),
            )?,
            fork: value.get("fork").and_then(|parts| {
                let text = |at: usize| parts.at(at)?.as_str().map(str::to_owned);
                Some(Fork { from: text(0)?, state: text(1)? })
            }),
        })
    }
}
