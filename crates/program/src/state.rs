use crate::choice::Condition;
use crate::expression::{Expression, PathExpression};
use crate::template::Template;
use stepwright_json::{Json, Str};
use stepwright_jsonpath::ReferencePath;

/// A state's place in [`crate::Program::states`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateId(pub u32);

/// Where a state goes when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// To another state of the same scope.
    Next(StateId),
    /// Out of the scope.
    End,
}

/// What a state's expressions are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// JSONPath and intrinsic functions.
    #[default]
    JsonPath,
    /// JSONata.
    Jsonata,
}

/// One compiled state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: Str,
    /// What its expressions are written in.
    pub language: Language,
    /// How its input becomes its output.
    pub io: Io,
    /// What it does.
    pub kind: Kind,
}

/// The fields that shape data, of either language. What a language does not have is `None`.
#[derive(Clone, Debug, Default)]
pub struct Io {
    /// `InputPath`
    pub input_path: InputPath,
    /// `Parameters` or `Arguments`
    pub arguments: Option<Template>,
    /// `ResultSelector`
    pub result_selector: Option<Template>,
    /// `ResultPath`
    pub result_path: ResultPath,
    /// `OutputPath`
    pub output_path: InputPath,
    /// `Output`
    pub output: Option<Template>,
    /// `Assign`
    pub assign: Option<Template>,
}

/// `InputPath` and `OutputPath`.
#[derive(Clone, Debug, Default)]
pub enum InputPath {
    /// `$`: everything.
    #[default]
    Whole,
    /// `null`: an empty object.
    Nothing,
    /// A part.
    Path(PathExpression),
}

/// `ResultPath`.
#[derive(Clone, Debug, Default)]
pub enum ResultPath {
    /// `$`: the result is the output.
    #[default]
    Replace,
    /// `null`: the input is the output.
    Discard,
    /// The result is put into the input.
    At(ReferencePath),
}

/// What a state does.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a program holds few states, and Task is the usual one"
)]
pub enum Kind {
    /// Calls something.
    Task(Task),
    /// Passes data on.
    Pass(Pass),
    /// Picks the next state.
    Choice(Choice),
    /// Waits.
    Wait(Wait),
    /// Ends well.
    Succeed,
    /// Ends badly.
    Fail(Fail),
    /// Runs branches side by side.
    Parallel(Parallel),
    /// Runs one scope for each item.
    Map(Box<Map>),
}

impl Kind {
    /// The value of the field `Type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "Task",
            Self::Pass(_) => "Pass",
            Self::Choice(_) => "Choice",
            Self::Wait(_) => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail(_) => "Fail",
            Self::Parallel(_) => "Parallel",
            Self::Map(_) => "Map",
        }
    }
}

/// A number that is written down or computed.
#[derive(Clone, Debug)]
pub enum NumberField {
    /// Written down.
    Literal(f64),
    /// The JSONPath of a `…Path` field.
    Path(PathExpression),
    /// A JSONata expression.
    Jsonata(Expression),
}

/// A text that is written down or computed.
#[derive(Clone, Debug)]
pub enum TextField {
    /// Written down.
    Literal(Str),
    /// The JSONPath or intrinsic function of a `…Path` field.
    Path(Expression),
    /// A JSONata expression.
    Jsonata(Expression),
}

/// A Task state.
#[derive(Clone, Debug)]
pub struct Task {
    /// What is called.
    pub resource: Resource,
    /// `TimeoutSeconds`
    pub timeout: Option<NumberField>,
    /// `HeartbeatSeconds`
    pub heartbeat: Option<NumberField>,
    /// `Credentials`
    pub credentials: Option<Template>,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where to go.
    pub next: Transition,
}

/// What a Task state calls, as its `Resource` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The whole text.
    pub arn: Str,
    /// What it names.
    pub integration: Integration,
}

/// The three things that a `Resource` can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integration {
    /// A Lambda function by its ARN: AWS records `LambdaFunction…` events.
    Lambda,
    /// An activity: AWS records `Activity…` events.
    Activity,
    /// A service call, `arn:aws:states:::lambda:invoke`: AWS records `Task…` events.
    Service {
        /// `lambda`, `aws-sdk:s3`: AWS's `resourceType`.
        service: Str,
        /// `invoke`, `sendMessage.waitForTaskToken`: AWS's `resource`.
        action: Str,
        /// How long the call lasts.
        pattern: Pattern,
    },
}

