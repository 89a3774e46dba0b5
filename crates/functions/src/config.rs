//! The configuration of functions in `stepwright.toml`.

use crate::duration::parse_duration;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One function. Exactly one of `runtime` (or `bootstrap`), `command`, `http`, `aws`, `echo` and
/// `return` decides its kind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The runtime as Lambda names it: `python3.12`, `nodejs20.x`, `provided.al2023`.
    pub runtime: Option<String>,
    /// The handler as Lambda names it: `module.function`.
    pub handler: Option<String>,
    /// The folder or zip archive with the code, relative to the configuration file. The default is
    /// the folder of that file.
    pub code: Option<String>,
    /// The folders of layers, relative to the configuration file. What is in their `python`, `nodejs`,
    /// `bin` and `lib` is found as in `/opt` on Lambda.
    #[serde(default)]
    pub layers: Vec<String>,
    /// A command that speaks the Lambda Runtime API. It keeps running and handles one invocation
    /// after another.
    pub bootstrap: Option<Vec<String>>,
    /// A command that is started for each call. It reads JSON from standard input and writes JSON
    /// to standard output.
    pub command: Option<Vec<String>>,
    /// The URL of an HTTP endpoint, to which JSON is posted and which answers with JSON.
    pub http: Option<String>,
    /// A function at an AWS endpoint.
    pub aws: Option<AwsFunction>,
    /// Whether the function returns its input.
    #[serde(default)]
    pub echo: bool,
    /// The value that the function returns.
    #[serde(rename = "return")]
    pub returns: Option<toml::Value>,
    /// The delay of an answer of `echo` or `return`: `500ms`, `2s`.
    pub after: Option<String>,
    /// The time limit of an invocation in seconds, at most 900. The default is 3, as on Lambda, but
    /// 900 for `command`, `http` and `aws`.
    pub timeout: Option<f64>,
    /// The memory limit of a process in megabytes, from 128 to 10240. Without it, there is no
    /// limit.
    pub memory: Option<u32>,
    /// The number of invocations at a time; further ones are throttled. Without it, at most
    /// [`MOST_PROCESSES`](crate::MOST_PROCESSES) run and further ones wait.
    pub concurrency: Option<u32>,
    /// Environment variables of the processes.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The names of environment variables that the processes inherit from the server, besides
    /// those that tell where programs and files are. `*` at the end stands for any characters.
    #[serde(default)]
    pub inherit: Vec<String>,
}

/// A function at an AWS endpoint, called with the credentials in the environment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AwsFunction {
    /// The endpoint's URL. The default is Lambda's own endpoint in the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for. The default is that of the server.
    pub region: Option<String>,
    /// The function's name or ARN at the endpoint. The default is the name it has here.
    pub name: Option<String>,
}

/// Why a function's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the function `{function}` {reason}")]
pub struct ConfigError {
    /// The function's name.
    pub function: String,
    /// What is wrong, and what to do about it.
    pub reason: String,
}

/// The kind of a function, after checks.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A process that stays warm and speaks the Runtime API.
    Runtime(Runtime),
    Command(Vec<String>),
    Http(String),
    Aws(AwsFunction),
    Echo {
        after: Duration,
    },
    Return {
        value: toml::Value,
        after: Duration,
    },
}

/// The runtime of warm processes.
#[derive(Clone, Debug)]
pub(crate) enum Runtime {
    Python {
        version: String,
        handler: String,
    },
    Node {
        version: String,
        handler: String,
    },
    /// A custom runtime: the given command, or the file `bootstrap` in the code folder.
    Provided {
        command: Option<Vec<String>>,
        handler: String,
        name: String,
    },
}

/// The largest time limit, in seconds.
const MOST_SECONDS: f64 = 900.0;

impl Function {
    /// Checks everything that the shape of the file alone cannot guarantee.
    pub fn check(&self, name: &str) -> Result<(), ConfigError> {
        self.kind(name).map(drop)
    }

    /// The delay of an answer of `echo` or `return`, if it has one.
    pub fn delay(&self) -> Option<Duration> {
        self.after.as_deref().and_then(parse_duration).filter(|delay| !delay.is_zero())
    }

