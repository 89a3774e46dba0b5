use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{Common, DataPath, state_traits};
use crate::node::{MapRun, Next, Processor};
use crate::resources::Bucket;
use crate::states::map::{MapFields, map_setters};
use crate::states::{ItemBatcher, ItemReader, ResultWriter};
use crate::value::Value;

/// The type of the child executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutionType {
    /// Durable.
    #[default]
    Standard,
    /// Short and cheap.
    Express,
}

impl ExecutionType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Express => "EXPRESS",
        }
    }
}

/// Processes each item of a large list in a child execution.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let map = DistributedMap::new("Import")
///     .item_reader(ItemReader::file(InputType::Csv, Bucket::new("Uploads"), string_at("$.key")))
///     .item_batcher(ItemBatcher::new().max_items_per_batch(100))
///     .tolerated_failure_percentage(5)
///     .item_processor(Pass::new("Import a batch"));
/// assert!(StateMachine::new("Importer", map).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DistributedMap {
    common: Common,
    shared: MapFields,
    execution_type: ExecutionType,
    item_reader: Option<ItemReader>,
    item_batcher: Option<ItemBatcher>,
    result_writer: Option<ResultWriter>,
    failure_percentage: Option<Value>,
    failure_percentage_path: Option<Value>,
    failure_count: Option<Value>,
    failure_count_path: Option<Value>,
    label: Option<String>,
    processor: Option<Chain>,
}

impl DistributedMap {
    /// A distributed Map without a processor.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            common: Common::new(id),
            shared: MapFields::default(),
            execution_type: ExecutionType::Standard,
            item_reader: None,
            item_batcher: None,
            result_writer: None,
            failure_percentage: None,
            failure_percentage_path: None,
            failure_count: None,
            failure_count_path: None,
            label: None,
            processor: None,
        }
    }

    /// A distributed Map in JSONata.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id), ..Self::new("") }
    }

    map_setters!();

    /// The chain that processes each item or batch.
    #[must_use]
    pub fn item_processor(mut self, processor: impl Chainable) -> Self {
        if self.processor.is_some() {
            let id = self.common.id.clone();
            self.common.problems.add(&id, "a Map has one processor: `item_processor`, once");
        }
        self.processor = Some(processor.into_chain());
        self
    }

    /// The type of the child executions.
    #[must_use]
    pub fn map_execution_type(mut self, execution_type: ExecutionType) -> Self {
        self.execution_type = execution_type;
        self
    }

    /// Reads the items from S3.
    #[must_use]
    pub fn item_reader(mut self, reader: ItemReader) -> Self {
        self.item_reader = Some(reader);
        self
    }

    /// Groups the items into batches.
    #[must_use]
    pub fn item_batcher(mut self, batcher: ItemBatcher) -> Self {
        self.item_batcher = Some(batcher);
        self
    }

    /// Writes the results to S3, or changes their form.
    #[must_use]
    pub fn result_writer(mut self, writer: ResultWriter) -> Self {
        self.result_writer = Some(writer);
        self
    }

    /// The percentage of items that may fail.
    #[must_use]
    pub fn tolerated_failure_percentage(mut self, percentage: impl Into<Value>) -> Self {
        self.failure_percentage = Some(percentage.into());
        self
    }

    /// The path of the percentage of items that may fail.
    #[must_use]
    pub fn tolerated_failure_percentage_path(mut self, path: impl Into<DataPath>) -> Self {
        self.failure_percentage_path = Some(path.into().0);
        self
    }

    /// The number of items that may fail.
    #[must_use]
    pub fn tolerated_failure_count(mut self, count: impl Into<Value>) -> Self {
        self.failure_count = Some(count.into());
        self
    }

    /// The path of the number of items that may fail.
    #[must_use]
    pub fn tolerated_failure_count_path(mut self, path: impl Into<DataPath>) -> Self {
        self.failure_count_path = Some(path.into().0);
        self
    }

    /// A label that becomes part of the ARNs of its map runs.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    fn check(&mut self) {
        let id = self.common.id.clone();
        self.shared.check(&mut self.common);
        let problems = &mut self.common.problems;
        if self.item_reader.is_some()
            && (self.shared.items_path.is_some() || self.shared.items.is_some())
        {
            problems
                .add(&id, "a Map has either an `item_reader` or `items_path` or `items`, not both");
        }
        let pairs = [
            (
                "tolerated_failure_percentage",
                &self.failure_percentage,
                &self.failure_percentage_path,
            ),
            ("tolerated_failure_count", &self.failure_count, &self.failure_count_path),
        ];
        for (name, fixed, path) in pairs {
            if fixed.is_some() && path.is_some() {
                problems.add(&id, format!("a Map has either `{name}` or `{name}_path`, not both"));
            }
        }
        if let Some(Value::Scalar(number)) = &self.failure_percentage
            && number.as_f64().is_none_or(|percent| !(0.0..=100.0).contains(&percent))
        {
            problems.add(&id, "`tolerated_failure_percentage` has to be between 0 and 100");
        }
        if let Some(label) = &self.label {
            let odd = |c: char| {
                c.is_whitespace() || c.is_control() || "?*<>{}\\[]:;,|^~$#%&`\"".contains(c)
            };
            if label.chars().count() > 40 || label.contains(odd) {
                problems.add(&id, format!("the label `{label}` has to have 40 characters at most, without spaces and special characters"));
            }
        }
        if let Some(reader) = &self.item_reader {
            reader.check(&id, problems);
        }
        if let Some(batcher) = &self.item_batcher {
            batcher.check(&id, problems);
        }
        if let Some(writer) = &self.result_writer {
            writer.check(&id, problems);
        }
    }
}

state_traits!(DistributedMap: State, WithData, WithVariables, WithResultPath, WithErrors);

impl Chainable for DistributedMap {
    fn into_chain(mut self) -> Chain {
        self.check();
        let mut chain = self.common.into_chain("Map", Next::Open);
        self.shared.put(&mut chain);
        let node = chain.first();
        if let Some(writer) = &self.result_writer {
            node.statements.extend(writer.statements());
            node.resources.extend(writer.bucket().into_iter().flat_map(Bucket::resources));
        }
        if let Some(reader) = &self.item_reader {
            node.statements.extend(reader.statements());
            node.resources.extend(reader.bucket().into_iter().flat_map(Bucket::resources));
        }
        node.put("ItemReader", self.item_reader.map(|reader| reader.to_value()));
        node.put("ItemBatcher", self.item_batcher.map(|batcher| batcher.to_value()));
        node.put_value("ToleratedFailurePercentage", self.failure_percentage);
        node.put_value("ToleratedFailurePercentagePath", self.failure_percentage_path);
        node.put_value("ToleratedFailureCount", self.failure_count);
        node.put_value("ToleratedFailureCountPath", self.failure_count_path);
        node.put("Label", self.label.clone());
        node.put("ResultWriter", self.result_writer.map(|writer| writer.to_value()));
        node.distributed = Some(MapRun(self.label));
        let config = crate::object! {
            "Mode": "DISTRIBUTED",
            "ExecutionType": self.execution_type.name(),
        };
        node.processor = self.processor.map(|chain| Processor {
            field: "ItemProcessor",
            config: Some(config),
            chain,
        });
        chain
    }
}

impl Nextable for DistributedMap {}
