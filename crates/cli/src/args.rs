use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
pub(crate) use client::Form as Output;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use stepwright_client as client;
use stepwright_upkeep::{Backup, Doctor, Init, Stores, UpgradeCheck};

/// Write, check, test and run AWS Step Functions state machines anywhere.
///
/// Exit codes: 0 success; 1 the execution failed, or a check found something; 2 the command or the
/// definition cannot be used.
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
    Lsp(Lsp),
    Graph(Graph),
    Serve(Serve),
    Dev(Dev),
    Doctor(Doctor),
    Backup(Backup),
    #[command(subcommand)]
    Store(Stores),
    Parked(client::Parked),
    List(client::List),
    Describe(client::Describe),
    History(client::History),
    Logs(client::Logs),
    Start(client::Start),
    Stop(client::Stop),
    Redrive(client::Redrive),
    Fork(client::Fork),
    Why(client::Why),
    Completions(Completions),
    Init(Init),
    UpgradeCheck(UpgradeCheck),
    Env(Env),
    Policy(Policy),
    Synth(Synth),
}

/// Serve the Step Functions API with a durable engine, for any AWS SDK that is given the endpoint's
/// URL.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stepwright serve
  stepwright serve --data ./data --config stepwright.toml
  eval \"$(stepwright env)\" && aws stepfunctions list-state-machines")]
