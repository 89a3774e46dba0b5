//! The items of a distributed Map: where they are read, how they are grouped, and where the results
//! are written.

use crate::common::DataPath;
use crate::iam::Statement;
use crate::misuse::Problems;
use crate::param::{PathOrText, Str};
use crate::resources::Bucket;
use crate::scope::PAYLOAD;
use crate::text::{Text, arn, text};
use crate::value::Value;

/// Reads the items of a distributed Map from S3.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemReader {
    source: Source,
    input_type: Option<InputType>,
    key: Option<Value>,
    prefix: Option<Value>,
    max_items: Option<Value>,
    csv_headers: Option<CsvHeaders>,
    csv_delimiter: Option<CsvDelimiter>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Bucket(Bucket),
    /// The bucket's name is computed, so the permission to read it must be added with
    /// [`StateMachine::allow`](crate::StateMachine::allow).
    Name(Value),
}

/// The format of a file with items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputType {
    /// A JSON array.
    Json,
    /// One JSON value on each line.
    JsonLines,
    /// A CSV file.
    Csv,
    /// An S3 inventory manifest.
    Manifest,
}

/// Where the column names of a CSV file come from.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "CsvHeaderLocation")]
pub enum CsvHeaders {
    /// In the first row.
    FirstRow,
    /// They are given here.
    Given(Vec<String>),
}

/// The delimiter between columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvDelimiter {
    /// `,`
    Comma,
    /// `|`
    Pipe,
    /// `;`
    Semicolon,
    /// A space.
    Space,
    /// A tab.
    Tab,
}

impl ItemReader {
    fn new(source: Source, input_type: Option<InputType>, key: Option<Value>) -> Self {
        let csv_headers = (input_type == Some(InputType::Csv)).then_some(CsvHeaders::FirstRow);
        Self {
            source,
            input_type,
            key,
            prefix: None,
            max_items: None,
            csv_headers,
            csv_delimiter: None,
        }
    }

    /// Reads the list of a bucket's objects.
    #[doc(alias = "S3ObjectsItemReader")]
    pub fn objects(bucket: impl Into<Bucket>) -> Self {
        Self::new(Source::Bucket(bucket.into()), None, None)
    }

    /// Reads the list of objects of a bucket whose name is computed.
    pub fn objects_of_bucket_at(name: impl Into<PathOrText>) -> Self {
        Self::new(Source::Name(name.into().0), None, None)
    }

    /// Reads the items in a file.
    pub fn file(input_type: InputType, bucket: impl Into<Bucket>, key: impl Into<Str>) -> Self {
        Self::new(Source::Bucket(bucket.into()), Some(input_type), Some(key.into().into()))
    }

    /// Reads the rows of a CSV file. The first row has the names of the columns, unless
    /// [`ItemReader::csv_headers`] gives them.
    #[doc(alias = "S3CsvItemReader")]
    pub fn csv(bucket: impl Into<Bucket>, key: impl Into<Str>) -> Self {
        Self::file(InputType::Csv, bucket, key)
    }

    /// Reads the items of a JSON array in a file.
    #[doc(alias = "S3JsonItemReader")]
    pub fn json(bucket: impl Into<Bucket>, key: impl Into<Str>) -> Self {
        Self::file(InputType::Json, bucket, key)
    }

    /// Reads a file with one JSON value on each line.
    #[doc(alias = "S3JsonLItemReader")]
    pub fn json_lines(bucket: impl Into<Bucket>, key: impl Into<Str>) -> Self {
        Self::file(InputType::JsonLines, bucket, key)
    }

    /// Reads the objects that an S3 inventory lists.
    #[doc(alias = "S3ManifestItemReader")]
    pub fn manifest(bucket: impl Into<Bucket>, key: impl Into<Str>) -> Self {
        Self::file(InputType::Manifest, bucket, key)
    }

    /// Reads the items in a file of a bucket whose name is computed.
    pub fn file_of_bucket_at(
        input_type: InputType,
        name: impl Into<PathOrText>,
        key: impl Into<Str>,
    ) -> Self {
        Self::new(Source::Name(name.into().0), Some(input_type), Some(key.into().into()))
    }

