use std::collections::BTreeMap;
use stepwright_program::StateId;

/// Whether a part of a machine is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// All of it is.
    Used,
    /// Some of it is: a state whose catcher never catches, say.
    Partly,
    /// It is not.
    Missed,
}

impl Mark {
    /// Fill and line.
    pub(crate) fn colors(self) -> (&'static str, &'static str) {
        match self {
            Self::Used => ("#e3f6ea", "#23864a"),
            Self::Partly => ("#fff3d6", "#b97700"),
            Self::Missed => ("#fde8e8", "#c62f2f"),
        }
    }
}

/// What of a machine is used.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Each state, and a few words for it: how often it was entered.
    pub states: BTreeMap<StateId, (Mark, String)>,
    /// Each transition: from which state to which, and whether by a catcher.
    pub transitions: BTreeMap<(StateId, StateId, bool), Mark>,
}

impl Marks {
    pub(crate) fn state(&self, id: u32) -> Option<&(Mark, String)> {
        self.states.get(&StateId(id))
    }

    pub(crate) fn transition(&self, (from, to): (u32, u32), is_catch: bool) -> Option<Mark> {
        self.transitions.get(&(StateId(from), StateId(to), is_catch)).copied()
    }
}
