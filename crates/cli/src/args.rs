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
    /// elsewhere needs `[[credentials]]` in the configuration.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
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

/// Serve, and follow the files: state machines are created and updated as their definitions
/// change, functions are reloaded as their code does. Everything is in memory unless --data is given.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Definitions and templates; all *.asl.json and *.asl.yaml of this directory if none is named.
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Look for what is wrong with a data directory: damage, histories that do not fold, executions
/// that nothing would wake. The server that uses it must be stopped.
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

/// Make a CloudFormation template of a definition: state machine, role, policy, parameters.
#[derive(Debug, Args)]
pub(crate) struct Synth {
    /// A definition or template.
    pub(crate) file: PathBuf,
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
    /// Which state machine of a template: its name or logical id.
    #[arg(long, value_name = "NAME")]
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