    pub(crate) fn kind(&self, name: &str) -> Result<Kind, ConfigError> {
        let refused = |reason: String| ConfigError { function: name.to_owned(), reason };
        let is_runtime = self.runtime.is_some() || self.bootstrap.is_some();
        let kinds = [
            is_runtime,
            self.command.is_some(),
            self.http.is_some(),
            self.aws.is_some(),
            self.echo,
            self.returns.is_some(),
        ];
        if kinds.iter().filter(|is| **is).count() != 1 {
            return Err(refused(
                "needs exactly one of `runtime` (or `bootstrap`), `command`, `http`, `aws`, `echo` \
                 and `return`"
                    .to_owned(),
            ));
        }
        let is_fixed = self.echo || self.returns.is_some();
        let is_local = is_runtime || self.command.is_some();
        self.refuse_misplaced(name, is_runtime, is_local, is_fixed)?;
        if let Some(timeout) = self.timeout
            && !(timeout > 0.0 && timeout <= MOST_SECONDS)
        {
            return Err(refused(format!(
                "has a `timeout` of {timeout}: it is a number of seconds, at most {MOST_SECONDS}"
            )));
        }
        if let Some(memory) = self.memory
            && !(128..=10_240).contains(&memory)
        {
            return Err(refused(format!(
                "has a `memory` of {memory}: it is a number of megabytes from 128 to 10240"
            )));
        }
        let after = match self.after.as_deref() {
            None => Duration::ZERO,
            Some(text) => parse_duration(text).ok_or_else(|| {
                refused(format!("has an `after` of `{text}`: write `500ms`, `2s` or `1m`"))
            })?,
        };
        for (key, command) in [("command", &self.command), ("bootstrap", &self.bootstrap)] {
            if command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty))
            {
                return Err(refused(format!("has an empty `{key}`")));
            }
        }
        if is_runtime {
            return self.runtime_kind(name).map(Kind::Runtime);
        }
        if let Some(command) = &self.command {
            return Ok(Kind::Command(command.clone()));
        }
        if let Some(url) = &self.http {
            check_url(url).map_err(|why| refused(format!("has an `http` of `{url}`: {why}")))?;
            return Ok(Kind::Http(url.clone()));
        }
        if let Some(aws) = &self.aws {
            if let Some(url) = &aws.endpoint {
                check_url(url)
                    .map_err(|why| refused(format!("has an `endpoint` of `{url}`: {why}")))?;
            }
            return Ok(Kind::Aws(aws.clone()));
        }
        Ok(match &self.returns {
            Some(value) => Kind::Return { value: value.clone(), after },
            None => Kind::Echo { after },
        })
    }

    /// Refuses a key that has no effect for this kind of function.
    fn refuse_misplaced(
        &self,
        name: &str,
        is_runtime: bool,
        is_local: bool,
        is_fixed: bool,
    ) -> Result<(), ConfigError> {
        let with_runtime = "`runtime` or `bootstrap`";
        let with_process = "`runtime`, `bootstrap` or `command`";
        let misplaced = [
            ("handler", self.handler.is_some() && !is_runtime, with_runtime),
            ("code", self.code.is_some() && !is_local, with_process),
            ("layers", !self.layers.is_empty() && !is_runtime, with_runtime),
            ("memory", self.memory.is_some() && !is_runtime, with_runtime),
            ("environment", !self.environment.is_empty() && !is_local, with_process),
            ("inherit", !self.inherit.is_empty() && !is_local, with_process),
            ("after", self.after.is_some() && !is_fixed, "`echo` or `return`"),
            ("timeout", self.timeout.is_some() && is_fixed, "a function that runs code"),
        ];
        match misplaced.into_iter().find(|(_, is_misplaced, _)| *is_misplaced) {
            None => Ok(()),
            Some((key, _, place)) => Err(ConfigError {
                function: name.to_owned(),
                reason: format!("has a `{key}`, which goes with {place} only"),
            }),
        }
    }

    fn runtime_kind(&self, name: &str) -> Result<Runtime, ConfigError> {
        let refused = |reason: String| ConfigError { function: name.to_owned(), reason };
        let runtime = self.runtime.as_deref().unwrap_or("provided");
        let handler = self.handler.clone();
        if self.bootstrap.is_some() || runtime.starts_with("provided") {
            return Ok(Runtime::Provided {
                command: self.bootstrap.clone(),
                handler: handler.unwrap_or_else(|| "bootstrap".to_owned()),
                name: runtime.to_owned(),
            });
        }
        let named = |prefix: &str| runtime.strip_prefix(prefix).map(str::to_owned);
        let Some((is_python, version)) = named("python")
            .map(|version| (true, version))
            .or_else(|| named("nodejs").map(|version| (false, version)))
        else {
            return Err(refused(format!(
                "has the runtime `{runtime}`; known are `python3.x`, `nodejs20.x` and `provided`. \
                 For another one, give a `bootstrap`: a command that runs its runtime client"
            )));
        };
        if !version.chars().all(|letter| letter.is_ascii_digit() || letter == '.' || letter == 'x')
        {
            return Err(refused(format!(
                "has the runtime `{runtime}`; write it as Lambda does, such as `python3.12` or \
                 `nodejs20.x`"
            )));
        }
        let Some(handler) = handler else {
            return Err(refused("needs a `handler`, such as `index.handler`".to_owned()));
        };
        if !handler.contains('.') {
            return Err(refused(format!(
                "has the handler `{handler}`; write `FILE.FUNCTION`, such as `index.handler`"
            )));
        }
        Ok(if is_python {
            Runtime::Python { version, handler }
        } else {
            Runtime::Node { version, handler }
        })
    }

    /// The time limit of an invocation.
    pub(crate) fn time_limit(&self) -> Duration {
        let is_runtime = self.runtime.is_some() || self.bootstrap.is_some();
        let default = if is_runtime { 3.0 } else { MOST_SECONDS };
        Duration::from_secs_f64(self.timeout.unwrap_or(default))
    }
}