    /// Only objects whose keys begin with this prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Str>) -> Self {
        self.prefix = Some(prefix.into().into());
        self
    }

    /// The largest number of items.
    #[must_use]
    pub fn max_items(mut self, most: impl Into<Value>) -> Self {
        self.max_items = Some(most.into());
        self
    }

    /// Where the column names come from. Defaults to the first row.
    #[must_use]
    pub fn csv_headers(mut self, headers: CsvHeaders) -> Self {
        self.csv_headers = Some(headers);
        self
    }

    /// The delimiter between columns. Defaults to a comma.
    #[must_use]
    pub fn csv_delimiter(mut self, delimiter: CsvDelimiter) -> Self {
        self.csv_delimiter = Some(delimiter);
        self
    }

    pub(crate) fn check(&self, id: &str, problems: &mut Problems) {
        if self.input_type.is_some() && self.prefix.is_some() {
            problems.add(
                id,
                "`prefix` of an item reader is for the objects of a bucket, not for a file",
            );
        }
        let csv = self.csv_headers.is_some() || self.csv_delimiter.is_some();
        if csv && self.input_type != Some(InputType::Csv) {
            problems
                .add(id, "`csv_headers` and `csv_delimiter` of an item reader are for CSV files");
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        let action = if self.input_type.is_some() { "getObject" } else { "listObjectsV2" };
        let mut config = Members::default();
        config.put(
            "InputType",
            self.input_type.map(|input_type| match input_type {
                InputType::Json => "JSON",
                InputType::JsonLines => "JSONL",
                InputType::Csv => "CSV",
                InputType::Manifest => "MANIFEST",
            }),
        );
        config.put("MaxItems", self.max_items.clone());
        config.put(
            "CSVDelimiter",
            self.csv_delimiter.map(|delimiter| match delimiter {
                CsvDelimiter::Comma => "COMMA",
                CsvDelimiter::Pipe => "PIPE",
                CsvDelimiter::Semicolon => "SEMICOLON",
                CsvDelimiter::Space => "SPACE",
                CsvDelimiter::Tab => "TAB",
            }),
        );
        match &self.csv_headers {
            Some(CsvHeaders::FirstRow) => config.put("CSVHeaderLocation", Some("FIRST_ROW")),
            Some(CsvHeaders::Given(headers)) => {
                config.put("CSVHeaderLocation", Some("GIVEN"));
                config.put("CSVHeaders", Some(headers.clone()));
            }
            None => {}
        }
        let mut payload = Members::default();
        payload.put("Bucket", Some(self.source.name()));
        payload.put("Key", self.key.clone());
        payload.put("Prefix", self.prefix.clone());
        let mut reader = Members::default();
        reader.put("Resource", Some(arn(text!("states:::s3:", action))));
        if !config.0.is_empty() {
            reader.put("ReaderConfig", Some(Value::Object(config.0)));
        }
        reader.put(PAYLOAD, Some(Value::Object(payload.0)));
        Value::Object(reader.0)
    }

    pub(crate) fn statements(&self) -> Vec<Statement> {
        match (&self.source, self.input_type) {
            (Source::Bucket(bucket), None) => {
                vec![Statement::allow(["s3:ListBucket"], [bucket.arn()])]
            }
            (Source::Name(_), None) => vec![Statement::allow(["s3:ListBucket"], ["*"])],
            (Source::Bucket(bucket), Some(_)) => {
                vec![Statement::allow(["s3:GetObject"], [objects_of(bucket)])]
            }
            (Source::Name(_), Some(_)) => Vec::new(),
        }
    }

    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        self.source.bucket()
    }
}

impl Source {
    fn name(&self) -> Value {
        match self {
            Self::Bucket(bucket) => bucket.name().into(),
            Self::Name(name) => name.clone(),
        }
    }

    fn bucket(&self) -> Option<&Bucket> {
        match self {
            Self::Bucket(bucket) => Some(bucket),
            Self::Name(_) => None,
        }
    }
}

fn objects_of(bucket: &Bucket) -> Text {
    arn(text!("s3:::", bucket.name(), "/*"))
}

/// Collects the members that have a value.
#[derive(Default)]
struct Members(Vec<(String, Value)>);

impl Members {
    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        self.0.extend(value.map(|value| (key.to_owned(), value.into())));
    }
}

/// Groups items into batches, so that one child execution gets several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemBatcher {
    max_items: Option<Value>,
    max_items_path: Option<Value>,
    max_bytes: Option<Value>,
    max_bytes_path: Option<Value>,
    batch_input: Option<Value>,
}

impl ItemBatcher {
    /// A batcher without settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The largest number of items in a batch.
    #[must_use]
    pub fn max_items_per_batch(mut self, most: impl Into<Value>) -> Self {
        self.max_items = Some(most.into());
        self
    }

    /// The path of the largest number of items in a batch.
    #[must_use]
    pub fn max_items_per_batch_path(mut self, path: impl Into<DataPath>) -> Self {
        self.max_items_path = Some(path.into().0);
        self
    }

    /// The largest size of a batch's input in bytes.
    #[must_use]
    pub fn max_input_bytes_per_batch(mut self, most: impl Into<Value>) -> Self {
        self.max_bytes = Some(most.into());
        self
    }

