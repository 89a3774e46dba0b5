//! Maps: their processor, where the items come from, and where the results go.

use super::checker::{Checker, SCHEMA, Site, opening};
use super::jsonata::Place;
use super::machine::Around;
use crate::state::Language;
use stepwright_json::Json;
use stepwright_json::tree::Node;
use stepwright_source::Diagnostic;

/// How long a label may be, and which characters it may not hold.
const MAX_LABEL: usize = 40;
const NOT_IN_LABELS: &str = " ?*<>{}[]:;,\\|^~$#%&`\"";

pub(super) const READER_CONFIG: [&str; 9] = [
    "InputType",
    "Transformation",
    "ManifestType",
    "CSVHeaderLocation",
    "CSVHeaders",
    "CSVDelimiter",
    "ItemsPointer",
    "MaxItems",
    "MaxItemsPath",
];
pub(super) const WRITER_CONFIG: [&str; 2] = ["Transformation", "OutputType"];
pub(super) const PROCESSOR: [&str; 4] = ["ProcessorConfig", "Comment", "StartAt", "States"];

impl<'d> Checker<'d> {
    pub(super) fn map(&mut self, site: &Site<'d>, language: Language) {
        match language {
            Language::JsonPath => {
                self.path(site, "ItemsPath");
                self.only_one(site, &["ItemSelector", "Parameters"]);
            }
            Language::Jsonata => self.items(site),
        }
        self.payload(site, "ItemSelector", language, Place::Input);
        self.map_number(site, "MaxConcurrency", (0, None), language);
        self.map_number(site, "ToleratedFailureCount", (0, None), language);
        self.percentage(site, language);
        self.label(site);
        self.reader(site, language);
        self.batcher(site, language);
        self.writer(site, language);
    }

    fn items(&mut self, site: &Site<'d>) {
        let Some(node) = site.get("Items") else { return };
        if node.as_str().is_some() {
            self.only_jsonata(node, &site.at("Items"));
        } else if node.is_array() || node.is_object() {
            self.jsonata_payload(node, &mut site.at("Items"), Place::Input);
        } else {
            self.expect_type("ARRAY", &site.at("Items"), node);
        }
    }

    fn percentage(&mut self, site: &Site<'d>, language: Language) {
        const KEY: &str = "ToleratedFailurePercentage";
        if language == Language::JsonPath {
            self.only_one(site, &[KEY, "ToleratedFailurePercentagePath"]);
            self.reference_path(site, "ToleratedFailurePercentagePath");
        }
        if let Some(node) = site.get(KEY)
            && language == Language::Jsonata
            && self.is_jsonata(node, &site.at(KEY))
        {
            return;
        }
        self.number(site, KEY, 0.0, Some(100.0));
    }

    fn label(&mut self, site: &Site<'d>) {
        let Some(label) = self.text(site, "Label") else { return };
        let Some(node) = site.get("Label") else { return };
        let location = site.at("Label");
        if self.is_placeholder(label) {
            return;
        }
        let wrong = label.chars().find(|c| NOT_IN_LABELS.contains(*c) || c.is_control());
        let message = if label.chars().count() > MAX_LABEL {
            Some(format!(
                "Invalid Label name: Label '{label}' exceeds the {MAX_LABEL}-character limit \
                 allowed by the service"
            ))
        } else {
            wrong.map(|c| {
                format!("Invalid Label name: Label '{label}' contains the invalid character {c:?}")
            })
        };
        if let Some(message) = message {
            let diagnostic =
                Diagnostic::error("INVALID_LABEL_NAME", message).at(location).span(node.span);
            self.report(diagnostic);
        } else if !self.labels.insert(label) {
            let message = format!("Duplicate Label name: {label}");
            let diagnostic =
                Diagnostic::error("DUPLICATE_LABEL_NAME", message).at(location).span(node.span);
            self.report(diagnostic);
        }
    }