pub(crate) struct Serve {
    /// The address to listen on [default: 127.0.0.1:8083]. An address that can be reached from
    /// other machines needs `[[credentials]]` in the configuration, and encryption.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Encrypt connections with the certificate in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The PEM file of the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Allow unencrypted connections from other machines, for example because a proxy encrypts
    /// them.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The directory to store everything in [default: .stepwright].
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// The URL of a PostgreSQL database to keep executions in, such as `postgres://me@db/steps`; the
    /// password is taken from `PGPASSWORD`. Several servers can share it.
    #[arg(long, value_name = "URL", conflicts_with = "memory")]
    pub(crate) store: Option<String>,
    /// Keep everything in memory. It is lost when the server ends.
    #[arg(long)]
    pub(crate) memory: bool,
    /// The account in ARNs [default: 123456789012].
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The region in ARNs [default: us-east-1].
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The configuration file [default: stepwright.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A mock file in the format of Step Functions Local. Start executions with `ARN#TestCase`
    /// [default: `SFN_MOCK_CONFIG`].
    #[arg(long, value_name = "FILE")]
    pub(crate) mock_config: Option<PathBuf>,
    /// Which limits on payloads and histories apply [default: aws].
    #[arg(long, value_enum)]
    pub(crate) limits: Option<LimitsChoice>,
    /// The format of the server's own log.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log: Output,
}

/// Serve, and keep up with changes to files: the state machines, functions, queues, tables, buckets
/// and rules of definitions, templates (SAM, CloudFormation, `cdk.out`) and projects are made, and
/// changed when their files are. Everything is in memory unless --data is given.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Definitions, templates and projects, or folders of them [default: the *.asl.json, *.asl.yaml,
    /// template.yaml, cdk.out and project.py of this directory, and those that come later].
    pub(crate) files: Vec<PathBuf>,
    /// Say only what goes wrong.
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say each call of a function, too, with its time and memory, and each child of a map run.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright completions bash > ~/.local/share/bash-completion/completions/stepwright
  stepwright completions zsh > ~/.zfunc/_stepwright
  stepwright completions fish > ~/.config/fish/completions/stepwright.fish")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the shell commands that configure AWS SDKs and tools for a server on this machine.
#[derive(Debug, Args)]
pub(crate) struct Env {
    /// The address that the server listens on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8083", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// The server uses encryption.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Send the calls of all services to the server: it has local services, such as SQS and S3.
    #[arg(long)]
    pub(crate) local: bool,
    /// The region.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub(crate) region: String,
}

/// Run a state machine on this machine, now.
///
/// Tasks are answered by a mocks file (--mocks) or by the functions of stepwright.toml: a command
/// that reads JSON and writes JSON, an HTTP endpoint, or a fixed answer. Files next to the
/// definition are used automatically: stepwright.toml, NAME.mocks.yaml, NAME.input.json.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  stepwright run order.asl.yaml
  stepwright run order.asl.yaml --input '{\"id\": 7}' --mocks order.mocks.yaml --virtual-time
  stepwright run template.yaml --state-machine OrderFlow --set TableName=orders
  cat event.json | stepwright run flow.asl.json --input - --output json")]
pub(crate) struct Run {
    /// A definition (JSON, JSON with comments, YAML), or a template that contains state machines.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The input, as JSON; `-` reads it from standard input.
    #[arg(short, long, value_name = "JSON", conflicts_with = "input_file")]
    pub(crate) input: Option<String>,
    /// A file with the input, in JSON or YAML.
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
    /// A file that answers the tasks, state by state.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) mocks: Option<PathBuf>,
    /// A mock file in the format of Step Functions Local (`MockConfigFile.json`).
    #[arg(long, value_name = "FILE", requires = "test_case")]
    pub(crate) mock_config: Option<PathBuf>,
    /// The test case of the mock file that answers the tasks.
    #[arg(long, value_name = "NAME", requires = "mock_config")]
    pub(crate) test_case: Option<String>,
    /// The configuration file, which defines the functions.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The file to keep a project's state data in [default: a temporary file].
    #[arg(long, value_name = "FILE")]
    pub(crate) state_data: Option<PathBuf>,
    /// Waits and retries take no time.
    #[arg(long)]
    pub(crate) virtual_time: bool,
    /// Which limits on payloads and histories apply.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) limits: LimitsChoice,
    #[command(flatten)]
    pub(crate) printed: client::Printed,
    /// The seed of random numbers. With it, they are the same in every run.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Print no timeline and no output of functions, only how the execution ends.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print every event, those of each item of a large Map too. In a pipe, data is printed in full.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Print the timeline on standard error also with --output json.
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) timeline: bool,
    /// Print what functions write, also with --quiet.
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Run test files, which contain cases: an input, the answers of tasks, and what is expected.
///
/// Exit codes: 0 all tests pass; 1 a test fails, or the coverage is too low; 2 a file cannot be
/// used.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:
  stepwright test
  stepwright test order.test.yaml --filter refund
  stepwright test --coverage --coverage-threshold 90 --junit results.xml
  stepwright test --watch")]
pub(crate) struct Test {
    /// Test files, or directories to search for them [default: this directory].
    pub(crate) files: Vec<PathBuf>,
    /// Run only tests that have this text in their name or file.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Run again whenever a file changes.
    #[arg(short, long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) printed: client::Printed,
    /// A file to write the results to, as `JUnit` XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the snapshots of timelines that have changed.
    #[arg(long)]
    pub(crate) bless: bool,
    /// Report which states, transitions, rules, retriers and catchers the tests use.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Fail if the tests use less than this percentage of a definition's parts.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) coverage_threshold: Option<f64>,
    /// A file to draw the definition in, with the parts that the tests use in green.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) coverage_graph: Option<PathBuf>,
    /// A file to write the coverage to, as a tracefile of lcov: a state is a line, a rule, a retrier or
    /// a catcher is a branch.
    #[arg(long, value_name = "FILE")]
    pub(crate) lcov: Option<PathBuf>,
    /// A file to write the coverage to, as Cobertura's XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) cobertura: Option<PathBuf>,
    /// Fail if a mock is not used.
    #[arg(long)]
    pub(crate) deny_unused: bool,
    /// The number of tests to run at once [default: the number of processors].
    #[arg(short, long, value_name = "NUMBER")]
    pub(crate) jobs: Option<usize>,
}

/// Check whether a definition reproduces a recorded execution, and show where it departs from it.
///
/// Tasks are given the answers that they got in the recording. The history comes from `aws
/// stepfunctions get-execution-history`, from a server on this machine, or from `stepwright run
/// --output json`.
///
/// Exit codes: 0 the history is reproduced; 1 the definition departs from it; 2 a file cannot be
/// used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aws stepfunctions get-execution-history --execution-arn ARN > history.json
  stepwright replay history.json --definition order.asl.yaml")]
pub(crate) struct Replay {
    /// The history; `-` reads it from standard input.
    pub(crate) history: PathBuf,
    /// The definition or template [default: the definition in the file of the history].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) definition: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The execution's ARN, for definitions that read it from the context object. A history does
    /// not contain it.
    #[arg(long, value_name = "ARN")]
    pub(crate) execution_arn: Option<String>,
    /// A mocks file for calls that the history does not contain: those of a distributed Map's
    /// children.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) mocks: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) printed: client::Printed,
}

/// Make a test file from an execution that a server has run.
///
/// Reads the execution, its definition and its history from the server, and writes a test whose
/// mocks answer as the tasks did and which expects what happened. Works with any server that has
/// the API of Step Functions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright record arn:aws:states:us-east-1:123456789012:execution:order:order-17
  stepwright record ARN --aws -o tests/")]
pub(crate) struct Record {
    /// The execution, by its ARN, as MACHINE:NAME, or by its name.
    pub(crate) arn: String,
    /// The server.
    #[command(flatten)]
    pub(crate) connection: client::Connection,
    /// The directory to write the definition and the test file to.
    #[arg(short, long, value_name = "DIR", default_value = ".", alias = "out")]
    pub(crate) output: PathBuf,
    /// Replace existing files.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Find out what can go wrong: let every task succeed, fail with every error, and never answer.
///
/// Reports states that are never reached, errors that nobody handles, loops that never end, places
/// where an execution can hang, and payloads that can grow past AWS's limits, each with the
/// shortest mocks that show it. Exit codes: 0 nothing was found; 1 something was found; 2 a file
/// cannot be used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright explore order.asl.yaml
  stepwright explore order.asl.yaml --save tests/")]
pub(crate) struct Explore {
    /// A definition or template.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The input to begin with, as JSON [default: one made from what the states need].
    #[arg(short, long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// The directory to write a test file of the findings to.
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// The largest number of runs.
    #[arg(long, value_name = "NUMBER", default_value_t = 2_000)]
    pub(crate) runs: usize,
    /// The largest number of seconds.
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) printed: client::Printed,
}

/// An address: `127.0.0.1:8083`, `localhost:8083`, or a port of this machine.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    if !text.contains(':') {
        return Err("an address has a port, as in localhost:8083".to_owned());
    }
    let resolved = text.to_socket_addrs().map_err(|error| error.to_string())?;
    resolved.into_iter().next().ok_or_else(|| "nothing has this name".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "a number from 0 to 100".to_owned())
}

