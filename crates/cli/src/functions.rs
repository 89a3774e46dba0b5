//! Calling the functions of `stepwright.toml`.

use crate::config::Config;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use stepwright_functions::Function;
use stepwright_history::{Failure, TaskCall};
use stepwright_json::{Json, Object};
use stepwright_simulator::parse_duration;

/// A function and what it is called with.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    function: Function,
    folder: std::path::PathBuf,
    payload: Json,
    /// Whether the answer is wrapped as `lambda:invoke` wraps it.
    wrapped: bool,
}

impl Config {
    /// The function that a task calls, if the file has it.
    pub(crate) fn resolve(&self, call: &TaskCall) -> Option<Invocation> {
        let is_invoke = call.resource.contains(":::lambda:invoke");
        let named = if is_invoke {
            call.parameters.get("FunctionName").and_then(Json::as_str).unwrap_or_default()
        } else {
            call.resource.as_str()
        };
        let short = short_name(named);
        let function = [call.resource.as_str(), named, short, call.state.as_str()]
            .into_iter()
            .find_map(|name| self.functions.get(name))?;
        let payload = if is_invoke {
            call.parameters.get("Payload").cloned().unwrap_or_else(|| Object::new().into())
        } else {
            call.parameters.clone()
        };
        Some(Invocation {
            function: function.clone(),
            folder: self.folder.clone(),
            payload,
            wrapped: is_invoke,
        })
    }
}

/// The name in `arn:aws:lambda:REGION:ACCOUNT:function:NAME:QUALIFIER`, `NAME` or `NAME:QUALIFIER`.
fn short_name(text: &str) -> &str {
    match text.split_once(":function:") {
        Some((_, name)) => name.split(':').next().unwrap_or(name),
        None if text.starts_with("arn:") => text.rsplit(':').next().unwrap_or(text),
        None => text.split(':').next().unwrap_or(text),
    }
}

impl Invocation {
    /// Calls it and waits for the end.
    pub(crate) fn call(&self, real_time: bool) -> Result<Json, Failure> {
        let output = if let Some(command) = &self.function.command {
            self.run(command)?
        } else if let Some(url) = &self.function.http {
            self.post(url)?
        } else {
            if let Some(millis) = self.after_millis().filter(|_| real_time) {
                std::thread::sleep(Duration::from_millis(millis as u64));
            }
            match &self.function.returns {
                Some(value) => from_toml(value),
                None => self.payload.clone(),
            }
        };
        if !self.wrapped {
            return Ok(output);
        }
        let mut reply = Object::new();
        reply.insert("ExecutedVersion", "$LATEST".into());
        reply.insert("Payload", output);
        reply.insert("StatusCode", Json::Int(200));
        Ok(reply.into())
    }

    /// How long a fixed answer takes.
    pub(crate) fn after_millis(&self) -> Option<i64> {
        self.function.after.as_deref().and_then(parse_duration).filter(|millis| *millis > 0)
    }

    fn run(&self, command: &[String]) -> Result<Json, Failure> {
        let failed = |what: String| Failure::new("States.TaskFailed", what);
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(if self.folder.as_os_str().is_empty() {
                ".".as_ref()
            } else {
                self.folder.as_path()
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| failed(format!("cannot run `{}`: {error}", command[0])))?;
        let mut stdin = child.stdin.take().expect("it was asked for");
        let payload = self.payload.to_string();
        // A command need not read what it is given.
        let writer = std::thread::spawn(move || drop(stdin.write_all(payload.as_bytes())));
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        let written = writer.join();
        debug_assert!(written.is_ok(), "writing does not panic");
        let answer = stepwright_json::parse_bytes(output.stdout.trim_ascii());
        if let Ok(answer) = &answer
            && let Some(failure) = lambda_error(answer)
        {
            return Err(failure);
        }
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            return Err(failed(format!(
                "`{}` ended with {}: {}",
                command[0],
                output.status,
                text.trim()
            )));
        }
        match answer {
            Ok(answer) => Ok(answer),
            Err(_) if output.stdout.trim_ascii().is_empty() => Ok(Json::Null),
            Err(error) => Err(failed(format!("`{}` printed no JSON: {error}", command[0]))),
        }
    }

    fn post(&self, url: &str) -> Result<Json, Failure> {
        let failed = |error: String| Failure::new("States.TaskFailed", error);
        let mut response = ureq::post(url)
            .header("content-type", "application/json")
            .config()
            .http_status_as_error(false)
            .build()
            .send(self.payload.to_string())
            .map_err(|error| failed(format!("{url}: {error}")))?;
        let status = response.status();
        let text = response
            .body_mut()
            .read_to_string()
            .map_err(|error| failed(format!("{url}: {error}")))?;
        let answer = stepwright_json::parse(text.trim());
        if let Ok(answer) = &answer
            && let Some(failure) = lambda_error(answer)
        {
            return Err(failure);
        }
        if !status.is_success() {
            return Err(failed(format!("{url} answered {status}: {}", text.trim())));
        }
        answer.map_err(|error| failed(format!("{url} answered no JSON: {error}")))
    }
}

/// The failure that an answer of the form `{"errorType": …, "errorMessage": …}` is.
fn lambda_error(answer: &Json) -> Option<Failure> {
    let object = answer.as_object()?;
    let error = object.get("errorType")?.as_str()?;
    object.get("errorMessage")?;
    Some(Failure::new(error, answer.to_string()))
}

fn from_toml(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => Json::Int(*number),
        toml::Value::Float(number) => Json::Float(*number),
        toml::Value::Boolean(flag) => Json::Bool(*flag),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.iter().map(from_toml).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => table
            .iter()
            .map(|(key, value)| (key.as_str(), from_toml(value)))
            .collect::<Object>()
            .into(),
    }
}
