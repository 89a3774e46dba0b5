use super::{number_at, take};
use crate::error::Result;
use crate::eval::{Caller, Evaluator};
use crate::signature::Args;
use crate::text;
use crate::value::{Kind, Value};
use stepwright_json::Str;

pub(super) fn string<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let pretty = arguments.get(1).is_some_and(Value::is_truthy);
    let value = take(&mut arguments, 0);
    if value.as_str().is_some() {
        return Ok(value);
    }
    let most = evaluator.limits.bytes.min(evaluator.limits.value_bytes);
    match text::string(&value, pretty, most)? {
        Some(text) => {
            evaluator.steps(text.len() / 16)?;
            evaluator.text(text)
        }
        None => Ok(Value::Undefined),
    }
}

/// JavaScript's `slice` bounds of `length` things.
fn slice(length: usize, start: f64, end: f64) -> (usize, usize) {
    let place = |value: f64| {
        let value = if value.is_nan() { 0.0 } else { value.trunc() };
        let value = if value < 0.0 { (length as f64 + value).max(0.0) } else { value };
        value.min(length as f64) as usize
    };
    let (start, end) = (place(start), place(end));
    (start, end.max(start))
}

/// The byte at which the character `at` begins.
fn byte_of(text: &str, at: usize) -> usize {
    text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
}

fn count_chars(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The characters from `start` to `end`.
fn cut(text: &str, start: usize, end: usize) -> &str {
    if text.is_ascii() {
        return &text[start.min(text.len())..end.min(text.len())];
    }
    let from = byte_of(text, start);
    let to = from + byte_of(&text[from..], end - start);
    &text[from..to]
}

pub(super) fn substring<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.look(text.len())?;
    let length = count_chars(text);
    let mut start = number_at(&arguments, 1).unwrap_or(f64::NAN);
    if length as f64 + start < 0.0 {
        start = 0.0;
    }
    let (from, to) = match number_at(&arguments, 2) {
        Some(count) if count <= 0.0 => (0, 0),
        Some(count) => {
            let end = if start >= 0.0 { start + count } else { length as f64 + start + count };
            slice(length, start, end)
        }
        None => slice(length, start, length as f64),
    };
    evaluator.text(cut(text, from, to).to_owned())
}

pub(super) fn substring_before<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let marker = take(&mut arguments, 1);
    let value = take(&mut arguments, 0);
    let Some(text) = value.as_str() else { return Ok(Value::Undefined) };
    let found = text.find(marker.as_str().unwrap_or("undefined"));
    evaluator.look(found.unwrap_or(text.len()) * 2)?;
    match found {
        Some(at) => evaluator.text(text[..at].to_owned()),
        None => Ok(value),
    }
}

pub(super) fn substring_after<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let marker = take(&mut arguments, 1);
    let marker = marker.as_str().unwrap_or("undefined");
    let value = take(&mut arguments, 0);
    let Some(text) = value.as_str() else { return Ok(Value::Undefined) };
    let found = text.find(marker);
    evaluator.look(found.unwrap_or(text.len()) * 2)?;
    match found {
        Some(at) => evaluator.text(text[at + marker.len()..].to_owned()),
        None => Ok(value),
    }
}

/// Applies `change` to the first argument if it is a text.
fn changed<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: &Args<'a>,
    change: impl FnOnce(&str) -> String,
) -> Result<Value<'a>> {
    match arguments.first().and_then(Value::as_str) {
        Some(text) => {
            evaluator.steps(text.len() / 16)?;
            let text = change(text);
            evaluator.text(text)
        }
        None => Ok(Value::Undefined),
    }
}

pub(super) fn lowercase<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    changed(evaluator, &arguments, str::to_lowercase)
}

pub(super) fn uppercase<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    changed(evaluator, &arguments, str::to_uppercase)
}

pub(super) fn length<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.look(text.len())?;
    Ok(Value::Int(count_chars(text) as i64))
}

pub(super) fn trim<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    changed(evaluator, &arguments, |text| {
        let space = |char: char| matches!(char, ' ' | '\t' | '\n' | '\r');
        let mut out = String::with_capacity(text.len());
        for word in text.split(space).filter(|word| !word.is_empty()) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
        out
    })
}

pub(super) fn pad<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let width = number_at(&arguments, 1).unwrap_or(f64::NAN).trunc();
    let filler = take(&mut arguments, 2);
    let filler = filler.as_str().filter(|filler| !filler.is_empty()).unwrap_or(" ");
    let value = take(&mut arguments, 0);
    let Some(text) = value.as_str() else { return Ok(Value::Undefined) };
    evaluator.look(text.len())?;
    let missing = width.abs() - count_chars(text) as f64;
    if missing.is_nan() || missing <= 0.0 {
        return Ok(value);
    }
    let missing = missing as usize;
    let widest = filler.chars().map(char::len_utf8).max().unwrap_or(1);
    let bytes = missing.saturating_mul(widest).saturating_add(text.len());
    evaluator.hold(bytes)?;
    evaluator.charge(bytes.saturating_mul(2))?;
    evaluator.steps(missing / 16)?;
    let mut padding = String::with_capacity(missing);
    padding.extend(filler.chars().cycle().take(missing));
    Ok(Value::text(if width > 0.0 {
        format!("{text}{padding}")
    } else {
        format!("{padding}{text}")
    }))
}

pub(super) fn join<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(items) = arguments.first().and_then(Value::items) else {
        return Ok(Value::Undefined);
    };
    let separator = arguments.get(1).and_then(Value::to_str).unwrap_or_else(|| Str::from(""));
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            evaluator.hold(out.len() + separator.len())?;
            out.push_str(&separator);
        }
        if let Kind::Text(text) = item.kind() {
            evaluator.hold(out.len() + text.len())?;
            evaluator.charge(text.len() + separator.len())?;
            out.push_str(text);
        }
        evaluator.step()?;
    }
    Ok(Value::text(out))
}
