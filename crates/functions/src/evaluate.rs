//! Evaluates the CDK's `EvaluateExpression`: a JavaScript expression in which paths stand for
//! values. No function is needed for it.
//!
//! The CDK deploys a small Node.js function that replaces each path by `values["path"]` and calls
//! `eval`. A built-in JavaScript engine does the same here, without access to the machine.
//!
//! The engine runs in a process of its own, which is the same program started again: see
//! [`evaluate_if_asked`]. That process limits its own memory and time before it reads the script,
//! and is killed when the time of the expression is up, whatever the engine is doing then.

use crate::answer::{Answer, MOST_ANSWER};
use crate::error::Error;
use rquickjs::promise::MaybePromise;
use rquickjs::{CatchResultExt as _, CaughtError, Context, Runtime};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::process::{ExitCode, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, Object};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// The time limit of an expression: that of the CDK's function, which has Lambda's default.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(3);

/// An expression that takes longer gives way to whatever else has something to do.
const SHORT: Duration = Duration::from_millis(50);

/// The memory limit of an expression, in bytes.
const MEMORY_LIMIT: usize = 64 << 20;

/// The address space that the process may take beyond what it has when it begins.
const ADDRESS_SPACE: u64 = 256 << 20;

/// The stack limit of an expression, in bytes.
const STACK_LIMIT: usize = 512 << 10;

/// The longest script, in bytes: an expression with its values.
const MOST_SCRIPT: usize = 8 << 20;

/// The most comparisons of a place in the expression with a path.
const MOST_COMPARISONS: usize = 10_000_000;

/// The first argument of a process that evaluates.
const ASKED: &str = "--evaluate-expression";

/// Whether this program evaluates when it is started with [`ASKED`].
static EVALUATES: AtomicBool = AtomicBool::new(false);

/// How many expressions are evaluated at once.
static EVALUATIONS: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});

/// Evaluates an expression if this process was started for that. To be called first of all in
/// `main`, which ends with the code that is returned.
///
/// In a program that does not call this, expressions are evaluated on a thread of the program
/// itself. They have a limit on time and memory then, too, but a single operation of the engine
/// that takes long is not interrupted.
pub fn evaluate_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != ASKED) {
        EVALUATES.store(true, Ordering::Relaxed);
        return None;
    }
    let seconds = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(1);
    Some(if evaluate_here(seconds).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads a script, evaluates it, and writes the answer: `V` and a value, or `E` and the JSON of an
/// error.
fn evaluate_here(seconds: u64) -> std::io::Result<()> {
    limit_this_process(seconds)?;
    let mut script = String::new();
    std::io::stdin().take(MOST_SCRIPT as u64).read_to_string(&mut script)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let answer = match run(script, end) {
        Ok(value) => format!("V{value}"),
        Err(thrown) => {
            let mut error = Object::new();
            error.insert("errorType", thrown.name.into());
            error.insert("errorMessage", thrown.message.into());
            format!("E{}", Json::from(error))
        }
    };
    let mut out = std::io::stdout();
    out.write_all(answer.as_bytes())?;
    out.flush()
}

/// Takes from this process what an expression must not have.
fn limit_this_process(seconds: u64) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let lower = |resource: Resource, most: u64| -> std::io::Result<()> {
        let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(most);
        setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?;
        Ok(())
    };
    lower(Resource::Cpu, seconds + 1)?;
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    lower(Resource::Nofile, 16)?;
    #[cfg(target_os = "linux")]
    lower(Resource::Nproc, 0)?;
    if let Some(taken) = address_space() {
        lower(Resource::As, taken + ADDRESS_SPACE)?;
    }
    Ok(())
}

/// The address space that this process has taken, where the system tells.
fn address_space() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').next()?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// A request to the function of `EvaluateExpression`.
#[derive(Debug)]
pub(crate) struct Expression<'a> {
    expression: &'a str,
    values: &'a Object,
}

/// The script would be longer than it may be.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

