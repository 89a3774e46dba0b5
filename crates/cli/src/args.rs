use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Write, check, test and run AWS Step Functions state machines anywhere.
///
/// Exit codes: 0 it went well; 1 the execution failed, or something is not as it was asked to be;
/// 2 the command or the definition cannot be used.
#[derive(Debug, Parser)]
#[command(name = "stepwright", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Test(Test),
    Replay(Replay),
    Record(Record),
    Explore(Explore),
    TestState(TestState),
    Compile(Compile),
    Check(Check),
    Fmt(Fmt),
    Graph(Graph),
    Serve(Serve),
    Dev(Dev),
    Doctor(Doctor),
    Backup(Backup),
    Env(Env),
    Policy(Policy),
    Synth(Synth),
}

/// Serve the Step Functions API: every AWS SDK's endpoint URL, on a durable engine.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stepwright serve
  stepwright serve --data ./data --config stepwright.toml
  eval \"$(stepwright env)\" && aws stepfunctions list-state-machines")]
pub(crate) struct Serve {
    /// Where connections are taken [default: 127.0.0.1:8083]. An address that can be reached from
    /// elsewhere needs `[[credentials]]` in the configuration, and encryption.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Encrypt connections with the certificate in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The PEM file of the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Let connections from elsewhere do without encryption: a proxy does it, say.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The directory that everything is kept in [default: .stepwright].
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// Keep everything in memory, and nothing when the server ends.
    #[arg(long)]
    pub(crate) memory: bool,
    /// The account in ARNs [default: 123456789012].
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The region in ARNs [default: us-east-1].
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The configuration [default: stepwright.toml, if there is one].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A mock file as of Step Functions Local; start with `ARN#TestCase`.
    #[arg(long, value_name = "FILE")]
    pub(crate) mock_config: Option<PathBuf>,
    /// Whose limits on payloads and histories hold [default: aws].
    #[arg(long, value_enum)]
    pub(crate) limits: Option<LimitsChoice>,
    /// How the server's own log is written.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: Output,
}

/// Serve, and follow the files: state machines are created and updated as their definitions and
/// projects change, functions are reloaded as their code does. Schedules and subscriptions of projects
/// start executions. Everything is in memory unless --data is given.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Definitions, templates and projects; all *.asl.json and *.asl.yaml and the project.py of this
    /// directory if none is named.
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Look for what is wrong with a data directory: damage, histories that do not fold, executions
/// that nothing would wake. The server that uses it must be stopped.
///
/// Says on standard error how far it has come; Ctrl-C stops it. Exit codes: 0 nothing is wrong; 1
/// something is; 130 it was stopped before its end.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The directory.
    #[arg(long, value_name = "DIR", default_value = ".stepwright")]
    pub(crate) data: PathBuf,
}

/// Copy a data directory, while a server may be using it.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The directory.
    #[arg(long, value_name = "DIR", default_value = ".stepwright")]
    pub(crate) data: PathBuf,
    /// Where the copy goes: a directory without a store.
    pub(crate) to: PathBuf,
}

/// Print what an SDK needs to talk to a server here, as shell commands.
#[derive(Debug, Args)]
pub(crate) struct Env {
    /// Where the server listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8083")]
    pub(crate) listen: std::net::SocketAddr,
    /// The server encrypts connections.
    #[arg(long)]
    pub(crate) tls: bool,
    /// The region.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub(crate) region: String,
}

/// Run a state machine here and now.
///
/// Tasks are answered by a mocks file (--mocks) or by the functions of stepwright.toml: a command
/// that reads JSON and writes JSON, an HTTP endpoint, or a fixed answer. Files beside the
/// definition are found by themselves: stepwright.toml, NAME.mocks.yaml, NAME.input.json.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright run order.asl.yaml
  stepwright run order.asl.yaml --input '{\"id\": 7}' --mocks order.mocks.yaml --virtual-time
  stepwright run template.yaml --state-machine OrderFlow --set TableName=orders
  cat event.json | stepwright run flow.asl.json --input - --output json")]
