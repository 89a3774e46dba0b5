use crate::context;
use crate::execution::Execution;
use crate::fuel::Fuel;
use crate::items::Item;
use std::cell::{Cell, OnceCell};
use stepwright_history::{FrameId, Moment};
use stepwright_json::{Json, Object};
use stepwright_program::{Limits, Scope};

/// What the expressions of one state see.
pub(crate) struct View<'a> {
    pub(crate) execution: &'a Execution,
    pub(crate) frame: FrameId,
    /// What `$` stands for.
    pub(crate) document: &'a Json,
    pub(crate) more: More<'a>,
    pub(crate) at: Moment,
    /// How many random numbers this turn has used.
    chance: &'a Cell<u64>,
    context: OnceCell<Json>,
    /// The context object, where a test gives one.
    given_context: Option<&'a Json>,
    limits: &'a Limits,
    fuel: Option<&'a Fuel<'a>>,
}

/// What else there is to see, besides the state's input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct More<'a> {
    /// `$states.result`
    pub(crate) result: Option<&'a Json>,
    /// `$states.errorOutput`
    pub(crate) error: Option<&'a Json>,
    /// The item of a Map that is being prepared.
    pub(crate) item: Option<Item<'a>>,
    /// The task token.
    pub(crate) token: Option<&'a str>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        execution: &'a Execution,
        frame: FrameId,
        document: &'a Json,
        more: More<'a>,
        at: Moment,
        chance: &'a Cell<u64>,
        limits: &'a Limits,
    ) -> Self {
        let context = OnceCell::new();
        Self {
            execution,
            frame,
            document,
            more,
            at,
            chance,
            context,
            given_context: None,
            limits,
            fuel: None,
        }
    }

    /// With this fuel for what it takes to compute.
    pub(crate) fn burning(self, fuel: &'a Fuel<'a>) -> Self {
        Self { fuel: Some(fuel), ..self }
    }

    /// With this context object, if any, instead of the execution's own.
    pub(crate) fn within(self, given_context: Option<&'a Json>) -> Self {
        Self { given_context, ..self }
    }
}

impl Scope for View<'_> {
    fn input(&self) -> &Json {
        self.document
    }

    fn context(&self) -> &Json {
        self.context.get_or_init(|| match self.given_context {
            None => context::build(self.execution, self.frame, &self.more),
            Some(given) => context::with_item(given, &self.more),
        })
    }

    fn variable(&self, name: &str) -> Option<&Json> {
        self.execution.variable(self.frame, name)
    }

    fn states(&self, with_context: bool) -> Json {
        let mut states = Object::new();
        states.insert("input", self.execution.frame(self.frame).entry.input.clone());
        if let Some(result) = self.more.result {
            states.insert("result", result.clone());
        }
        if let Some(error) = self.more.error {
            states.insert("errorOutput", error.clone());
        }
        if with_context {
            states.insert("context", self.context().clone());
        }
        Json::Object(states)
    }

    fn now_millis(&self) -> i64 {
        self.at.0
    }

    fn limits(&self) -> Limits {
        *self.limits
    }

    fn burn(&self, steps: u64) -> bool {
        self.fuel.is_none_or(|fuel| fuel.burn(steps))
    }

    fn random(&self) -> u64 {
        let seed = self.execution.start.as_ref().map_or(0, |start| start.seed[0]);
        let count = self.chance.get();
        self.chance.set(count + 1);
        mix(mix(seed ^ self.execution.recorded).wrapping_add(mix(count)))
    }
}

/// Spreads the bits of a number (splitmix64).
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