impl<'a> Expression<'a> {
    /// Recognises a payload that has `expression`, `expressionAttributeValues`, and nothing else.
    pub(crate) fn of(payload: &'a Json) -> Option<Self> {
        let members = payload.as_object()?;
        let expression = members.get("expression")?.as_str()?;
        let values = members.get("expressionAttributeValues")?.as_object()?;
        (members.len() == 2).then_some(Self { expression, values })
    }

    /// The values, and the expression, in which each path is replaced by `values["path"]`: a path
    /// in a text stays text, as in the CDK since 2026. Nothing is written before it is known to
    /// fit.
    fn script(&self) -> Result<String, TooLong> {
        let paths: Vec<(&str, &Json)> = self
            .values
            .iter()
            .map(|(path, value)| (path.as_str(), value))
            .filter(|(path, _)| path.starts_with('$'))
            .collect();
        let places = self.expression.bytes().filter(|byte| *byte == b'$').count();
        if places.saturating_mul(paths.len()) > MOST_COMPARISONS {
            return Err(TooLong);
        }
        let mut script = String::with_capacity(self.expression.len());
        let mut push = |text: &str| {
            if script.len() + text.len() > MOST_SCRIPT {
                return Err(TooLong);
            }
            script.push_str(text);
            Ok(())
        };
        let values: Object =
            paths.iter().map(|(path, value)| ((*path).to_owned(), (*value).clone())).collect();
        push("var values = Object.assign(Object.create(null), ")?;
        push(&Json::from(values).to_string())?;
        push(");\n")?;
        let mut texts: HashMap<&str, String> = HashMap::new();
        let mut rest = self.expression;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            push(before)?;
            let longest = paths
                .iter()
                .filter(|(path, _)| from.starts_with(path))
                .max_by_key(|(path, _)| path.len());
            rest = match longest {
                Some((path, _)) => {
                    push(
                        texts
                            .entry(path)
                            .or_insert_with(|| format!("values[{}]", Json::from(*path))),
                    )?;
                    &from[path.len()..]
                }
                None => {
                    push("$")?;
                    &from[1..]
                }
            };
        }
        push(rest)?;
        Ok(script)
    }
}

/// Evaluates the expression of a payload.
pub(crate) async fn evaluate(
    payload: &[u8],
    request_id: &str,
    time_limit: Duration,
) -> Result<Answer, Error> {
    let failed = || Error::service("an expression was not evaluated");
    let payload = stepwright_json::parse_bytes(payload).map_err(|_| failed())?;
    let Some(expression) = Expression::of(&payload) else { return Err(failed()) };
    let Ok(script) = expression.script() else {
        let why = format!("the expression with its values is longer than {MOST_SCRIPT} bytes");
        return Ok(Answer::error("RangeError", why));
    };
    let _permit = EVALUATIONS.acquire().await;
    if EVALUATES.load(Ordering::Relaxed) {
        in_a_process(script, request_id, time_limit)
            .await
            .map_err(|error| Error::service(format!("an expression cannot be evaluated: {error}")))
    } else {
        let request_id = request_id.to_owned();
        let evaluated =
            tokio::task::spawn_blocking(move || on_this_thread(script, &request_id, time_limit));
        evaluated.await.map_err(|_| failed())
    }
}

