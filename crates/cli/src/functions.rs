//! Calling the functions of `stepwright.toml`.

use crate::config::Config;
use crate::report;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_functions::{Function, Functions, LogSink, Place};
use stepwright_history::{Failure, TaskCall};
use stepwright_json::{Json, Object};
use tokio::runtime::Runtime;

/// A function and what it is called with.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    running: Arc<Running>,
    name: String,
    after: Option<Duration>,
    payload: Json,
    /// Whether the answer is wrapped as `lambda:invoke` wraps it.
    wrapped: bool,
}

/// The functions of the file, once the first of them is called.
#[derive(Debug, Default)]
pub(crate) struct Running(OnceLock<Result<(Runtime, Functions), String>>);

impl Config {
    /// The function that a task calls, or the one of this name instead; if the file has it.
    pub(crate) fn resolve(&self, instead: Option<&str>, call: &TaskCall) -> Option<Invocation> {
        let is_invoke = call.resource.contains(":::lambda:invoke");
        let named = if is_invoke {
            call.parameters.get("FunctionName").and_then(Json::as_str).unwrap_or_default()
        } else {
            call.resource.as_str()
        };
        let short = short_name(named);
        let names = match instead {
            Some(name) => vec![name],
            None => vec![call.resource.as_str(), named, short, call.state.as_str()],
        };
        let found = names.into_iter().find_map(|name| self.functions.get_key_value(name));
        let (name, function) = match (found, instead) {
            (Some((name, function)), _) => (name.clone(), Some(function)),
            (None, Some(_)) => return None,
            (None, None) => (short.to_owned(), None),
        };
        let payload = if is_invoke {
            call.parameters.get("Payload").cloned().unwrap_or_else(|| Object::new().into())
        } else {
            call.parameters.clone()
        };
        if function.is_none() && !Functions::is_expression(&payload) {
            return None;
        }
        self.prepare();
        Some(Invocation {
            running: self.running.clone(),
            name,
            after: function.and_then(Function::delay),
            payload,
            wrapped: is_invoke,
        })
    }

    /// Makes everything ready for calls. No process is started.
    fn prepare(&self) {
        self.running.0.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(|error| format!("functions cannot be called: {error}"))?;
            // How long a fixed answer takes is waited for here: in virtual time, it is not.
            let functions = self.functions.iter().map(|(name, function)| {
                (name.clone(), Function { after: None, ..function.clone() })
            });
            let sink = LogSink::new(|line| report::function_printed(line.text));
            let functions = Functions::configured(
                functions.collect(),
                self.folder.clone(),
                Place::default(),
                sink,
                Vec::new(),
            );
            Ok((runtime, functions.map_err(|error| error.to_string())?))
        });
    }

    /// Ends the processes of functions, if any were started.
    pub(crate) fn shut_down(&self) {
        if let Some(Ok((runtime, functions))) = self.running.0.get() {
            runtime.block_on(functions.shutdown());
        }
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
        if let Some(after) = self.after.filter(|_| real_time) {
            std::thread::sleep(after);
        }
        let unusable = |why: &str| Failure::new("States.Runtime", why.to_owned());
        let (runtime, functions) = match self.running.0.get() {
            Some(Ok(running)) => running,
            Some(Err(why)) => return Err(unusable(why)),
            None => return Err(unusable("functions cannot be called before they are prepared")),
        };
        let invocation = stepwright_functions::Invocation {
            function: self.name.clone(),
            payload: self.payload.to_string().into(),
            ..Default::default()
        };
        let reply = runtime
            .block_on(functions.invoke(invocation))
            .map_err(|error| Failure::new(format!("Lambda.{}", error.name()), error.to_string()))?;
        let text = String::from_utf8_lossy(&reply.payload);
        let output = stepwright_json::parse(&text);
        if reply.function_error.is_some() {
            let error = output.as_ref().ok().and_then(|output| output.get("errorType"));
            return Err(match error.and_then(Json::as_str) {
                Some(error) => Failure::new(error, text),
                None => Failure::new(
                    "Lambda.Unknown",
                    format!(
                        "The cause could not be determined because Lambda did not return an error \
                         type. Returned payload: {text}"
                    ),
                ),
            });
        }
        // A runtime may answer with anything; what is no JSON is text.
        let output = output.unwrap_or_else(|_| Json::from(text.as_ref()));
        if !self.wrapped {
            return Ok(output);
        }
        let mut wrapped = Object::new();
        wrapped.insert("ExecutedVersion", reply.executed_version.into());
        wrapped.insert("Payload", output);
        wrapped.insert("StatusCode", Json::Int(200));
        Ok(wrapped.into())
    }

    /// How long a fixed answer takes.
    pub(crate) fn after_millis(&self) -> Option<i64> {
        self.after.map(|after| after.as_millis() as i64)
    }
}