    /// `ItemProcessor`, or `Iterator` as it was called before.
    pub(super) fn processor(&mut self, site: &Site<'d>, around: Around) {
        self.exactly_one(site, &["ItemProcessor", "Iterator"], "say what is done for each item");
        for key in ["ItemProcessor", "Iterator"] {
            let Some(processor) = site.child(key) else { continue };
            if !self.object(&processor) {
                continue;
            }
            self.unsupported(&processor, &PROCESSOR);
            let (distributed, express) = self.processor_config(&processor, around);
            let scope = self.variables.open(around.scope, distributed);
            let around = Around {
                depth: around.depth + 1,
                scope,
                // A Distributed Map runs each item as an execution of its own.
                express: if distributed { express } else { around.express },
            };
            self.scope(&processor, around);
            self.transitions(&processor, false);
        }
    }

    fn processor_config(&mut self, processor: &Site<'d>, around: Around) -> (bool, bool) {
        let Some(config) = processor.child("ProcessorConfig") else { return (false, false) };
        if !self.object(&config) {
            return (false, false);
        }
        let mode = config.text("Mode");
        let distributed = mode == Some("DISTRIBUTED");
        let allowed: &[&str] = if distributed { &["Mode", "ExecutionType"] } else { &["Mode"] };
        self.unsupported(&config, allowed);
        self.one_of(&config, "Mode", &["INLINE", "DISTRIBUTED"]);
        if distributed {
            self.required(&config, &["ExecutionType"]);
            self.one_of(&config, "ExecutionType", &["STANDARD", "EXPRESS"]);
            if around.express
                && let Some(node) = config.get("Mode")
            {
                let message = "The field 'Mode' with value 'DISTRIBUTED' is not supported inside \
                               'EXPRESS' state machines";
                self.schema(message, &config.at("Mode"), node.span);
            }
        }
        (distributed, config.text("ExecutionType") == Some("EXPRESS"))
    }

