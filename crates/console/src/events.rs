//! Some lines of a history, for the table that shows only what is in view.

use crate::execution::{self, Known};
use crate::page::{self, Answer};
use crate::story::{Row, Tone};
use crate::text::visible;
use crate::{Ask, Console, Visit};
use stepwright_json::Json;

/// The largest number of lines in an answer.
const MOST: u64 = 200;

/// `from` and `most` say which lines; `state`, `only=failures` and `order=newest` which of all there are.
pub(crate) async fn window(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let known = execution::known(console, visit, ask).await?;
    let rows = &known.story.rows;
    let from = ask.query.number("from").unwrap_or(0) as usize;
    let most = ask.query.number("most").unwrap_or(100).min(MOST) as usize;
    let state = ask.query.number("state");
    let only_failures = ask.query.get("only") == Some("failures");
    let is_wanted = |row: &Row| {
        state.is_none_or(|state| row.state.map(u64::from) == Some(state))
            && (!only_failures || row.tone == Tone::Bad)
    };
    let is_newest_first = ask.query.get("order") == Some("newest");
    let is_narrow = state.is_some() || only_failures;
    let chosen: Vec<usize> = if is_narrow {
        (0..rows.len()).filter(|at| is_wanted(&rows[*at])).collect()
    } else {
        Vec::new()
    };
    let all = if is_narrow { chosen.len() } else { rows.len() };
    let place = |at: usize| {
        let at = if is_newest_first { all - 1 - at } else { at };
        if is_narrow { chosen[at] } else { at }
    };
    let began = known.row.about.started_at;
    let shown: Vec<Json> = (from..all.min(from.saturating_add(most)))
        .map(place)
        .map(|at| line(&known, at, began))
        .collect();
    Ok(page::json_answer(&stepwright_json::json!({
        "all": (Json::Int(all as i64)),
        "rows": (Json::from(shown))
    })))
}

/// A line: its number among all, AWS's id, milliseconds since the beginning, its name, the state's
/// position and name, the item, the depth, the text, and what it is about.
fn line(known: &Known, at: usize, began: i64) -> Json {
    let row = &known.story.rows[at];
    let state = row.state.and_then(|state| known.drawing.states.get(state as usize));
    let state = state.map(|(name, _)| visible(name).into_owned()).unwrap_or_default();
    let tone = match row.tone {
        Tone::Plain => "",
        Tone::Minor => "minor",
        Tone::Bad => "bad",
        Tone::Good => "good",
    };
    let position = row.state.map_or(Json::Null, |state| Json::Int(i64::from(state)));
    stepwright_json::json!([
        (Json::Int(at as i64)),
        (Json::Int(row.id as i64)),
        (Json::Int(row.at - began)),
        (&*row.name),
        (position),
        (state.as_str()),
        (&*row.item),
        (Json::Int(i64::from(row.depth))),
        (&*row.text),
        (tone)
    ])
}
