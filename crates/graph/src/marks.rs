use std::collections::{BTreeMap, BTreeSet};
use stepwright_program::StateId;

/// How much of a part of a machine is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// All of it is used.
    Used,
    /// Some of it is used, for example a state whose catcher never catches anything.
    Partly,
    /// Nothing of it is used.
    Missed,
}

impl Mark {
    /// The fill and line colours.
    pub(crate) fn colors(self) -> (&'static str, &'static str) {
        match self {
            Self::Used => ("#e3f6ea", "#23864a"),
            Self::Partly => ("#fff3d6", "#b97700"),
            Self::Missed => ("#fde8e8", "#c62f2f"),
        }
    }
}

/// Which parts of a machine are used.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// The mark of each state, with a short note: how often it was entered.
    pub states: BTreeMap<StateId, (Mark, String)>,
    /// The mark of each transition. The key holds the two states, and whether a catcher leads
    /// there.
    pub transitions: BTreeMap<(StateId, StateId, bool), Mark>,
    /// The states with which their scope has ended.
    pub ends: BTreeSet<StateId>,
}

impl Marks {
    pub(crate) fn state(&self, id: u32) -> Option<&(Mark, String)> {
        self.states.get(&StateId(id))
    }

    pub(crate) fn transition(&self, (from, to): (u32, u32), is_catch: bool) -> Option<Mark> {
        self.transitions.get(&(StateId(from), StateId(to), is_catch)).copied()
    }
}