fn check_url(url: &str) -> Result<(), String> {
    let uri: http::Uri = url.parse().map_err(|error| format!("{error}"))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(()),
        _ => Err("write a whole URL, such as `http://127.0.0.1:9000/invoke`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &str) {
        let outcome = match toml::from_str::<Function>(text) {
            Ok(function) => function.check("f").map_err(|error| error.to_string()),
            Err(error) => Err(error.message().to_owned()),
        };
        match outcome {
            Ok(()) => assert_eq!("", wanted, "{text}"),
            Err(message) => {
                assert!(!wanted.is_empty() && message.contains(wanted), "{text}: {message}");
            }
        }
    }

    #[test]
    fn a_function_is_one_thing() {
        check("echo = true", "");
        check("return = { a = 1 }\nafter = '2s'", "");
        check("command = ['cat']\ntimeout = 5", "");
        check("runtime = 'python3.12'\nhandler = 'app.handler'\ncode = 'src'", "");
        check("runtime = 'provided.al2023'\ncode = 'target'", "");
        check("bootstrap = ['./f']\nmemory = 256\nconcurrency = 2", "");
        check("http = 'http://localhost:1/x'", "");
        check("aws = { region = 'eu-west-1' }", "");
        check("", "exactly one of");
        check("echo = true\nhttp = 'http://a'", "exactly one of");
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        check("echo = true\nhandler = 'a.b'", "`handler`, which goes with");
        check("command = ['cat']\nmemory = 128", "`memory`, which goes with");
        check("command = ['cat']\nafter = '1s'", "`after`, which goes with");
        check("echo = true\ntimout = 3", "unknown field `timout`");
        check("aws = { regon = 'x' }", "unknown field `regon`");
    }

    #[test]
    fn values_are_checked() {
        check("command = []", "empty `command`");
        check("bootstrap = ['']", "empty `bootstrap`");
        check("command = ['a']\ntimeout = 901", "`timeout` of 901");
        check("command = ['a']\ntimeout = 0", "`timeout` of 0");
        check("bootstrap = ['a']\nmemory = 1", "`memory` of 1");
        check("echo = true\nafter = 'soon'", "`after` of `soon`");
        check("http = 'example.com'", "whole URL");
        check("runtime = 'ruby3.3'\nhandler = 'a.b'", "give a `bootstrap`");
        check("runtime = 'python3.12'", "needs a `handler`");
        check("runtime = 'nodejs20.x'\nhandler = 'index'", "FILE.FUNCTION");
    }
}
