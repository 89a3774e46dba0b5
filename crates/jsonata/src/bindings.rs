use std::fmt;
use stepwright_json::Json;

/// Gives the value of a variable.
type Lookup<'b> = dyn Fn(&str) -> Option<Json> + 'b;

/// The variables an evaluation sees, without their `$`. A variable is looked up when it is first
/// needed.
#[derive(Clone, Default)]
pub struct Bindings<'b> {
    /// The first few, so that the usual evaluation allocates nothing.
    few: [Option<(&'b str, &'b Json)>; 4],
    more: Vec<(&'b str, &'b Json)>,
    lookup: Option<&'b Lookup<'b>>,
}

impl<'b> Bindings<'b> {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// With `$name`. A name bound twice has its last value.
    #[must_use]
    pub fn bind(mut self, name: &'b str, value: &'b Json) -> Self {
        match self.few.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some((name, value)),
            None => self.more.push((name, value)),
        }
        self
    }

    /// With a function that is asked for the variables that are not bound.
    #[must_use]
    pub fn or_lookup(mut self, lookup: &'b (dyn Fn(&str) -> Option<Json> + 'b)) -> Self {
        self.lookup = Some(lookup);
        self
    }

    pub(crate) fn bound(&self, name: &str) -> Option<&'b Json> {
        let more = self.more.iter().rev();
        let few = self.few.iter().rev().flatten();
        more.chain(few).find(|(bound, _)| *bound == name).map(|(_, value)| *value)
    }

    pub(crate) fn look_up(&self, name: &str) -> Option<Json> {
        self.lookup.and_then(|lookup| lookup(name))
    }
}

impl fmt::Debug for Bindings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.few.iter().flatten().chain(&self.more);
        f.debug_map().entries(values.map(|(name, value)| (name, value))).finish()
    }
}
