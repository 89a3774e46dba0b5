//! The options of the commands.

use crate::{Client, ClientError, Server};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use stepwright_json::Json;
use stepwright_terminal::report::{self, Failure};

/// Which server is asked.
#[derive(Clone, Debug, Args)]
pub struct Connection {
    /// The server's URL or address [default: `AWS_ENDPOINT_URL_SFN`, else 127.0.0.1:8083].
    #[arg(long, value_name = "URL", visible_alias = "endpoint")]
    pub endpoint_url: Option<String>,
    /// Ask AWS, with the credentials that AWS's own tools would use.
    #[arg(long, conflicts_with = "endpoint_url")]
    pub aws: bool,
    /// The region [default: that of the ARN, else `AWS_REGION`, else us-east-1].
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile of AWS's configuration files whose credentials are used.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Read an archive of executions in place of a server: a file of JSON lines or Parquet, or a folder of them.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["endpoint_url", "aws", "profile"])]
    pub archive: Option<PathBuf>,
    /// The file with a key of an archive that is encrypted. More than one may be given.
    #[arg(long, value_name = "FILE", requires = "archive")]
    pub archive_key: Vec<PathBuf>,
}

impl Connection {
    /// A client for a command that is about this ARN or name.
    pub fn client(&self, about: Option<&str>) -> Result<Client, ClientError> {
        let of_arn = about.filter(|about| about.starts_with("arn:"));
        let of_arn =
            of_arn.and_then(|arn| arn.split(':').nth(3)).filter(|region| !region.is_empty());
        Client::new(&Server {
            url: self.endpoint_url.as_deref(),
            aws: self.aws,
            region: self.region.as_deref().or(of_arn),
            profile: self.profile.as_deref(),
            archive: self.archive.as_deref(),
            archive_keys: &self.archive_key,
        })
    }
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Text for people.
    #[default]
    Text,
    /// JSON for scripts.
    Json,
}

/// What a command prints, and where to.
#[derive(Clone, Debug, Default, Args)]
pub struct Printed {
    /// `text` for people, `json` for scripts, or a file *.json to write the JSON to as well.
    #[arg(short, long, value_name = "FORM|FILE", value_parser = form_or_file)]
    pub output: Option<Target>,
    /// The same as --output text and --output json.
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "output")]
    pub format: Option<Form>,
}

/// A form, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Printed in this form.
    Form(Form),
    /// Written to this file, as JSON.
    File(PathBuf),
}

fn form_or_file(text: &str) -> Result<Target, String> {
    let has_json = Path::new(text).extension().is_some_and(|ending| ending == "json");
    match text {
        "text" => Ok(Target::Form(Form::Text)),
        "json" => Ok(Target::Form(Form::Json)),
        file if has_json => Ok(Target::File(file.into())),
        _ => Err("`text`, `json`, or the name of a file that ends in .json".to_owned()),
    }
}

impl Printed {
    /// The form that is printed.
    pub fn form(&self) -> Form {
        match (&self.output, self.format) {
            (Some(Target::Form(form)), _) => *form,
            (None, Some(form)) => form,
            (Some(Target::File(_)) | None, _) => Form::Text,
        }
    }

    /// Whether there is use for the JSON.
    pub fn wants_json(&self) -> bool {
        self.form() == Form::Json || matches!(self.output, Some(Target::File(_)))
    }

