//! Values of the protocol.

use crate::text::{Position, Text};
use stepwright_json::{Json, json};
use stepwright_source::Span;

pub(crate) fn position(value: &Json) -> Option<Position> {
    let number = |key: &str| {
        let number = value.get(key)?.as_i64()?;
        Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
    };
    Some(Position { line: number("line")?, character: number("character")? })
}

pub(crate) fn range(text: &Text, span: Span) -> Json {
    let (start, end) = text.range(span);
    range_between(start, end)
}

pub(crate) fn range_between(start: Position, end: Position) -> Json {
    let place = |at: Position| json!({"line": (at.line), "character": (at.character)});
    json!({"start": (place(start)), "end": (place(end))})
}

pub(crate) fn edit(text: &Text, span: Span, new_text: &str) -> Json {
    json!({"range": (range(text, span)), "newText": new_text})
}