/// When a service call is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// When the service has answered.
    RequestResponse,
    /// When the thing that was started has ended (`.sync`, `.sync:2`).
    Sync,
    /// When somebody returns the task token (`.waitForTaskToken`).
    TaskToken,
}

/// How an action is called whose end is waited for.
const SYNC: &str = ".sync";

impl Resource {
    /// Reads a `Resource`. Anything that is not an activity or an AWS service call is taken for a
    /// function: AWS refuses it when the definition is stored, a local run may have a command for it.
    pub fn parse(arn: &str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let integration = match parts.as_slice() {
            ["arn", _, "states", _, account, rest] if rest.starts_with("activity:") => {
                let _ = account;
                Integration::Activity
            }
            ["arn", _, "states", _, _, call] if call.contains(':') => {
                let (service, action) = match call.strip_prefix("aws-sdk:") {
                    Some(rest) => match rest.split_once(':') {
                        Some((service, action)) => (format!("aws-sdk:{service}"), action),
                        None => (rest.to_owned(), ""),
                    },
                    None => {
                        let (service, action) = call.split_once(':').expect("it has a colon");
                        (service.to_owned(), action)
                    }
                };
                let pattern = if action.ends_with(".waitForTaskToken") {
                    Pattern::TaskToken
                } else if action.ends_with(SYNC) || action.ends_with(".sync:2") {
                    Pattern::Sync
                } else {
                    Pattern::RequestResponse
                };
                Integration::Service { service: service.into(), action: action.into(), pattern }
            }
            _ => Integration::Lambda,
        };
        Self { arn: arn.into(), integration }
    }
}

/// One element of `Retry`.
#[derive(Clone, Debug)]
pub struct Retrier {
    /// `ErrorEquals`
    pub errors: Vec<Str>,
    /// `IntervalSeconds`, 1 unless given.
    pub interval_seconds: f64,
    /// `MaxAttempts`, 3 unless given.
    pub max_attempts: u32,
    /// `BackoffRate`, 2.0 unless given.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`
    pub max_delay_seconds: Option<f64>,
    /// `JitterStrategy: FULL`
    pub full_jitter: bool,
}

/// One element of `Catch`.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// `ErrorEquals`
    pub errors: Vec<Str>,
    /// `ResultPath`
    pub result_path: ResultPath,
    /// `Output`
    pub output: Option<Template>,
    /// `Assign`
    pub assign: Option<Template>,
    /// `Next`
    pub next: StateId,
}

/// A Pass state.
#[derive(Clone, Debug)]
pub struct Pass {
    /// `Result`
    pub result: Option<Json>,
    /// Where to go.
    pub next: Transition,
}

/// A Choice state.
#[derive(Clone, Debug)]
pub struct Choice {
    /// `Choices`, in order.
    pub rules: Vec<ChoiceRule>,
    /// `Default`
    pub default: Option<StateId>,
}

/// One element of `Choices`.
#[derive(Clone, Debug)]
pub struct ChoiceRule {
    /// When it applies.
    pub condition: Condition,
    /// Where it leads.
    pub next: StateId,
    /// `Assign`
    pub assign: Option<Template>,
    /// `Output`
    pub output: Option<Template>,
}

/// A Wait state.
#[derive(Clone, Debug)]
pub struct Wait {
    /// Until when.
    pub until: WaitFor,
    /// Where to go.
    pub next: Transition,
}

/// How long a Wait state waits.
#[derive(Clone, Debug)]
pub enum WaitFor {
    /// `Seconds`, written down.
    Seconds(i64),
    /// `Seconds`, a JSONata expression.
    SecondsJsonata(Expression),
    /// `SecondsPath`
    SecondsPath(PathExpression),
    /// `Timestamp`, written down, in milliseconds since 1970.
    Timestamp(i64),
    /// `Timestamp`, a JSONata expression.
    TimestampJsonata(Expression),
    /// `TimestampPath`
    TimestampPath(PathExpression),
}

