//! The types of states.

mod choice;
mod custom;
mod distributed_map;
mod fail;
mod items;
mod map;
mod parallel;
mod pass;
mod succeed;
mod wait;

pub use choice::{Afterwards, Choice, Transition};
pub use custom::CustomState;
pub use distributed_map::{DistributedMap, ExecutionType};
pub use fail::Fail;
pub use items::{
    CsvDelimiter, CsvHeaders, InputType, ItemBatcher, ItemReader, OutputType, ResultWriter,
    Transformation,
};
pub use map::{Map, ProcessorConfig};
pub use parallel::{Branches, Parallel};
pub use pass::Pass;
pub use succeed::Succeed;
pub use wait::{Wait, WaitTime};