    /// The path of the largest size of a batch's input.
    #[must_use]
    pub fn max_input_bytes_per_batch_path(mut self, path: impl Into<DataPath>) -> Self {
        self.max_bytes_path = Some(path.into().0);
        self
    }

    /// Input that every batch gets in addition to its items.
    #[must_use]
    pub fn batch_input(mut self, input: impl Into<Value>) -> Self {
        self.batch_input = Some(input.into());
        self
    }

    pub(crate) fn check(&self, id: &str, problems: &mut Problems) {
        let pairs = [
            ("max_items_per_batch", &self.max_items, &self.max_items_path),
            ("max_input_bytes_per_batch", &self.max_bytes, &self.max_bytes_path),
        ];
        for (name, fixed, path) in pairs {
            if fixed.is_some() && path.is_some() {
                problems.add(
                    id,
                    format!("an item batcher has either `{name}` or `{name}_path`, not both"),
                );
            }
        }
        if *self == Self::default() {
            problems.add(id, "an item batcher has to say something");
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut batcher = Members::default();
        batcher.put("MaxItemsPerBatch", self.max_items.clone());
        batcher.put("MaxItemsPerBatchPath", self.max_items_path.clone());
        batcher.put("MaxInputBytesPerBatch", self.max_bytes.clone());
        batcher.put("MaxInputBytesPerBatchPath", self.max_bytes_path.clone());
        batcher.put("BatchInput", self.batch_input.clone());
        Value::Object(batcher.0)
    }
}

/// Writes the results of a distributed Map to S3, or changes their form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultWriter {
    target: Option<Source>,
    prefix: Option<Value>,
    config: Option<(Transformation, OutputType)>,
}

/// What the results consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transformation {
    /// Each output together with metadata of its child execution.
    None,
    /// Only the outputs.
    Compact,
    /// Only the outputs, with lists flattened.
    Flatten,
}

/// The format of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputType {
    /// A JSON array.
    Json,
    /// One JSON value on each line.
    JsonLines,
}

impl ResultWriter {
    /// Writes to a bucket.
    #[doc(alias = "ResultWriterV2")]
    pub fn to_bucket(bucket: impl Into<Bucket>) -> Self {
        Self { target: Some(Source::Bucket(bucket.into())), ..Self::default() }
    }

    /// Writes to a bucket whose name is computed.
    pub fn to_bucket_at(name: impl Into<PathOrText>) -> Self {
        Self { target: Some(Source::Name(name.into().0)), ..Self::default() }
    }

    /// Writes nothing, but changes the form of the results.
    pub fn shape(transformation: Transformation, output_type: OutputType) -> Self {
        Self { config: Some((transformation, output_type)), ..Self::default() }
    }

    /// The prefix of the keys of the written objects.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Str>) -> Self {
        self.prefix = Some(prefix.into().into());
        self
    }

    /// How the results are transformed and written.
    #[must_use]
    #[doc(alias = "WriterConfig")]
    pub fn writer_config(
        mut self,
        transformation: Transformation,
        output_type: OutputType,
    ) -> Self {
        self.config = Some((transformation, output_type));
        self
    }

    pub(crate) fn check(&self, id: &str, problems: &mut Problems) {
        if self.target.is_none() && self.prefix.is_some() {
            problems.add(id, "`prefix` of a result writer goes with a bucket");
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut writer = Members::default();
        if let Some(target) = &self.target {
            writer.put("Resource", Some(arn("states:::s3:putObject")));
            let mut payload = Members::default();
            payload.put("Bucket", Some(target.name()));
            payload.put("Prefix", self.prefix.clone());
            writer.put(PAYLOAD, Some(Value::Object(payload.0)));
        }
        writer.put(
            "WriterConfig",
            self.config.map(|(transformation, output_type)| {
                let output_type = match output_type {
                    OutputType::Json => "JSON",
                    OutputType::JsonLines => "JSONL",
                };
                let transformation = match transformation {
                    Transformation::None => "NONE",
                    Transformation::Compact => "COMPACT",
                    Transformation::Flatten => "FLATTEN",
                };
                crate::object! {"OutputType": output_type, "Transformation": transformation}
            }),
        );
        Value::Object(writer.0)
    }

    pub(crate) fn statements(&self) -> Vec<Statement> {
        let resource = match &self.target {
            None => return Vec::new(),
            Some(Source::Bucket(bucket)) => objects_of(bucket),
            Some(Source::Name(_)) => "*".into(),
        };
        let actions = [
            "s3:PutObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:AbortMultipartUpload",
        ];
        vec![Statement::allow(actions, [resource])]
    }

    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        self.target.as_ref().and_then(Source::bucket)
    }
}