/// A Fail state.
#[derive(Clone, Debug)]
pub struct Fail {
    /// `Error` or `ErrorPath`
    pub error: Option<TextField>,
    /// `Cause` or `CausePath`
    pub cause: Option<TextField>,
}

/// A Parallel state.
#[derive(Clone, Debug)]
pub struct Parallel {
    /// Where each branch begins.
    pub branches: Vec<StateId>,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where to go.
    pub next: Transition,
}

/// A Map state.
#[derive(Clone, Debug)]
pub struct Map {
    /// What runs for each item.
    pub processor: Processor,
    /// `ItemsPath`; `None` for the whole input.
    pub items_path: Option<PathExpression>,
    /// `Items`: a JSONata expression or an array.
    pub items: Option<Template>,
    /// `ItemSelector`, or the legacy `Parameters` of a Map.
    pub item_selector: Option<Template>,
    /// `ItemReader`
    pub item_reader: Option<ItemReader>,
    /// `ItemBatcher`
    pub item_batcher: Option<ItemBatcher>,
    /// `ResultWriter`
    pub result_writer: Option<ResultWriter>,
    /// `MaxConcurrency`; 0 and `None` mean as many as there are.
    pub max_concurrency: Option<NumberField>,
    /// `ToleratedFailureCount`
    pub tolerated_failure_count: Option<NumberField>,
    /// `ToleratedFailurePercentage`
    pub tolerated_failure_percentage: Option<NumberField>,
    /// `Label`
    pub label: Option<Str>,
    /// `Retry`
    pub retry: Vec<Retrier>,
    /// `Catch`
    pub catch: Vec<Catcher>,
    /// Where to go.
    pub next: Transition,
}

/// What a Map state runs for each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Where each iteration begins.
    pub start: StateId,
    /// Whether iterations are child executions of their own (`Mode: DISTRIBUTED`).
    pub distributed: bool,
    /// Whether those are Express (`ExecutionType: EXPRESS`).
    pub express: bool,
}

/// `ItemReader`
#[derive(Clone, Debug)]
pub struct ItemReader {
    /// What reads: `arn:aws:states:::s3:getObject` or `…:s3:listObjectsV2`.
    pub resource: Str,
    /// `Parameters` or `Arguments`
    pub arguments: Option<Template>,
    /// `InputType`: `CSV`, `JSON`, `JSONL`, `MANIFEST`, `PARQUET`. JSON unless given.
    pub input_type: Option<Str>,
    /// `Transformation`: `LOAD_AND_FLATTEN` or `NONE`.
    pub transformation: Option<Str>,
    /// `ManifestType`: `ATHENA_DATA` or `S3_INVENTORY`.
    pub manifest_type: Option<Str>,
    /// `CSVHeaderLocation: FIRST_ROW`, as opposed to `GIVEN`.
    pub csv_first_row: bool,
    /// `CSVHeaders`
    pub csv_headers: Vec<Str>,
    /// `CSVDelimiter`: `COMMA` unless given.
    pub csv_delimiter: Option<Str>,
    /// `ItemsPointer`: a JSON pointer to the array inside a JSON object.
    pub items_pointer: Option<Str>,
    /// `MaxItems`
    pub max_items: Option<NumberField>,
}

/// `ItemBatcher`
#[derive(Clone, Debug)]
pub struct ItemBatcher {
    /// `MaxItemsPerBatch`
    pub max_items: Option<NumberField>,
    /// `MaxInputBytesPerBatch`
    pub max_bytes: Option<NumberField>,
    /// `BatchInput`
    pub batch_input: Option<Template>,
}

/// `ResultWriter`
#[derive(Clone, Debug)]
pub struct ResultWriter {
    /// What writes: `arn:aws:states:::s3:putObject`; without it results are only transformed.
    pub resource: Option<Str>,
    /// `Parameters` or `Arguments`
    pub arguments: Option<Template>,
    /// `WriterConfig.Transformation`: `NONE`, `COMPACT`, `FLATTEN`.
    pub transformation: Option<Str>,
    /// `WriterConfig.OutputType`: `JSON` or `JSONL`.
    pub output_type: Option<Str>,
}