/// Test one state, as AWS's `TestState` does: show its output for an input, and the data on the
/// way.
///
/// A task is answered by a mock or by a function of stepwright.toml, a Map or Parallel by a mock.
/// JSON may be given as @FILE. Exit code 1 if the state failed and nothing caught the error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright test-state order.asl.yaml --state Price --input '{\"id\": 7}' --inspection-level debug
  stepwright test-state flow.asl.json --state Pay --mock-error Payment.Declined --retrier-retry-count 2")]
pub(crate) struct TestState {
    /// A definition that contains the state, or a file with the state alone.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The name of the state, which may lie within a Map or Parallel.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// The state's input [default: {}].
    #[arg(short, long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// The variables that the state sees, as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) variables: Option<String>,
    /// The context object that the state sees [default: an example].
    #[arg(long, value_name = "JSON")]
    pub(crate) context: Option<String>,
    /// The result of the task, the branches or the iterations.
    #[arg(long, value_name = "JSON", conflicts_with = "mock_error")]
    pub(crate) mock_result: Option<String>,
    /// The error that the task, a branch or an iteration fails with.
    #[arg(long, value_name = "ERROR")]
    pub(crate) mock_error: Option<String>,
    /// The cause of that error.
    #[arg(long, value_name = "TEXT", requires = "mock_error")]
    pub(crate) mock_cause: Option<String>,
    /// Which members of a mocked result are compared with the service's response: all that it must
    /// have, those that are there, or none.
    #[arg(long, default_value = "strict", value_parser = ["strict", "present", "none"])]
    pub(crate) field_validation: String,
    /// How much to show: the outcome only, or also the data at each stage.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) inspection_level: Inspection,
    /// Also show what the connection of an HTTP task adds to the request.
    #[arg(long)]
    pub(crate) reveal_secrets: bool,
    /// How often the retrier for the mocked error has already retried.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) retrier_retry_count: Option<u32>,
    /// The state within a Map or Parallel that the mocked error comes from.
    #[arg(long, value_name = "STATE")]
    pub(crate) error_caused_by_state: Option<String>,
    /// The number of iterations of a Map that have failed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) map_iteration_failure_count: Option<u64>,
    /// What a Map's item reader reads from its source.
    #[arg(long, value_name = "FILE")]
    pub(crate) map_item_reader_data: Option<PathBuf>,
    /// The configuration file, which defines the functions.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How much `test-state` shows.
#[derive(Clone, Copy, Debug, Default, ValueEnum, PartialEq, Eq)]
pub(crate) enum Inspection {
    /// The outcome only.
    #[default]
    Info,
    /// Also the data at each stage.
    Debug,
    /// Also the request and the response of an HTTP task.
    Trace,
}

/// Compile a Fluxio project, a workflow written in Python, to Amazon States Language.
///
/// Prints one JSON object with the name and the definition of each state machine; with --machine,
/// only that machine's definition. Exit code 2 if the project cannot be compiled.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright compile project.py
  stepwright compile project.py --machine main > main.asl.json
  stepwright compile project.py --compat")]
pub(crate) struct Compile {
    /// The project file.
    pub(crate) file: PathBuf,
    /// Give the output of the original Fluxio, including its state keys and oddities.
    #[arg(long)]
    pub(crate) compat: bool,
    /// The function of the machine to compile.
    #[arg(long, value_name = "NAME")]
    pub(crate) machine: Option<String>,
}

/// Report everything that is wrong with definitions.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Definitions or templates; `-` reads standard input.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) printed: client::Printed,
    /// Check the definitions as Express workflows.
    #[arg(long)]
    pub(crate) express: bool,
    /// Treat warnings as errors.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Make the likeliest change that each rule suggests, in the files; then check them.
    #[arg(long)]
    pub(crate) fix: bool,
}

