use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{Common, state_traits};
use crate::node::{MapRun, Next, Processor};
use crate::states::ExecutionType;
use crate::value::Value;

/// Processes each item of a list in the same way.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let map = Map::new("Map State")
///     .max_concurrency(1)
///     .items_path("$.inputForMap")
///     .item_selector(object! {"item": string_at("$$.Map.Item.Value")})
///     .item_processor(Pass::new("Pass State"));
/// assert!(StateMachine::new("Mapping", map).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub(crate) common: Common,
    pub(crate) shared: MapFields,
    parameters: Option<Value>,
    processor: Option<Processor>,
    is_distributed: bool,
}

/// The fields that both kinds of Map share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MapFields {
    pub(crate) items_path: Option<Value>,
    pub(crate) items: Option<Value>,
    pub(crate) item_selector: Option<Value>,
    pub(crate) max_concurrency: Option<Value>,
    pub(crate) max_concurrency_path: Option<Value>,
}

/// How the items of a [`Map`] are processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "ProcessorMode")]
#[doc(alias = "ProcessorType")]
pub enum ProcessorConfig {
    /// Within the same execution.
    Inline,
    /// In child executions of this type. [`DistributedMap`](crate::DistributedMap) has more
    /// settings.
    Distributed(ExecutionType),
}

/// Defines the setters that both kinds of Map share.
macro_rules! map_setters {
    () => {
        /// The path of the list.
        #[must_use]
        pub fn items_path(mut self, path: impl Into<$crate::common::DataPath>) -> Self {
            self.shared.items_path = Some(path.into().0);
            self
        }

        /// JSONata: the list, literal or an expression.
        #[must_use]
        #[doc(alias = "ProvideItems")]
        pub fn items(mut self, items: impl Into<Value>) -> Self {
            self.shared.items = Some(items.into());
            self
        }

        /// The input of the processor for each item. In JSONata it may be a single expression.
        #[must_use]
        pub fn item_selector(mut self, selector: impl Into<Value>) -> Self {
            self.shared.item_selector = Some(selector.into());
            self
        }

        /// The largest number of items that are processed at a time. In JSONata it may be an
        /// expression.
        #[must_use]
        pub fn max_concurrency(mut self, most: impl Into<Value>) -> Self {
            self.shared.max_concurrency = Some(most.into());
            self
        }

        /// The path of the largest number of items that are processed at a time.
        #[must_use]
        pub fn max_concurrency_path(mut self, path: impl Into<$crate::common::DataPath>) -> Self {
            self.shared.max_concurrency_path = Some(path.into().0);
            self
        }
    };
}
pub(crate) use map_setters;

impl Map {
    /// A Map without a processor.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            common: Common::new(id),
            shared: MapFields::default(),
            parameters: None,
            processor: None,
            is_distributed: false,
        }
    }

    /// A Map in JSONata.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id), ..Self::new("") }
    }

    map_setters!();

    /// The chain that processes each item, within the same execution.
    #[must_use]
    pub fn item_processor(self, processor: impl Chainable) -> Self {
        self.item_processor_with(ProcessorConfig::Inline, processor)
    }

    /// The chain that processes each item, and where it runs.
    #[must_use]
    pub fn item_processor_with(
        mut self,
        config: ProcessorConfig,
        processor: impl Chainable,
    ) -> Self {
        let is_distributed = matches!(config, ProcessorConfig::Distributed(_));
        let config = match config {
            ProcessorConfig::Inline => crate::object! {"Mode": "INLINE"},
            ProcessorConfig::Distributed(execution) => {
                crate::object! {"Mode": "DISTRIBUTED", "ExecutionType": execution.name()}
            }
        };
        let chain = processor.into_chain();
        self.set_processor(Processor { field: "ItemProcessor", config: Some(config), chain });
        self.is_distributed = is_distributed;
        self
    }

    /// The chain that processes each item, written with the field `Iterator`, which preceded
    /// `ItemProcessor`.
    #[must_use]
    pub fn iterator(mut self, processor: impl Chainable) -> Self {
        let chain = processor.into_chain();
        self.set_processor(Processor { field: "Iterator", config: None, chain });
        self
    }

    fn set_processor(&mut self, processor: Processor) {
        if self.processor.is_some() {
            let id = self.common.id.clone();
            let message = "a Map has one processor: `item_processor`, or `iterator`, once";
            self.common.problems.add(&id, message);
        }
        self.processor = Some(processor);
    }

    /// The input of the processor for each item, written with the field `Parameters`, which
    /// preceded `ItemSelector`.
    #[must_use]
    pub fn parameters(mut self, parameters: impl Into<Value>) -> Self {
        self.parameters = Some(parameters.into());
        self
    }
}

state_traits!(Map: State, WithData, WithVariables, WithResultPath, WithErrors);

impl Chainable for Map {
    fn into_chain(mut self) -> Chain {
        let id = self.common.id.clone();
        if self.parameters.is_some() && self.shared.item_selector.is_some() {
            self.common
                .problems
                .add(&id, "`parameters` of a Map is the old name of `item_selector`: give one");
        }
        self.shared.check(&mut self.common);
        let mut chain = self.common.into_chain("Map", Next::Open);
        self.shared.put(&mut chain);
        chain.first().payload = self.parameters;
        chain.first().processor = self.processor;
        if self.is_distributed {
            chain.first().distributed = Some(MapRun(None));
        }
        chain
    }
}

impl Nextable for Map {}

impl MapFields {
    pub(crate) fn check(&self, common: &mut Common) {
        let id = common.id.clone();
        if self.max_concurrency.is_some() && self.max_concurrency_path.is_some() {
            common
                .problems
                .add(&id, "a Map has either `max_concurrency` or `max_concurrency_path`, not both");
        }
        if self.items.is_some() && self.items_path.is_some() {
            common.problems.add(
                &id,
                "a Map has either `items` (JSONata) or `items_path` (JSONPath), not both",
            );
        }
        if let Some(Value::Scalar(number)) = &self.max_concurrency
            && number.as_i64().is_none_or(|number| number < 0)
        {
            common.problems.add(&id, "`max_concurrency` has to be a whole number from 0");
        }
    }

    pub(crate) fn put(self, chain: &mut Chain) {
        let node = chain.first();
        node.put_value("ItemsPath", self.items_path);
        node.put_value("Items", self.items);
        node.put_value("ItemSelector", self.item_selector);
        node.put_value("MaxConcurrency", self.max_concurrency);
        node.put_value("MaxConcurrencyPath", self.max_concurrency_path);
    }
}