pub(crate) struct Run {
    /// A definition (JSON, JSON with comments, YAML) or a template that holds some.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The input, as JSON; `-` reads it from standard input.
    #[arg(short, long, value_name = "JSON", conflicts_with = "input_file")]
    pub(crate) input: Option<String>,
    /// A file with the input, as JSON or YAML.
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
    /// A file that answers the tasks, state by state.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) mocks: Option<PathBuf>,
    /// A mock file as of Step Functions Local (`MockConfigFile.json`).
    #[arg(long, value_name = "FILE", requires = "test_case")]
    pub(crate) mock_config: Option<PathBuf>,
    /// The test case of the mock file that answers the tasks.
    #[arg(long, value_name = "NAME", requires = "mock_config")]
    pub(crate) test_case: Option<String>,
    /// The file that says what the functions are.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The file that keeps a project's state data [default: one that is gone afterwards].
    #[arg(long, value_name = "FILE")]
    pub(crate) state_data: Option<PathBuf>,
    /// Let waits and retries take no time.
    #[arg(long)]
    pub(crate) virtual_time: bool,
    /// Whose limits on payloads and histories hold.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) limits: LimitsChoice,
    /// What is printed: a timeline for people, or one JSON object for scripts.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Makes random numbers the same in every run.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

/// Run test files: cases with an input, what tasks answer, and what is expected.
///
/// Exit codes: 0 all tests pass; 1 one fails, or too little is covered; 2 a file cannot be used.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  stepwright test
  stepwright test order.test.yaml --filter refund
  stepwright test --coverage --coverage-threshold 90 --junit results.xml
  stepwright test --watch")]
pub(crate) struct Test {
    /// Test files, or directories that are searched for them; this directory if none is named.
    pub(crate) files: Vec<PathBuf>,
    /// Only tests with this text in their name or file.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Run again whenever a file changes.
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// What is printed: lines for people, or one JSON object for scripts.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: Output,
    /// A file for the results, in the XML of `JUnit`.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the snapshots of timelines that differ.
    #[arg(long)]
    pub(crate) bless: bool,
    /// Say which states, transitions, rules, retriers and catchers the tests use.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Fail when less of a definition is used than this, in per cent of all its parts.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) coverage_threshold: Option<f64>,
    /// A file for the definition as a picture, with what the tests use in green.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) coverage_graph: Option<PathBuf>,
    /// Fail when a mock is not used.
    #[arg(long)]
    pub(crate) deny_unused: bool,
    /// How many tests run at once; as many as there are processors if not given.
    #[arg(short, long, value_name = "NUMBER")]
    pub(crate) jobs: Option<usize>,
}

/// Check that a definition reproduces a recorded execution, and say where it departs.
///
/// The tasks answer what they answered then. The history comes from `aws stepfunctions
/// get-execution-history`, from a server here, or from `stepwright run --output json`.
///
/// Exit codes: 0 the history is reproduced; 1 the definition departs from it; 2 a file cannot be
/// used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aws stepfunctions get-execution-history --execution-arn ARN > history.json
  stepwright replay history.json --definition order.asl.yaml")]
pub(crate) struct Replay {
    /// The history; `-` reads standard input.
    pub(crate) history: PathBuf,
    /// The definition or template; if left out, the one that the file of the history has.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) definition: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The execution's ARN, for what reads it from the context object: a history does not say it.
    #[arg(long, value_name = "ARN")]
    pub(crate) execution_arn: Option<String>,
    /// A mocks file for calls that are in no history: those of a distributed Map's children.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) mocks: Option<PathBuf>,
    /// What is printed: lines for people, or one JSON object for scripts.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: Output,
}

/// Make a test file of an execution that a server has run.
///
/// Asks the server for the execution, its definition and its history, and writes a test whose mocks
/// answer what the tasks answered, and which expects what happened. Any server will do that speaks
/// the API of Step Functions: requests are signed with `AWS_ACCESS_KEY_ID` and
/// `AWS_SECRET_ACCESS_KEY`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright record arn:aws:states:us-east-1:123456789012:execution:order:order-17
  stepwright record ARN --endpoint-url https://states.eu-central-1.amazonaws.com -o tests/")]
pub(crate) struct Record {
    /// The execution's ARN.
    pub(crate) arn: String,
    /// Where the server is [default: `AWS_ENDPOINT_URL_SFN`, else 127.0.0.1:8083].
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The directory that the definition and the test file are written to.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Look for what can go wrong: drive every task through success, every error, and silence.
///
/// Says which states are never reached, which errors nobody handles, which loops never end, where
/// an execution can hang, and which payloads can grow past AWS's limits, each with the shortest
/// mocks that show it. Exit codes: 0 nothing is found; 1 something is; 2 a file cannot be used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright explore order.asl.yaml
  stepwright explore order.asl.yaml --save tests/")]
pub(crate) struct Explore {
    /// A definition or template.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The input to begin with, as JSON; one is made from what the states need if not given.
    #[arg(short, long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// The directory that a test file is written to for what is found.
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// The most runs that are made.
    #[arg(long, value_name = "NUMBER", default_value_t = 2_000)]
    pub(crate) runs: usize,
    /// What is printed: lines for people, or one JSON object for scripts.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: Output,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "a number from 0 to 100".to_owned())
}

/// Test one state, as AWS's `TestState` does: what it makes of an input, and what is seen on the way.
///
/// A task is answered by a mock or by a function of stepwright.toml; a Map or Parallel by a mock.
/// JSON may be given as @FILE. Exit code 1 when the state failed and nothing caught it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright test-state order.asl.yaml --state Price --input '{\"id\": 7}' --inspection-level debug
  stepwright test-state flow.asl.json --state Pay --mock-error Payment.Declined --retrier-retry-count 2")]
pub(crate) struct TestState {
    /// A definition with the state, or a file with the state alone.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// Which state; it may lie within a Map or Parallel.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// The state's input [default: {}].
    #[arg(short, long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// The variables it sees: an object.
    #[arg(long, value_name = "JSON")]
    pub(crate) variables: Option<String>,
    /// The context object it sees, instead of a made-up one.
    #[arg(long, value_name = "JSON")]
    pub(crate) context: Option<String>,
    /// What the task, the branches or the iterations come to.
    #[arg(long, value_name = "JSON", conflicts_with = "mock_error")]
    pub(crate) mock_result: Option<String>,
    /// The error that the task, a branch or an iteration fails with.
    #[arg(long, value_name = "ERROR")]
    pub(crate) mock_error: Option<String>,
    /// The cause of that error.
    #[arg(long, value_name = "TEXT", requires = "mock_error")]
    pub(crate) mock_cause: Option<String>,
    /// How much of a mocked result is held against what the service answers.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) field_validation: FieldValidation,
    /// How much is shown: the outcome, or what the data look like at each stage as well.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) inspection_level: Inspection,
    /// How often the retrier for the mocked error has tried before.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) retrier_retry_count: Option<u32>,
    /// The state within a Map or Parallel that the mocked error comes from.
    #[arg(long, value_name = "STATE")]
    pub(crate) error_caused_by_state: Option<String>,
    /// How many iterations of a Map have failed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) map_iteration_failure_count: Option<u64>,
    /// What a Map's item reader finds at its source.
    #[arg(long, value_name = "FILE")]
    pub(crate) map_item_reader_data: Option<PathBuf>,
    /// The file that says what the functions are.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How much `test-state` shows.
#[derive(Clone, Copy, Debug, Default, ValueEnum, PartialEq, Eq)]
pub(crate) enum Inspection {
    /// The outcome.
    #[default]
    Info,
    /// What the data look like at each stage, too.
    Debug,
    /// The same; of an HTTP task, AWS shows the request and response as well.
    Trace,
}

/// How much of a mocked result is held against what the service answers.
#[derive(Clone, Copy, Debug, Default, ValueEnum, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// What must be there is there, and what is there has the right form.
    #[default]
    Strict,
    /// What is there has the right form.
    Present,
    /// Nothing is looked at.
    None,
}

impl From<FieldValidation> for stepwright_simulator::FieldValidation {
    fn from(chosen: FieldValidation) -> Self {
        match chosen {
            FieldValidation::Strict => Self::Strict,
            FieldValidation::Present => Self::Present,
            FieldValidation::None => Self::None,
        }
    }
}

/// Compile a Fluxio project, a workflow written in Python, to Amazon States Language.
///
/// Prints one JSON object: the name of each state machine and its definition. With --machine, that
/// machine's definition alone. Exit code 2 when the project cannot be compiled.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright compile project.py
  stepwright compile project.py --machine main > main.asl.json
  stepwright compile project.py --compat")]
pub(crate) struct Compile {
    /// The project.
    pub(crate) file: PathBuf,
    /// Make what the original makes, state keys and oddities included.
    #[arg(long)]
    pub(crate) compat: bool,
    /// The function of the machine that is wanted.
    #[arg(long, value_name = "NAME")]
    pub(crate) machine: Option<String>,
}

/// Say everything that is wrong with definitions.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Definitions or templates; `-` reads standard input.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    /// How it is said.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) format: Output,
    /// Check as an Express workflow.
    #[arg(long)]
    pub(crate) express: bool,
    /// Warnings count as errors.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

/// Put definitions in JSON into their canonical form.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Definitions in JSON.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; exit with 1 if something would change.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Draw a state machine.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// A definition or template.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// In which form; by the ending of --out, else SVG.
    #[arg(short, long, value_enum)]
    pub(crate) format: Option<GraphFormat>,
    /// Where to; standard output if not given.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Say what the role of a state machine has to be allowed.
///
/// Prints an IAM policy with least privilege. What cannot be read off the definition alone is
/// allowed for any resource, and noted on standard error.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// A definition or template.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
}

/// Make CloudFormation templates: of a definition, or of a Fluxio project with its tasks.
///
/// Of a definition, one template is printed: state machine, role, policy, parameters. Of a project, a
/// folder is written: the templates, and a folder for each task. `aws cloudformation package` takes it
/// from there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright synth flow.asl.json > template.json
  stepwright synth project.py --out build
  aws cloudformation package --template-file build/template.json --s3-bucket BUCKET \\
      --output-template-file packaged.yaml")]
pub(crate) struct Synth {
    /// A definition, a template or a project.
    pub(crate) file: PathBuf,
    /// Where the files of a project go [default: stepwright.out].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    /// What the state machine is called in the template; by the file's name if not given.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// How a file is read.
#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    /// A value for `${Name}`; may be given more than once.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A file with values for `${Name}`: a JSON or YAML object.
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Option<PathBuf>,
    /// Which state machine of a template or project: its name or logical id. `--machine` for short.
    #[arg(long, value_name = "NAME", alias = "machine")]
    pub(crate) state_machine: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum, PartialEq, Eq)]
pub(crate) enum LimitsChoice {
    /// AWS's: what runs here runs there.
    #[default]
    Aws,
    /// None but this machine's memory; says where AWS would have failed.
    Extended,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For scripts.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum GraphFormat {
    /// A picture.
    Svg,
    /// For Markdown pages.
    Mermaid,
    /// For GraphViz.
    Dot,
}

pub(crate) fn parse() -> Arguments {
    Arguments::parse()
}