/// Speak the Language Server Protocol over standard input and output, for editors.
#[derive(Debug, Args)]
pub(crate) struct Lsp {
    /// The only way there is; some editors ask for it.
    #[arg(long)]
    pub(crate) stdio: bool,
}

/// Format definitions in JSON.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Definitions in JSON.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; exit with code 1 if a file would be changed.
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
    /// The form [default: by the extension of the file, else SVG].
    #[arg(short, long, value_enum, value_name = "FORM")]
    pub(crate) format: Option<GraphFormat>,
    /// The file to write, *.svg, *.mmd or *.dot; or a form, to print it.
    #[arg(short, long, value_name = "FORM|FILE", alias = "out")]
    pub(crate) output: Option<PathBuf>,
}

/// Print the permissions that a state machine's role needs.
///
/// Prints an IAM policy with least privilege. Where the definition alone does not show which
/// resource is used, any resource is allowed, with a note on standard error.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// A definition or template.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) load: Load,
}

/// Make CloudFormation templates from a definition, or from a Fluxio project with its tasks.
///
/// For a definition, one template is printed: state machine, role, policy, parameters. For a
/// project, a folder is written that contains the templates and a folder for each task, ready for
/// `aws cloudformation package`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright synth flow.asl.json > template.json
  stepwright synth project.py --out build
  aws cloudformation package --template-file build/template.json --s3-bucket BUCKET \\
      --output-template-file packaged.yaml")]
pub(crate) struct Synth {
    /// A definition, a template or a project.
    pub(crate) file: PathBuf,
    /// The folder to write a project's files to [default: stepwright.out].
    #[arg(short, long, value_name = "DIR", alias = "out")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) load: Load,
    /// The logical id of the state machine in the template [default: made from the file's name].
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
    /// The state machine to use if a template or project has several: its name or logical id. Can
    /// be written as `--machine`.
    #[arg(long, value_name = "NAME", alias = "machine")]
    pub(crate) state_machine: Option<String>,
    /// Let a template name definitions outside its directory (`DefinitionUri: ../flow.asl.json`).
    #[arg(long)]
    pub(crate) allow_outside: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum, PartialEq, Eq)]
pub(crate) enum LimitsChoice {
    /// AWS's limits: what runs here also runs on AWS.
    #[default]
    Aws,
    /// No limits but this machine's memory. Reports where AWS would have failed.
    Extended,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum GraphFormat {
    /// A picture.
    Svg,
    /// For Markdown pages.
    Mermaid,
    /// For Graphviz.
    Dot,
}

/// The command line. What is true of `serve` is not always true of `dev`, which shares its options.
pub(crate) fn command() -> clap::Command {
    let mut command = Arguments::command().mut_subcommand("dev", |dev| {
        dev.mut_arg("data", |data| {
            data.help("The directory to store everything in [default: everything is in memory]")
        })
        .mut_arg("memory", |memory| memory.hide(true))
    });
    // `logs -f` and `history -f` follow; elsewhere, -f has been --format for long.
    for name in ["test", "replay", "explore", "check"] {
        command = command.mut_subcommand(name, |one| one.mut_arg("format", |it| it.short('f')));
    }
    command
}

pub(crate) fn parse() -> Arguments {
    let matches = command().get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}
