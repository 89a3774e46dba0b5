//! The fields of each object of the language, and the values that some of them have: what the rules
//! allow, for editors.

use super::{choice, machine, map, retry, state};
use crate::state::Language;

/// An object of the language that has fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder<'a> {
    /// The definition itself.
    Machine,
    /// A state of this type; of none that is known, if it is empty.
    State(&'a str),
    /// A branch of a Parallel.
    Branch,
    /// The processor of a Map.
    Processor,
    /// `ProcessorConfig`.
    ProcessorConfig,
    /// A rule of a Choice.
    Rule,
    /// A part of a rule.
    Condition,
    /// An entry of `Retry`.
    Retrier,
    /// An entry of `Catch`.
    Catcher,
    /// `ItemReader`.
    Reader,
    /// `ReaderConfig`.
    ReaderConfig,
    /// `ItemBatcher`.
    Batcher,
    /// `ResultWriter`.
    Writer,
    /// `WriterConfig`.
    WriterConfig,
    /// `Credentials`.
    Credentials,
}

/// The fields that an object may have in a query language.
pub fn fields(holder: Holder<'_>, language: Language) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = match holder {
        Holder::Machine => machine::MACHINE.to_vec(),
        Holder::State(kind) => {
            let common = state::COMMON.iter().copied();
            common.chain(state::fields(kind).iter().copied()).collect()
        }
        Holder::Branch => state::BRANCH.to_vec(),
        Holder::Processor => map::PROCESSOR.to_vec(),
        Holder::ProcessorConfig => vec!["Mode", "ExecutionType"],
        Holder::Rule if language == Language::Jsonata => choice::RULE.to_vec(),
        Holder::Rule => {
            let rule = ["Next", "Comment", "Assign"];
            rule.into_iter().chain(fields(Holder::Condition, language)).collect()
        }
        Holder::Condition => {
            let selectors = choice::SELECTORS.into_iter().filter(|name| *name != "Condition");
            let comparisons = choice::COMPARISONS.iter().map(|(name, _)| *name);
            selectors.chain(comparisons.filter(|name| *name != "Variable")).collect()
        }
        Holder::Retrier => retry::RETRIER.to_vec(),
        Holder::Catcher => retry::CATCHER.to_vec(),
        Holder::Reader => vec!["Resource", "Parameters", "Arguments", "ReaderConfig"],
        Holder::ReaderConfig => map::READER_CONFIG.to_vec(),
        Holder::Batcher => vec![
            "MaxItemsPerBatch",
            "MaxItemsPerBatchPath",
            "MaxInputBytesPerBatch",
            "MaxInputBytesPerBatchPath",
            "BatchInput",
        ],
        Holder::Writer => vec!["Resource", "Parameters", "Arguments", "WriterConfig"],
        Holder::WriterConfig => map::WRITER_CONFIG.to_vec(),
        Holder::Credentials => vec!["RoleArn"],
    };
    names.retain(|name| match language {
        Language::Jsonata => {
            !state::JSON_PATH_ONLY.contains(name)
                && !["MaxItemsPath", "MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath"]
                    .contains(name)
        }
        Language::JsonPath => {
            let is_catcher_output = holder == Holder::Catcher && *name == "Output";
            !state::JSONATA_ONLY.contains(name) && !is_catcher_output
        }
    });
    names
}

/// The values that a field can have, where it has one of a few.
pub fn values(holder: Holder<'_>, field: &str) -> &'static [&'static str] {
    match (holder, field) {
        (Holder::State(_), "Type") => &state::TYPES,
        (Holder::State(_) | Holder::Machine, "QueryLanguage") => &machine::LANGUAGES,
        (Holder::Machine, "Version") => &["1.0"],
        (Holder::ProcessorConfig, "Mode") => &["INLINE", "DISTRIBUTED"],
        (Holder::ProcessorConfig, "ExecutionType") => &["STANDARD", "EXPRESS"],
        (Holder::Retrier, "JitterStrategy") => &["FULL", "NONE"],
        (Holder::ReaderConfig, "InputType") => &["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"],
        (Holder::ReaderConfig, "Transformation") => &["NONE", "LOAD_AND_FLATTEN"],
        (Holder::ReaderConfig, "ManifestType") => &["ATHENA_DATA", "S3_INVENTORY"],
        (Holder::ReaderConfig, "CSVHeaderLocation") => &["FIRST_ROW", "GIVEN"],
        (Holder::ReaderConfig, "CSVDelimiter") => &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"],
        (Holder::WriterConfig, "Transformation") => &["NONE", "COMPACT", "FLATTEN"],
        (Holder::WriterConfig, "OutputType") => &["JSON", "JSONL"],
        (Holder::Reader, "Resource") => {
            &["arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2"]
        }
        (Holder::Writer, "Resource") => &["arn:aws:states:::s3:putObject"],
        _ => &[],
    }
}