    /// Prints the JSON, or writes it to the file.
    pub fn json(&self, json: &Json) -> Result<(), Failure> {
        match &self.output {
            Some(Target::File(path)) => std::fs::write(path, json.pretty() + "\n")
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display()))),
            _ if self.form() == Form::Json => {
                report::print_json(json);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// List the state machines of a server, or the executions of one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright list
  stepwright list orders --status failed
  stepwright list orders --aws --region eu-central-1")]
pub struct List {
    /// A state machine, by its name or ARN.
    pub machine: Option<String>,
    /// Only executions with this status: running, succeeded, failed, timed-out, aborted.
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// The largest number of lines.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub most: usize,
    /// What is printed, and where to.
    #[command(flatten)]
    pub printed: Printed,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Describe an execution or a state machine of a server.
#[derive(Debug, Args)]
pub struct Describe {
    /// The ARN; the name of a state machine; or the name of an execution, also as MACHINE:NAME.
    pub what: String,
    /// What is printed, and where to.
    #[command(flatten)]
    pub printed: Printed,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Show the timeline of an execution on a server, as `run` shows one.
///
/// Exit code 1 if the execution has ended in any way but success.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright history arn:aws:states:us-east-1:123456789012:execution:orders:order-17
  stepwright history orders --follow
  stepwright history orders:order-17 --output json > history.json")]
pub struct History {
    /// The execution: its ARN, MACHINE:NAME, or its name. The name of a state machine stands for its
    /// latest execution.
    pub execution: String,
    /// Show what happens until the execution ends.
    #[arg(short, long)]
    pub follow: bool,
    /// Print every event.
    #[arg(short, long)]
    pub verbose: bool,
    /// What is printed, and where to.
    #[command(flatten)]
    pub printed: Printed,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Show what the executions of a server do, and what its functions print.
///
/// Each line begins with the execution, or with the function. What functions print is shown if no
/// state machine is named and the server is one of Stepwright.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright logs --follow
  stepwright logs orders --since 1h")]
pub struct Logs {
    /// Only executions of these state machines, by name or ARN.
    pub machines: Vec<String>,
    /// Go on with what happens from now on, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// How far to look back: executions that began before are left out, unless they still run.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub since: String,
    /// Print every event.
    #[arg(short, long)]
    pub verbose: bool,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Start an execution on a server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright start orders --input '{\"id\": 7}' --follow")]
pub struct Start {
    /// The state machine: its name or ARN, with `#TestCase` for a mock file's test case.
    pub machine: String,
    /// The input, as JSON; `-` reads it from standard input [default: {}].
    #[arg(short, long, value_name = "JSON")]
    pub input: Option<String>,
    /// The execution's name [default: one that the server makes].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Show its timeline until it ends. Exit code 1 if it does not succeed.
    #[arg(short, long)]
    pub follow: bool,
    /// Print every event.
    #[arg(short, long, requires = "follow")]
    pub verbose: bool,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Stop an execution on a server.
#[derive(Debug, Args)]
pub struct Stop {
    /// The execution: its ARN, MACHINE:NAME, or its name.
    pub execution: String,
    /// The error to give as a reason.
    #[arg(long, value_name = "ERROR")]
    pub error: Option<String>,
    /// The cause to give as a reason.
    #[arg(long, value_name = "TEXT")]
    pub cause: Option<String>,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Let a failed execution on a server go on from the states that failed.
#[derive(Debug, Args)]
pub struct Redrive {
    /// The execution: its ARN, MACHINE:NAME, or its name.
    pub execution: String,
    /// Show its timeline until it ends. Exit code 1 if it does not succeed.
    #[arg(short, long)]
    pub follow: bool,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Run an execution on a server again from one of its states: start another one there, with its data.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright fork orders:17 Charge --follow
  stepwright fork orders:17 Charge --definition charge-again.asl.json")]
pub struct Fork {
    /// The execution: its ARN, MACHINE:NAME, or its name.
    pub execution: String,
    /// The state to begin at, at the top level of the definition.
    pub state: String,
    /// The input, as JSON; `-` reads it from standard input [default: what the state got].
    #[arg(short, long, value_name = "JSON")]
    pub input: Option<String>,
    /// The variables, as a JSON object [default: those that there were].
    #[arg(long, value_name = "JSON")]
    pub variables: Option<String>,
    /// A file with the definition to run, as JSON or YAML [default: the execution's].
    #[arg(long, value_name = "FILE")]
    pub definition: Option<PathBuf>,
    /// The new execution's name [default: one that the server makes].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Show its timeline until it ends. Exit code 1 if it does not succeed.
    #[arg(short, long)]
    pub follow: bool,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Say what an execution on a server waits for, or why it failed.
#[derive(Debug, Args)]
pub struct Why {
    /// The execution: its ARN, MACHINE:NAME, or its name. The name of a state machine stands for its
    /// latest execution.
    pub execution: String,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}

/// Show the executions that a running server leaves alone, because they panicked or cannot be read,
/// and try them again or abort them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright parked
  stepwright parked --retry arn:aws:states:us-east-1:123456789012:execution:order:1")]
pub struct Parked {
    /// Try this execution again, from where its history ends.
    #[arg(long, value_name = "ARN", conflicts_with = "abort")]
    pub retry: Option<String>,
    /// End this execution as ABORTED.
    #[arg(long, value_name = "ARN")]
    pub abort: Option<String>,
    /// Which server is asked.
    #[command(flatten)]
    pub connection: Connection,
}
