//! Mocks of Map and Parallel states as a whole.

use super::{Mock, MocksError, Reply};
use crate::simulation::Outcome;
use stepwright_interpreter::WholeResult;

/// What is wrong with the answers of a mock for a Map or Parallel state.
pub(super) fn check(mock: &Mock, kind: &str, shape: WholeResult, found: &mut Vec<MocksError>) {
    let answers = mock.cases.iter().flat_map(|case| &case.answers);
    for (reply, span) in answers {
        let mut wrong = |message: String, help: &str| {
            found.push(MocksError { message, span: *span, help: Some(help.to_owned()) });
        };
        match reply {
            Reply::Function { .. } => wrong(
                format!("a {kind} state calls no function"),
                "say what it comes to, with `return` or `fail`, or mock the tasks within it",
            ),
            Reply::Answer(answer) => {
                let of_task = [
                    ("submitted", answer.submitted.is_some()),
                    ("heartbeat", answer.heartbeat_millis.is_some()),
                    ("worker", answer.worker.is_some()),
                ];
                for (name, _) in of_task.into_iter().filter(|(_, is_given)| *is_given) {
                    wrong(
                        format!("`{name}` is for tasks, and this is a {kind} state"),
                        "a Map or Parallel has `return`, `fail` or `never`, and `after`",
                    );
                }
                if let Outcome::Returns(result) = &answer.outcome
                    && shape.check(result).is_err()
                {
                    let (message, help) = expected(kind, shape);
                    wrong(message, help);
                }
            }
        }
    }
}

fn expected(kind: &str, shape: WholeResult) -> (String, &'static str) {
    match shape {
        WholeResult::List => (
            format!("the result of a {kind} state is a list"),
            "write `return: [FIRST, SECOND]`, a result for each item",
        ),
        WholeResult::Branches(count) => (
            format!("the result of this {kind} state is a list of {count}"),
            "write `return: [FIRST, SECOND]`, the output of each branch",
        ),
        WholeResult::Written => (
            format!("the result of a {kind} state with a ResultWriter is an object"),
            "write `return: {MapRunArn: …, ResultWriterDetails: {Bucket: …, Key: …}}`",
        ),
    }
}
