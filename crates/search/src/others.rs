//! Nodes that share a store ask each other: each has the executions that it drives in its index.

use crate::{Behind, Query};
use std::time::Duration;
use stepwright_engine::Engine;
use stepwright_json::{Json, json};
use stepwright_store::ExecutionId;

/// How many executions a node is asked for at most.
const MOST: usize = 1_000;

/// What a node has found.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The executions, the latest first.
    pub(crate) ids: Vec<ExecutionId>,
    pub(crate) behind: Behind,
}

impl Answer {
    /// Asks all other nodes. What is `None` was not answered.
    pub(crate) async fn of_others(
        engine: &Engine,
        query: &Query,
        below: Option<u64>,
        most: usize,
    ) -> Vec<Option<Self>> {
        let (text, now) = query.source();
        let request = json!({
            "do": "search",
            "query": text,
            "now": now,
            "below": (below.map_or(Json::Null, |below| Json::Int(below as i64))),
            "most": (most as i64)
        });
        let answers = engine.ask_others(&request).await;
        let read = |answer: Result<Json, _>| match answer {
            Ok(answer) => Self::read(&answer),
            Err(why) => {
                tracing::warn!(%why, "a node does not say what is in its executions");
                None
            }
        };
        answers.into_iter().map(read).collect()
    }

    pub(crate) fn write(&self) -> Json {
        let ids: Vec<Json> = self.ids.iter().map(|id| Json::Int(id.0 as i64)).collect();
        let Behind { executions, since, is_comparing } = self.behind;
        json!({
            "ids": ids,
            "behind": (executions as i64),
            "milliseconds": (since.as_millis() as i64),
            "isComparing": (Json::Bool(is_comparing))
        })
    }

    fn read(answer: &Json) -> Option<Self> {
        let number = |key: &str| answer.get(key).and_then(Json::as_i64)?.try_into().ok();
        let ids = answer.get("ids")?.as_array()?.iter();
        let ids = ids.filter_map(Json::as_i64).map(|id| ExecutionId(id as u64));
        Some(Self {
            ids: ids.collect(),
            behind: Behind {
                executions: number("behind")? as usize,
                since: Duration::from_millis(number("milliseconds")?),
                is_comparing: answer.get("isComparing")?.as_bool()?,
            },
        })
    }
}

/// What another node asks: the query, the place from which on, and how many.
pub(crate) fn read_request(request: &Json) -> Result<(Query, Option<u64>, usize), String> {
    let number = |key: &str| request.get(key).and_then(Json::as_i64);
    let text = request.get("query").and_then(Json::as_str).unwrap_or_default();
    let query = Query::parse(text, number("now").unwrap_or_default());
    let query = query.map_err(|error| error.to_string())?;
    let most = number("most").and_then(|most| usize::try_from(most).ok()).unwrap_or_default();
    Ok((query, number("below").map(|below| below as u64), most.min(MOST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let behind =
            Behind { executions: 3, since: Duration::from_millis(1_200), is_comparing: true };
        let answer = Answer { ids: vec![ExecutionId(700), ExecutionId(5)], behind };
        let read = Answer::read(&answer.write()).expect("it can be read");
        assert_eq!((read.ids, read.behind), (answer.ids, behind));
        // A node of another release may say something else.
        assert!(Answer::read(&json!({"ids": []})).is_none());
        assert!(Answer::read(&json!({"error": "what?"})).is_none());
    }

    #[test]
    fn a_request_is_bounded() {
        let request = json!({"query": "a after:today", "now": 86_400_001, "most": 5_000_000});
        let (query, below, most) = read_request(&request).expect("it can be read");
        assert_eq!((query.source(), below, most), (("a after:today", 86_400_001), None, MOST));
        let request = json!({"query": "status:bad", "most": 1});
        assert!(read_request(&request).is_err());
    }
}