/// Evaluates a script in a process of its own.
async fn in_a_process(
    script: String,
    request_id: &str,
    time_limit: Duration,
) -> std::io::Result<Answer> {
    let seconds = time_limit.as_secs() + 1;
    let mut child = Command::new(this_program()?)
        .args([ASKED, &seconds.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id();
    let answered = tokio::time::timeout(time_limit, async {
        let mut answer = std::pin::pin!(converse(&mut child, script));
        if let Ok(answer) = tokio::time::timeout(SHORT, &mut answer).await {
            return answer;
        }
        if let Some(id) = id {
            stepwright_background::process_gives_way(id);
        }
        answer.await
    });
    let answered = answered.await;
    // Whatever it does, it does no more.
    child.start_kill().ok();
    let status = child.wait().await?;
    let Ok(answer) = answered else { return Ok(Answer::timed_out(request_id, time_limit)) };
    Ok(match answer {
        Ok(answer) if answer.len() > MOST_ANSWER => Answer::too_large(None),
        Ok(answer) => match answer.split_first() {
            Some((b'V', value)) => Answer::returned(value.to_vec()),
            Some((b'E', error)) => match stepwright_json::parse_bytes(error) {
                Ok(error) => {
                    let text = |key| error.get(key).and_then(Json::as_str).unwrap_or_default();
                    Answer::error(text("errorType"), text("errorMessage").to_owned())
                }
                Err(_) => Answer::exited(request_id, status),
            },
            _ => Answer::exited(request_id, status),
        },
        Err(_) => Answer::exited(request_id, status),
    })
}

/// Hands a process its script, and reads its answer.
async fn converse(child: &mut Child, script: String) -> std::io::Result<Vec<u8>> {
    if let Some(mut input) = child.stdin.take() {
        // A process that has ended already has not read it; its answer says so.
        drop(input.write_all(script.as_bytes()).await);
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MOST_ANSWER as u64 + 2).read_to_end(&mut answer).await?;
    }
    Ok(answer)
}

/// The file of this program. On Linux it is found even after another has taken its name.
fn this_program() -> std::io::Result<std::path::PathBuf> {
    let own = std::path::Path::new("/proc/self/exe");
    if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() }
}

/// Evaluates a script on this thread.
fn on_this_thread(script: String, request_id: &str, time_limit: Duration) -> Answer {
    let end = Instant::now() + time_limit;
    match run(script, end) {
        Ok(json) => Answer::returned(json),
        Err(_) if Instant::now() >= end => Answer::timed_out(request_id, time_limit),
        Err(thrown) => Answer::error(&thrown.name, thrown.message),
    }
}

/// What a script threw.
struct Thrown {
    name: String,
    message: String,
}

impl From<CaughtError<'_>> for Thrown {
    fn from(caught: CaughtError<'_>) -> Self {
        match caught {
            CaughtError::Exception(exception) => {
                let name = exception.get::<_, String>("name").unwrap_or_else(|_| "Error".into());
                Self { name, message: exception.message().unwrap_or_default() }
            }
            CaughtError::Value(value) => {
                let text = value.get::<rquickjs::Coerced<String>>();
                Self { name: "string".into(), message: text.map(|text| text.0).unwrap_or_default() }
            }
            CaughtError::Error(error) => Self { name: "Error".into(), message: error.to_string() },
        }
    }
}

