use crate::common::DataPath;
use crate::duration::Seconds;
use crate::misuse::Problems;
use crate::value::Value;

/// The names of Step Functions' own errors.
#[doc(alias = "Errors")]
pub mod errors {
    /// Any error but `States.DataLimitExceeded` and `States.Runtime`.
    pub const ALL: &str = "States.ALL";
    /// A task sent no heartbeat in time.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// A state took longer than allowed.
    pub const TIMEOUT: &str = "States.Timeout";
    /// A task failed.
    pub const TASKS_FAILED: &str = "States.TaskFailed";
    /// The role lacks a permission that the state needs.
    pub const PERMISSIONS: &str = "States.Permissions";
    /// The result cannot be put where `ResultPath` says. AWS gives `States.Runtime` there.
    pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
    /// A path in the parameters matches nothing.
    pub const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
    /// A branch of a Parallel failed.
    pub const BRANCH_FAILED: &str = "States.BranchFailed";
    /// No rule of a Choice fits and there is no `otherwise`. AWS gives `States.Runtime` there.
    pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
}

/// Whether delays between attempts are randomised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "JitterType")]
pub enum Jitter {
    /// Randomised between zero and the full delay.
    Full,
    /// Not randomised.
    None,
}

/// A retrier: after which errors, and how often, a state is retried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    pub(crate) errors: Vec<String>,
    interval: Option<Seconds>,
    max_attempts: Option<i64>,
    backoff_rate: Option<f64>,
    max_delay: Option<Seconds>,
    jitter: Option<Jitter>,
}

impl Retry {
    /// Retries after any error, with AWS's defaults: three times, after one, two and four seconds.
    pub fn all() -> Self {
        Self::default()
    }

    /// The same as [`Retry::all`], to which [`errors`](Retry::errors) can be added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Retries after errors with these names.
    pub fn on<E: Into<String>>(errors: impl IntoIterator<Item = E>) -> Self {
        Self { errors: errors.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The names of the errors. By default, all.
    #[must_use]
    pub fn errors<E: Into<String>>(mut self, errors: impl IntoIterator<Item = E>) -> Self {
        self.errors = errors.into_iter().map(Into::into).collect();
        self
    }

    /// The delay before the first retry, in whole seconds.
    #[must_use]
    pub fn interval(mut self, interval: impl Into<Seconds>) -> Self {
        self.interval = Some(interval.into());
        self
    }

    /// The largest number of retries; 0 means none.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts.into());
        self
    }

    /// The factor by which the delay grows with each retry.
    #[must_use]
    pub fn backoff_rate(mut self, rate: impl Into<f64>) -> Self {
        self.backoff_rate = Some(rate.into());
        self
    }

    /// The longest delay.
    #[must_use]
    pub fn max_delay(mut self, delay: impl Into<Seconds>) -> Self {
        self.max_delay = Some(delay.into());
        self
    }

    /// Whether delays are randomised.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
    }

    pub(crate) fn is_for_all(&self) -> bool {
        names(&self.errors).contains(&errors::ALL)
    }

    pub(crate) fn to_value(&self) -> Value {
        let mut members = vec![("ErrorEquals".to_owned(), names(&self.errors).into())];
        let mut put = |key: &str, value: Option<Value>| {
            members.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("IntervalSeconds", self.interval.clone().map(Value::from));
        put("MaxAttempts", self.max_attempts.map(Value::from));
        put("BackoffRate", self.backoff_rate.map(whole));
        put("MaxDelaySeconds", self.max_delay.clone().map(Value::from));
        let jitter = self.jitter.map(|jitter| match jitter {
            Jitter::Full => "FULL",
            Jitter::None => "NONE",
        });
        put("JitterStrategy", jitter.map(Value::from));
        Value::Object(members)
    }

    pub(crate) fn check(&self, subject: &str, problems: &mut Problems) {
        check_names(&self.errors, subject, problems);
        if self.backoff_rate.is_some_and(|rate| rate < 1.0) {
            problems.add(subject, "`backoff_rate` of a retry has to be 1 or more");
        }
        let (interval, most) = (&self.interval, &self.max_delay);
        for seconds in [interval, most].into_iter().flatten() {
            if let Value::Refused(problem) = Value::from(seconds.clone()) {
                problems.add(subject, format!("a retry waits for whole seconds: {problem}"));
            }
        }
        if let (Some(interval), Some(most)) = (interval, most)
            && most.known() <= interval.known()
        {
            problems.add(subject, "`max_delay` of a retry has to be longer than its `interval`");
        }
    }
}

/// A number, written without a fraction if it is whole.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 { (number as i64).into() } else { number.into() }
}

/// A catcher: which errors are caught, and what becomes of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catch {
    pub(crate) errors: Vec<String>,
    pub(crate) result_path: Option<Value>,
    pub(crate) assign: Option<Value>,
    pub(crate) outputs: Option<Value>,
}

impl Catch {
    /// Catches any error.
    pub fn all() -> Self {
        Self::default()
    }

    /// The same as [`Catch::all`], to which [`errors`](Catch::errors) can be added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Catches errors with these names.
    pub fn on<E: Into<String>>(errors: impl IntoIterator<Item = E>) -> Self {
        Self { errors: errors.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The names of the errors. By default, all.
    #[must_use]
    pub fn errors<E: Into<String>>(mut self, errors: impl IntoIterator<Item = E>) -> Self {
        self.errors = errors.into_iter().map(Into::into).collect();
        self
    }

    /// Where the error is put in the input.
    #[must_use]
    pub fn result_path(mut self, path: impl Into<DataPath>) -> Self {
        self.result_path = Some(path.into().0);
        self
    }

    /// Variables that are assigned.
    #[must_use]
    pub fn assign(mut self, variables: impl Into<Value>) -> Self {
        self.assign = Some(variables.into());
        self
    }

    /// JSONata: the input of the handler.
    #[must_use]
    pub fn outputs(mut self, outputs: impl Into<Value>) -> Self {
        self.outputs = Some(outputs.into());
        self
    }

    pub(crate) fn is_for_all(&self) -> bool {
        names(&self.errors).contains(&errors::ALL)
    }

    pub(crate) fn check(&self, subject: &str, problems: &mut Problems) {
        check_names(&self.errors, subject, problems);
    }
}

/// The names; if none are given, the name for all errors.
pub(crate) fn names(given: &[String]) -> Vec<&str> {
    if given.is_empty() { vec![errors::ALL] } else { given.iter().map(String::as_str).collect() }
}

fn check_names(given: &[String], subject: &str, problems: &mut Problems) {
    if given.len() > 1 && given.iter().any(|name| name == errors::ALL) {
        problems.add(subject, "`States.ALL` has to stand alone in a list of errors");
    }
}
