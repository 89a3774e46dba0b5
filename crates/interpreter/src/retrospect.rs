//! What those who read a history back ask: where an event happened, and why it went that way.

use crate::context;
use crate::execution::{Execution, Phase};
use crate::failure::{self, Failed};
use crate::view::{More, View};
use std::cell::Cell;
use stepwright_history::{Failure, FrameId, Moment, TaskId};
use stepwright_json::{Array, Json, Object, Str};
use stepwright_program::{Catcher, Choice, InputPath, Io, Limits, StateId};

impl Execution {
    /// The Parallel and Map states around a frame, from the outside in, with the index of the
    /// branch or item. Empty for the top level, and for a frame that does not live.
    pub fn scopes_around(&self, frame: FrameId) -> Vec<(Str, u32)> {
        let mut path = Vec::new();
        let mut at = self.find(frame);
        while let Some((parent, index)) = at.and_then(|frame| frame.parent) {
            at = self.find(parent);
            path.extend(at.map(|frame| (frame.entry.name.clone(), index)));
        }
        path.reverse();
        path
    }

    /// The state that a frame is in, or was in last, by its position in the program.
    pub fn state_in(&self, frame: FrameId) -> Option<StateId> {
        self.find(frame).map(|frame| frame.entry.state)
    }

    /// The input of the state that a frame is in, or was in last.
    pub fn input_in(&self, frame: FrameId) -> Option<&Json> {
        self.find(frame).map(|frame| &frame.entry.input)
    }

    /// The variables that a frame has set itself.
    pub fn variables_in(&self, frame: FrameId) -> Option<&Object> {
        self.find(frame).map(|frame| &frame.variables)
    }

    /// The variables that a frame sees: its own, and those of the frames around it.
    pub fn variables_seen_from(&self, frame: FrameId) -> Object {
        let mut seen = Object::new();
        let mut at = self.find(frame);
        while let Some(frame) = at {
            for (name, value) in frame.variables.iter() {
                if !seen.contains_key(name) {
                    seen.insert(name.clone(), value.clone());
                }
            }
            at = frame.parent.and_then(|(parent, _)| self.find(parent));
        }
        seen
    }

    /// The context object as the state that a frame is in sees it, without a task token.
    pub fn context_in(&self, frame: FrameId) -> Option<Json> {
        self.find(frame)?;
        Some(context::build(self, frame, &More::default()))
    }

    /// What the branches or iterations of the state that a frame is in have come to, once all of
    /// them have. `None` for a distributed Map: its results are elsewhere.
    pub fn results_in(&self, frame: FrameId) -> Option<Json> {
        let results = match &self.find(frame)?.phase {
            Phase::Parallel(branches) => &branches.results,
            Phase::Map(iterations) => &iterations.results,
            _ => return None,
        };
        results.iter().cloned().collect::<Option<Array>>().map(Json::from)
    }

    /// The frame of a map run, while it is under way.
    pub fn frame_of(&self, run: TaskId) -> Option<FrameId> {
        self.tasks.get(&run).copied()
    }

    /// The name of the state that a frame is in.
    pub fn name_in(&self, frame: FrameId) -> Option<&Str> {
        self.find(frame).map(|frame| &frame.entry.name)
    }

    /// Which rule of the Choice state that a frame is in applies at a moment. `None` where no rule
    /// does, or one cannot be evaluated.
    pub fn rule_that_applies(
        &self,
        frame: FrameId,
        (io, choice): (&Io, &Choice),
        at: Moment,
        limits: &Limits,
    ) -> Option<usize> {
        let raw = self.input_in(frame)?;
        let chance = Cell::new(0);
        let view =
            |document| View::new(self, frame, document, More::default(), at, &chance, limits);
        let document = match &io.input_path {
            InputPath::Whole => raw.clone(),
            InputPath::Nothing => Json::Object(Object::new()),
            InputPath::Path(path) => path.evaluate(&view(raw)).ok()?,
        };
        let view = view(&document);
        for (index, rule) in choice.rules.iter().enumerate() {
            if rule.condition.holds(&view).ok()? {
                return Some(index);
            }
        }
        None
    }
}

/// The catcher that takes a failure of `what`.
pub fn catcher_of(catchers: &[Catcher], failure: &Failure, what: Failed) -> Option<usize> {
    catchers.iter().position(|catcher| failure::matches(&catcher.errors, failure, what))
}