/// Runs a script and returns its value as JSON, written as Node.js's runtime on Lambda writes it.
fn run(script: String, end: Instant) -> Result<String, Thrown> {
    let broken = |error: rquickjs::Error| Thrown {
        name: "Runtime.ExitError".to_owned(),
        message: format!("the expression could not be evaluated: {error}"),
    };
    let runtime = Runtime::new().map_err(broken)?;
    runtime.set_memory_limit(MEMORY_LIMIT);
    runtime.set_max_stack_size(STACK_LIMIT);
    runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() >= end)));
    let context = Context::full(&runtime).map_err(broken)?;
    context.with(|ctx| {
        let value = ctx
            .eval::<MaybePromise<'_>, _>(script)
            .and_then(|value| value.finish::<rquickjs::Value<'_>>())
            .catch(&ctx)?;
        let text = ctx.json_stringify(value).catch(&ctx)?;
        let text = text.map(|text| text.to_string().catch(&ctx)).transpose()?;
        // A value without JSON, such as `undefined` or a function, becomes `null`.
        Ok(text.unwrap_or_else(|| "null".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[track_caller]
    fn check(expression: &str, values: Json, expected: Json) {
        let payload = json!({"expression": expression, "expressionAttributeValues": values});
        let expression = Expression::of(&payload).expect("it is a request");
        let script = expression.script().expect("it is short");
        let answer = on_this_thread(script, "id", Duration::from_millis(300));
        assert_eq!(stepwright_json::parse_bytes(&answer.payload).unwrap(), expected);
    }

    #[test]
    fn paths_stand_for_values() {
        check("$.waitMilliseconds / 1000", json!({"$.waitMilliseconds": 5000}), Json::Int(5));
        check(
            "`Now waiting ${$.waitSeconds} seconds...`",
            json!({"$.waitSeconds": 5}),
            json!("Now waiting 5 seconds..."),
        );
        check("$.a + $.ab", json!({"$.a": 1, "$.ab": 10}), Json::Int(11));
        check("$.name.toUpperCase()", json!({"$.name": "it's \"me\""}), json!("IT'S \"ME\""));
        check("$.xs.map(x => x * 2)", json!({"$.xs": [1, 2.5]}), json!([2, 5]));
        check("({sum: $['a'][0] + 1})", json!({"$['a'][0]": 1}), json!({"sum": 2}));
        check("let a = 2; a ** 3", json!({}), Json::Int(8));
        check("const b = $.b; b.c + 1;", json!({"$.b": {"c": 1}}), Json::Int(2));
        // Two values that are equal are one, and what is assigned to a path is kept.
        check("$.b.c === 1 && $.b === $.b", json!({"$.b": {"c": 1}}), Json::Bool(true));
        check("$.n = 3; $.n * 2", json!({"$.n": 1}), Json::Int(6));
        check("'at $.n'", json!({"$.n": 1}), json!("at values[\"$.n\"]"));
        check("'cost: $' + 5", json!({}), json!("cost: $5"));
        check("undefined", json!({}), Json::Null);
        check("(async () => 7)()", json!({}), Json::Int(7));
        check("new Date(0).toISOString()", json!({}), json!("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn what_goes_wrong_is_an_error_of_the_function() {
        check(
            "nobody + 1",
            json!({}),
            json!({"errorType": "ReferenceError", "errorMessage": "nobody is not defined"}),
        );
        check(
            "throw new TypeError('no')",
            json!({}),
            json!({"errorType": "TypeError", "errorMessage": "no"}),
        );
        check("throw 'text'", json!({}), json!({"errorType": "string", "errorMessage": "text"}));
        check(
            "process.exit(1)",
            json!({}),
            json!({"errorType": "ReferenceError", "errorMessage": "process is not defined"}),
        );
    }

    #[track_caller]
    fn check_error(expression: &str, expected: &str) {
        let payload = json!({"expression": expression, "expressionAttributeValues": {}});
        let expression = Expression::of(&payload).expect("it is a request");
        let script = expression.script().expect("it is short");
        let answer = on_this_thread(script, "id", Duration::from_millis(300));
        let text = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(answer.is_error && text.contains(expected), "{text}");
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        check_error("for (;;) {}", "Task timed out after 0.30 seconds");
        check_error("let x = ['a']; for (;;) x = x.concat(x)", "errorMessage");
        check_error("(function f() { return f() })()", "errorMessage");
        check_error("'a'.repeat(1e12)", "errorMessage");
        check_error("(((((", "SyntaxError");
        check_error("new Promise(() => {})", "errorMessage");
    }

    #[test]
    fn a_script_is_not_built_if_it_is_too_long() {
        let large = "x".repeat(100_000);
        let payload = json!({
            "expression": ("$.a".repeat(1_000_000)),
            "expressionAttributeValues": {"$.a": large},
        });
        assert_eq!(Expression::of(&payload).expect("a request").script(), Err(TooLong));
        let many: Object = (0..1_000).map(|at| (format!("$.{at}"), Json::Int(at))).collect();
        let payload = json!({
            "expression": ("$".repeat(100_000)),
            "expressionAttributeValues": (Json::from(many)),
        });
        assert_eq!(Expression::of(&payload).expect("a request").script(), Err(TooLong));
    }

    #[test]
    fn other_payloads_are_not_taken_for_expressions() {
        for payload in [
            json!({"expression": "1"}),
            json!({"expression": 1, "expressionAttributeValues": {}}),
            json!({"expression": "1", "expressionAttributeValues": {}, "more": 1}),
            json!([1]),
        ] {
            assert!(Expression::of(&payload).is_none());
        }
    }
}
