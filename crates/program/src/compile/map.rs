use super::fields::Fields;
use super::{Compiler, Names};
use crate::state::{ItemBatcher, ItemReader, Language, Map, Processor, ResultWriter};
use crate::template::Template;
use stepwright_json::Str;
use stepwright_json::tree::Node;

impl Compiler {
    pub(super) fn map(
        &mut self,
        fields: &Fields<'_>,
        language: Language,
        names: &Names,
        depth: usize,
    ) -> Option<Map> {
        let Some(processor) = fields.child("ItemProcessor").or_else(|| fields.child("Iterator"))
        else {
            self.missing(fields, "ItemProcessor");
            return None;
        };
        let start = self.scope(&processor, depth + 1);
        let config = processor.child("ProcessorConfig");
        let distributed =
            config.as_ref().and_then(|config| config.text("Mode")) == Some("DISTRIBUTED");
        let express =
            config.as_ref().and_then(|config| config.text("ExecutionType")) == Some("EXPRESS");
        let is_json_path = language == Language::JsonPath;
        let items_path = match fields.text("ItemsPath") {
            Some("$") | None => None,
            Some(_) if is_json_path => self.path(fields, "ItemsPath"),
            Some(_) => None,
        };
        let items = if is_json_path { None } else { self.template(fields, "Items", language) };
        let selector = if fields.get("ItemSelector").is_none() && is_json_path {
            "Parameters"
        } else {
            "ItemSelector"
        };
        let item_selector = self.template(fields, selector, language);
        let item_reader =
            fields.child("ItemReader").map(|reader| self.item_reader(&reader, language));
        let item_batcher = fields.child("ItemBatcher").map(|batcher| ItemBatcher {
            max_items: self.number_field(&batcher, "MaxItemsPerBatch", language),
            max_bytes: self.number_field(&batcher, "MaxInputBytesPerBatch", language),
            batch_input: self.template(&batcher, "BatchInput", language),
        });
        let result_writer =
            fields.child("ResultWriter").map(|writer| self.result_writer(&writer, language));
        let max_concurrency = self.number_field(fields, "MaxConcurrency", language);
        let tolerated_failure_count = self.number_field(fields, "ToleratedFailureCount", language);
        let tolerated_failure_percentage =
            self.number_field(fields, "ToleratedFailurePercentage", language);
        let label = self.text(fields, "Label");
        let retry = self.retriers(fields);
        let catch = self.catchers(fields, language, names);
        let next = self.next(fields, names)?;
        Some(Map {
            processor: Processor { start: start?, distributed, express },
            items_path,
            items,
            item_selector,
            item_reader,
            item_batcher,
            result_writer,
            max_concurrency,
            tolerated_failure_count,
            tolerated_failure_percentage,
            label,
            retry,
            catch,
            next,
        })
    }

    fn item_reader(&mut self, fields: &Fields<'_>, language: Language) -> ItemReader {
        let resource = self.text(fields, "Resource").unwrap_or_default();
        let arguments = self.call_arguments(fields, language);
        let config = fields.child("ReaderConfig");
        let text = |key: &str| config.as_ref().and_then(|config| config.text(key)).map(Str::from);
        let headers = config.as_ref().and_then(|config| config.get("CSVHeaders"));
        let headers = headers.map_or(&[] as &[Node], Node::items);
        ItemReader {
            resource,
            arguments,
            input_type: text("InputType"),
            transformation: text("Transformation"),
            manifest_type: text("ManifestType"),
            csv_first_row: text("CSVHeaderLocation").as_deref() != Some("GIVEN"),
            csv_headers: headers.iter().filter_map(Node::as_str).map(Str::from).collect(),
            csv_delimiter: text("CSVDelimiter"),
            items_pointer: text("ItemsPointer"),
            max_items: config
                .as_ref()
                .and_then(|config| self.number_field(config, "MaxItems", language)),
        }
    }

    fn result_writer(&mut self, fields: &Fields<'_>, language: Language) -> ResultWriter {
        let resource = self.text(fields, "Resource");
        let arguments = self.call_arguments(fields, language);
        let config = fields.child("WriterConfig");
        let text = |key: &str| config.as_ref().and_then(|config| config.text(key)).map(Str::from);
        ResultWriter {
            resource,
            arguments,
            transformation: text("Transformation"),
            output_type: text("OutputType"),
        }
    }

    /// `Parameters` in JSONPath, `Arguments` in JSONata.
    fn call_arguments(&mut self, fields: &Fields<'_>, language: Language) -> Option<Template> {
        let field = match language {
            Language::JsonPath => "Parameters",
            Language::Jsonata => "Arguments",
        };
        self.template(fields, field, language)
    }
}
