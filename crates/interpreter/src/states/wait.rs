use super::task::MAX_SECONDS;
use crate::Command;
use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::{EventKind, FrameId, Moment};
use stepwright_json::Json;
use stepwright_program::{EvaluationError, Kind, PathExpression, State, Wait, WaitFor, time};

/// How far ahead the moment may lie that a Wait state waits for, in seconds. AWS's limit.
const MAX_AHEAD: i64 = (1 << 31) - 1;

impl Stepper<'_> {
    pub(crate) fn wait(
        &mut self,
        frame: FrameId,
        state: &State,
        wait: &Wait,
    ) -> Result<(), EvaluationError> {
        let document = self.document(frame, &state.io)?;
        let due = self.due(frame, wait, &document)?;
        let most = match &wait.until {
            WaitFor::Seconds(_) | WaitFor::SecondsPath(_) | WaitFor::SecondsJsonata(_) => {
                MAX_SECONDS
            }
            WaitFor::Timestamp(_) | WaitFor::TimestampPath(_) | WaitFor::TimestampJsonata(_) => {
                MAX_AHEAD
            }
        };
        if due.0.saturating_sub(self.at.0) > most * 1_000 {
            return Err(EvaluationError::runtime("Wait state delay is too long."));
        }
        let timer = self.new_timer();
        self.emit(frame, EventKind::WaitStarted { due, timer });
        self.owe(Command::WakeAt { timer, due });
        Ok(())
    }

    fn due(&self, frame: FrameId, wait: &Wait, document: &Json) -> Result<Moment, EvaluationError> {
        let after = |seconds: i64| self.at.after_millis(seconds.saturating_mul(1_000));
        let view = self.view(frame, document, More::default());
        let wrong = |path: &PathExpression, what: &str, value: &Json| {
            let value = match value {
                Json::String(text) => text.to_string(),
                other => other.to_string(),
            };
            EvaluationError::runtime(format!("The {what}: {} == {value}", path.text))
        };
        match &wait.until {
            WaitFor::Seconds(seconds) => Ok(after(*seconds)),
            WaitFor::Timestamp(millis) => Ok(Moment(*millis)),
            WaitFor::SecondsPath(path) => {
                let missing = || {
                    EvaluationError::runtime(format!(
                        "The SecondsPath parameter does not reference an input value: {}",
                        path.text
                    ))
                };
                let value = path.find(&view).map_err(|_| missing())?.into_owned();
                let seconds = match &value {
                    Json::Int(seconds) => *seconds,
                    Json::Float(_) | Json::BigInt(_) => {
                        let what = "SecondsPath parameter cannot be parsed as a long value";
                        return Err(wrong(path, what, &value));
                    }
                    _ => return Err(missing()),
                };
                if seconds < 0 {
                    return Err(wrong(
                        path,
                        "SecondsPath parameter references a negative value",
                        &value,
                    ));
                }
                Ok(after(seconds))
            }
            WaitFor::TimestampPath(path) => {
                let value = path
                    .find(&view)
                    .map_err(|_| {
                        EvaluationError::runtime(format!(
                            "The TimestampPath parameter does not reference an input value: {}",
                            path.text
                        ))
                    })?
                    .into_owned();
                value.as_str().and_then(time::parse).map(Moment).ok_or_else(|| {
                    let what = "TimestampPath parameter does not reference a valid ISO-8601 \
                                extended offset date-time format string";
                    wrong(path, what, &value)
                })
            }
            WaitFor::SecondsJsonata(expression) => {
                let value = expression.evaluate(&view)?;
                if !value.is_number() {
                    return Err(expression.unexpected("number", &value));
                }
                let wrong = |what: &str| {
                    let cause = format!("Seconds must be {what} but was: {value}");
                    EvaluationError::query(cause, Some("Seconds"))
                };
                match value.as_i64() {
                    Some(seconds) if (0..=MAX_SECONDS).contains(&seconds) => Ok(after(seconds)),
                    Some(_) => Err(wrong(&format!("between 0 and {MAX_SECONDS}"))),
                    None => Err(wrong("an integer")),
                }
            }
            WaitFor::TimestampJsonata(expression) => {
                let value = expression.evaluate(&view)?;
                let Some(text) = value.as_str() else {
                    return Err(expression.unexpected("string", &value));
                };
                time::parse(text).map(Moment).ok_or_else(|| {
                    EvaluationError::query(
                        format!(
                            "The Timestamp field cannot be parsed as an ISO-8601 extended offset \
                             date-time format string: {text}"
                        ),
                        Some("Timestamp"),
                    )
                })
            }
        }
    }

    /// The time has come: the state is left.
    pub(crate) fn wait_over(&mut self, frame: FrameId) {
        let state = self.state_of(frame);
        let Kind::Wait(wait) = &state.kind else {
            let error = EvaluationError::runtime("MaxConcurrency cannot be negative.");
            self.evaluation_failed(frame, error);
            return;
        };
        let left = self.document(frame, &state.io).and_then(|document| {
            let (output, assign) = (state.io.output.as_ref(), state.io.assign.as_ref());
            let (output, assigned) = self.pass_on(frame, state, &document, output, assign)?;
            self.exit(frame, output, assigned, wait.next)
        });
        if let Err(error) = left {
            self.evaluation_failed(frame, error);
        }
    }
}