    fn reader(&mut self, site: &Site<'d>, language: Language) {
        let Some(reader) = site.child("ItemReader") else { return };
        if !self.object(&reader) {
            return;
        }
        self.io_fields(&reader, "ReaderConfig", language);
        match language {
            Language::JsonPath => self.required(&reader, &["Resource"]),
            Language::Jsonata => self.required(&reader, &["Resource", "Arguments"]),
        }
        self.s3_resource(&reader, &["s3:getObject", "s3:listObjectsV2"]);
        let Some(config) = reader.child("ReaderConfig") else { return };
        if !self.object(&config) {
            return;
        }
        self.unsupported(&config, &READER_CONFIG);
        if language == Language::Jsonata && config.has("MaxItemsPath") {
            self.wrong_language(&config, "MaxItemsPath", "JSONata", "JSONPath");
        }
        self.one_of(&config, "InputType", &["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"]);
        self.one_of(&config, "Transformation", &["NONE", "LOAD_AND_FLATTEN"]);
        self.one_of(&config, "ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]);
        self.one_of(&config, "CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]);
        self.one_of(&config, "CSVDelimiter", &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"]);
        // Each type has its own fields, and what is computed may be of any type.
        let of_others: &[&str] = match config.text("InputType") {
            Some("JSON") => &["CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "ManifestType"],
            Some("JSONL" | "PARQUET") => &["CSVHeaderLocation", "CSVHeaders", "CSVDelimiter"],
            _ => &[],
        };
        for key in of_others.iter().filter(|key| config.has(key)) {
            let span = config.node.member(key).map_or(config.node.span, |member| member.key_span);
            self.schema(format!("Field '{key}' is not supported"), &config.location, span);
        }
        if config.text("Transformation") == Some("LOAD_AND_FLATTEN") {
            self.required(&config, &["InputType"]);
        }
        if let Some(node) = config.get("ItemsPointer")
            && let Some(pointer) = self.text(&config, "ItemsPointer")
            && !pointer.is_empty()
            && !pointer.starts_with('/')
            && !self.is_placeholder(pointer)
        {
            let message = format!(
                "Invalid input: JSON Pointer expression must start with '/': {}",
                Json::from(pointer)
            );
            self.schema(message, &config.at("ItemsPointer"), node.span);
        }
        if config.text("InputType") == Some("CSV") && !config.has("CSVHeaderLocation") {
            let message = "The field 'CSVHeaderLocation' is required";
            self.schema(message, &config.location, opening(config.node));
        }
        if config.text("CSVHeaderLocation") == Some("GIVEN") {
            self.required(&config, &["CSVHeaders"]);
        }
        if let Some(headers) = config.get("CSVHeaders")
            && !headers.is_array()
        {
            self.expect_type("ARRAY", &config.at("CSVHeaders"), headers);
        }
        self.map_number(&config, "MaxItems", (0, Some(100_000_000)), language);
    }

    fn batcher(&mut self, site: &Site<'d>, language: Language) {
        let Some(batcher) = site.child("ItemBatcher") else { return };
        if !self.object(&batcher) {
            return;
        }
        let mut allowed = vec!["BatchInput", "MaxItemsPerBatch", "MaxInputBytesPerBatch"];
        if language == Language::JsonPath {
            allowed.extend(["MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath"]);
        }
        self.unsupported(&batcher, &allowed);
        self.payload(&batcher, "BatchInput", language, Place::Input);
        self.map_number(&batcher, "MaxItemsPerBatch", (0, None), language);
        self.map_number(&batcher, "MaxInputBytesPerBatch", (0, Some(262_144)), language);
    }

    fn writer(&mut self, site: &Site<'d>, language: Language) {
        let Some(writer) = site.child("ResultWriter") else { return };
        if !self.object(&writer) {
            return;
        }
        self.io_fields(&writer, "WriterConfig", language);
        if language == Language::Jsonata && writer.has("Resource") {
            self.required(&writer, &["Arguments"]);
        }
        self.s3_resource(&writer, &["s3:putObject"]);
        let Some(config) = writer.child("WriterConfig") else { return };
        if !self.object(&config) {
            return;
        }
        self.unsupported(&config, &WRITER_CONFIG);
        self.one_of(&config, "Transformation", &["NONE", "COMPACT", "FLATTEN"]);
        self.one_of(&config, "OutputType", &["JSON", "JSONL"]);
    }

    /// The fields of a reader or writer.
    fn io_fields(&mut self, site: &Site<'d>, config: &'static str, language: Language) {
        self.unsupported(site, &["Resource", "Parameters", "Arguments", config]);
        let (own, other, now, wanted) = match language {
            Language::JsonPath => ("Parameters", "Arguments", "JSONPath", "JSONata"),
            Language::Jsonata => ("Arguments", "Parameters", "JSONata", "JSONPath"),
        };
        if site.has(other) {
            self.wrong_language(site, other, now, wanted);
        }
        self.payload(site, own, language, Place::Input);
    }

    fn s3_resource(&mut self, site: &Site<'d>, allowed: &[&str]) {
        let Some(text) = self.text(site, "Resource") else { return };
        let action = text
            .strip_prefix("arn:")
            .and_then(|rest| rest.split_once(":states:::"))
            .map(|(_, action)| action);
        if self.is_placeholder(text) || action.is_some_and(|action| allowed.contains(&action)) {
            return;
        }
        let span = site.get("Resource").map_or(site.node.span, |node: &Node| node.span);
        let message = "The field 'Resource' does not match any of the allowed values";
        let names: Vec<String> =
            allowed.iter().map(|name| format!("`arn:aws:states:::{name}`")).collect();
        let diagnostic = Diagnostic::error(SCHEMA, message)
            .at(site.at("Resource"))
            .span(span)
            .help(format!("it may be {}", names.join(" or ")));
        self.report(diagnostic);
    }
}
