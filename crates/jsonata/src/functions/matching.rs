//! Regular expressions, and functions that stand in for them.

use super::{number_at, numbers, take};
use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::map::Map;
use crate::regex::{Found, Matcher, Regex};
use crate::signature::Args;
use crate::value::{Function, Value};
use smallvec::SmallVec;
use std::rc::Rc;
use stepwright_json::Str;

/// UTF-16 units before the byte `at`.
fn units(text: &str, at: usize) -> usize {
    if text.is_ascii() { at } else { text[..at].encode_utf16().count() }
}

/// Counts the UTF-16 units before places that come one after the other: each byte once.
struct Units<'t> {
    text: &'t str,
    /// Where it is: the byte, and the units before.
    at: (usize, usize),
}

impl<'t> Units<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: (0, 0) }
    }

    fn before(&mut self, byte: usize) -> usize {
        if byte < self.at.0 {
            self.at = (0, 0);
        }
        let units = self.at.1 + units(&self.text[self.at.0..byte], byte - self.at.0);
        self.at = (byte, units);
        units
    }
}

/// The byte at which the UTF-16 unit `unit` begins.
fn byte(text: &str, unit: f64) -> usize {
    if unit.is_nan() || unit <= 0.0 {
        return 0;
    }
    let unit = unit as usize;
    if text.is_ascii() {
        return unit.min(text.len());
    }
    let mut count = 0;
    for (at, char) in text.char_indices() {
        if count >= unit {
            return at;
        }
        count += char.len_utf16();
    }
    text.len()
}

/// A regular expression called as a function.
pub(crate) fn call<'a>(
    evaluator: &mut Evaluator<'a>,
    regex: &'a Regex,
    text: Str,
    from: usize,
) -> Result<Value<'a>> {
    let Some(found) = find(evaluator, regex, &text, from)? else { return Ok(Value::Undefined) };
    match_object(evaluator, regex, &text, &found)
}

/// The first match from the byte `from` on, counting what was searched.
fn find(
    evaluator: &mut Evaluator<'_>,
    regex: &Regex,
    text: &str,
    from: usize,
) -> Result<Option<Found>> {
    if !regex.can_search(text.len() - from.min(text.len())) {
        return Err(Fault::new("U1003"));
    }
    if evaluator.searched_with.insert(std::ptr::from_ref(regex).addr()) {
        evaluator.steps(regex.preparation())?;
    }
    let found = regex.find(text, from)?;
    let end = found.as_ref().map_or(text.len(), |found| found.end);
    evaluator.steps(regex.steps(end.saturating_sub(from)))?;
    Ok(found)
}

/// The match after one that was found.
pub(crate) fn next<'a>(evaluator: &mut Evaluator<'a>, matcher: &Matcher<'a>) -> Result<Value<'a>> {
    match find_next(evaluator, matcher)? {
        Some(found) => match_object(evaluator, matcher.regex, &matcher.text, &found),
        None => Ok(Value::Undefined),
    }
}

fn find_next<'a>(evaluator: &mut Evaluator<'a>, matcher: &Matcher<'a>) -> Result<Option<Found>> {
    if matcher.from >= matcher.text.len() {
        return Ok(None);
    }
    let found = find(evaluator, matcher.regex, &matcher.text, matcher.from)?;
    if found.as_ref().is_some_and(|found| found.start == found.end) {
        return Err(Fault::new("D1004"));
    }
    Ok(found)
}

/// The texts of the groups.
fn groups<'a>(evaluator: &mut Evaluator<'a>, text: &str, found: &Found) -> Result<Vec<Value<'a>>> {
    let lengths = found.groups.iter().flatten().map(|(start, end)| end - start + 64);
    evaluator.charge(found.groups.len() * 16 + lengths.sum::<usize>())?;
    Ok(found
        .groups
        .iter()
        .map(|group| group.map_or(Value::Undefined, |(start, end)| Value::text(&text[start..end])))
        .collect())
}

fn match_object<'a>(
    evaluator: &mut Evaluator<'a>,
    regex: &'a Regex,
    text: &Str,
    found: &Found,
) -> Result<Value<'a>> {
    evaluator.charge(400 + (found.end - found.start) * 2)?;
    // The units before it are counted from the beginning.
    evaluator.look(found.end)?;
    let mut map = Map::with_capacity(5);
    map.push_new("match".into(), Value::text(&text[found.start..found.end]));
    map.push_new("start".into(), Value::Int(units(text, found.start) as i64));
    map.push_new("end".into(), Value::Int(units(text, found.end) as i64));
    map.push_new("groups".into(), Value::array(groups(evaluator, text, found)?));
    let matcher = Matcher { regex, text: text.clone(), from: found.end };
    map.push_new("next".into(), Value::Function(Rc::new(Function::NextMatch(matcher))));
    Ok(Value::object(map))
}

/// A match, whoever found it.
struct Match<'a> {
    text: Str,
    start: usize,
    end: usize,
    groups: Vec<Value<'a>>,
    /// What a replacing function gets to see.
    object: Option<Value<'a>>,
}

/// Goes from match to match.
enum Search<'a> {
    Regex { matcher: Matcher<'a>, started: bool },
    Function { next: Value<'a>, text: Str, started: bool },
}

impl<'a> Search<'a> {
    fn new(pattern: &Value<'a>, text: Str) -> Self {
        if let Value::Function(function) = pattern
            && let Function::Regex(regex) = &**function
        {
            return Self::Regex { matcher: Matcher { regex, text, from: 0 }, started: false };
        }
        Self::Function { next: pattern.clone(), text, started: false }
    }

    fn next(
        &mut self,
        evaluator: &mut Evaluator<'a>,
        caller: &Caller<'_, 'a>,
        objects: bool,
    ) -> Result<Option<Match<'a>>> {
        match self {
            Self::Regex { matcher, started } => {
                let found = if std::mem::replace(started, true) {
                    find_next(evaluator, matcher)?
                } else {
                    find(evaluator, matcher.regex, &matcher.text, 0)?
                };
                let Some(found) = found else { return Ok(None) };
                matcher.from = found.end;
                let object = objects
                    .then(|| match_object(evaluator, matcher.regex, &matcher.text, &found))
                    .transpose()?;
                evaluator.charge(found.end - found.start)?;
                Ok(Some(Match {
                    text: matcher.text[found.start..found.end].into(),
                    start: found.start,
                    end: found.end,
                    groups: groups(evaluator, &matcher.text, &found)?,
                    object,
                }))
            }
            Self::Function { next, text, started } => {
                let mut arguments = Args::new();
                if !std::mem::replace(started, true) {
                    arguments.push(Value::text(text.clone()));
                }
                let result =
                    evaluator.apply(next, arguments, &Value::Null, caller.frame)?.unwrapped(false);
                if !result.is_truthy() {
                    return Ok(None);
                }
                let field = |name: &str| {
                    result.members().map(|members| members.get(name)).unwrap_or_default()
                };
                let (start, end) = (field("start"), field("end"));
                let (groups, after) = (field("groups"), field("next"));
                if start.number().is_none()
                    && end.as_str() != Some("number")
                    && !groups.is_array()
                    && !after.is_function()
                {
                    return Err(Fault::new("T1010"));
                }
                *next = after;
                let matched = field("match").to_str().unwrap_or_default();
                evaluator.look(text.len())?;
                let place = |value: &Value<'a>| {
                    byte(
                        text,
                        value.number().map_or(f64::NAN, super::super::number::Number::as_f64),
                    )
                };
                Ok(Some(Match {
                    start: place(&start),
                    end: place(&end),
                    text: matched,
                    groups: groups.items().map(|items| items.iter().collect()).unwrap_or_default(),
                    object: Some(result.clone()),
                }))
            }
        }
    }

    /// Whether there is something to ask for the next match.
    fn can_go_on(&self) -> bool {
        match self {
            Self::Regex { .. } => true,
            Self::Function { next, .. } => next.is_function(),
        }
    }
}

/// A limit argument: `None` is no limit.
fn limit(arguments: &Args<'_>, at: usize, code: &'static str) -> Result<Option<f64>> {
    match number_at(arguments, at) {
        Some(limit) if limit < 0.0 => {
            Err(Fault::new(code).value(Some(numbers::json(limit))).index(at + 1))
        }
        limit => Ok(limit),
    }
}

fn below(count: usize, limit: Option<f64>) -> bool {
    limit.is_none_or(|limit| (count as f64) < limit)
}

pub(super) fn find_all<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::to_str) else {
        return Ok(Value::Undefined);
    };
    let limit = limit(&arguments, 2, "D3040")?;
    let pattern = take(&mut arguments, 1);
    let mut results = Vec::new();
    if below(0, limit) {
        let mut search = Search::new(&pattern, text.clone());
        let mut units = Units::new(&text);
        let mut found = search.next(evaluator, caller, false)?;
        while let Some(one) = found {
            if !below(results.len(), limit) {
                break;
            }
            evaluator.charge(512 + one.text.len())?;
            let mut map = Map::with_capacity(3);
            map.push_new("match".into(), Value::text(one.text));
            map.push_new("index".into(), Value::Int(units.before(one.start) as i64));
            map.push_new("groups".into(), Value::array(one.groups));
            results.push(Value::object(map));
            found = if search.can_go_on() { search.next(evaluator, caller, false)? } else { None };
        }
    }
    Ok(Value::sequence(results))
}

pub(super) fn contains<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let pattern = take(&mut arguments, 1);
    let Some(text) = arguments.first().and_then(Value::to_str) else {
        return Ok(Value::Undefined);
    };
    if pattern.is_undefined() {
        return Ok(Value::Undefined);
    }
    if let Some(part) = pattern.as_str() {
        evaluator.steps(text.len() / 64)?;
        return Ok(Value::bool(text.contains(part)));
    }
    let found = Search::new(&pattern, text).next(evaluator, caller, false)?;
    Ok(Value::bool(found.is_some()))
}

pub(super) fn replace<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let pattern = take(&mut arguments, 1);
    let replacement = take(&mut arguments, 2);
    let value = take(&mut arguments, 0);
    let Some(text) = value.to_str() else { return Ok(Value::Undefined) };
    if pattern.as_str() == Some("") {
        return Err(Fault::new("D3010").value(Some("".into())).index(2));
    }
    let limit = limit(&arguments, 3, "D3011")?;
    if !below(0, limit) {
        return Ok(value);
    }
    let mut out = String::new();
    let mut from = 0;
    let mut count = 0;
    if let Some(pattern) = pattern.as_str() {
        let replacement = replacement.as_str().unwrap_or_default();
        while below(count, limit)
            && let Some(at) = text[from..].find(pattern)
        {
            evaluator.step()?;
            evaluator.hold(out.len() + at + replacement.len())?;
            evaluator.charge(at + replacement.len())?;
            out.push_str(&text[from..from + at]);
            out.push_str(replacement);
            from += at + pattern.len();
            count += 1;
        }
        out.push_str(&text[from..]);
        return evaluator.text(out);
    }
    let by_function = replacement.is_function();
    let by_regex = is_regex(&pattern);
    let mut search = Search::new(&pattern, text.clone());
    let mut found = search.next(evaluator, caller, by_function)?;
    while let Some(one) = found {
        if !below(count, limit) {
            break;
        }
        let start = one.start.max(from);
        evaluator.charge(start - from)?;
        out.push_str(&text[from..start]);
        if let Some(template) = replacement.as_str() {
            substitute(evaluator, template, &one, &mut out)?;
        } else {
            let object = one.object.clone().unwrap_or_default();
            let result = evaluator
                .apply(&replacement, SmallVec::from_iter([object]), &Value::Null, caller.frame)?
                .unwrapped(false);
            let Some(result_text) = result.as_str() else {
                return Err(Fault::new("D3012").value(result.shown()));
            };
            evaluator.hold(out.len() + result_text.len())?;
            evaluator.charge(result_text.len())?;
            out.push_str(result_text);
        }
        let end = if by_regex {
            one.end
        } else {
            // As many units as the text that a function says it matched.
            evaluator.look(text.len() * 2)?;
            byte(&text, (units(&text, one.start) + one.text.encode_utf16().count()) as f64)
        };
        from = end.max(from);
        count += 1;
        found =
            if search.can_go_on() { search.next(evaluator, caller, by_function)? } else { None };
    }
    out.push_str(&text[from..]);
    evaluator.text(out)
}

fn is_regex(pattern: &Value<'_>) -> bool {
    matches!(pattern, Value::Function(function) if matches!(**function, Function::Regex(_)))
}

/// Writes a replacement with its `$0`, `$1`, `$$` filled in.
fn substitute(
    evaluator: &mut Evaluator<'_>,
    template: &str,
    one: &Match<'_>,
    out: &mut String,
) -> Result<()> {
    let mut push = |out: &mut String, text: &str| {
        evaluator.hold(out.len() + text.len())?;
        evaluator.charge(text.len() + 1)?;
        out.push_str(text);
        Ok(())
    };
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        push(out, &rest[..at])?;
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix('0') {
            push(out, &one.text)?;
            rest = after;
            continue;
        }
        let groups = one.groups.len();
        let most = if groups == 0 { 1 } else { groups.ilog10() as usize + 1 };
        let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let parse = |count: usize| rest[..count].parse::<usize>().ok();
        let mut index = parse(digits);
        if most > 1 && index.is_some_and(|index| index > groups) {
            index = parse(digits.min(most - 1));
        }
        match index {
            None => out.push('$'),
            Some(index) => {
                let group = index.checked_sub(1).and_then(|index| one.groups.get(index));
                if let Some(text) = group.and_then(Value::as_str) {
                    push(out, text)?;
                }
                rest = &rest[index.to_string().len().min(rest.len())..];
            }
        }
    }
    push(out, rest)
}

pub(super) fn split<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    caller: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::to_str) else {
        return Ok(Value::Undefined);
    };
    let limit = limit(&arguments, 2, "D3020")?;
    let separator = take(&mut arguments, 1);
    let mut parts: Vec<Value<'a>> = Vec::new();
    if !below(0, limit) {
        return Ok(Value::array(parts));
    }
    if separator.is_undefined() {
        parts.push(Value::text(text));
        return Ok(Value::array(parts));
    }
    if let Some(separator) = separator.as_str() {
        let most = limit.map_or(usize::MAX, |limit| limit as usize);
        let mut add = |part: &str| -> Result<()> {
            evaluator.step()?;
            evaluator.charge(part.len() + 96)?;
            parts.push(Value::text(part));
            Ok(())
        };
        if separator.is_empty() {
            let mut buffer = [0; 4];
            for char in text.chars().take(most) {
                add(char.encode_utf8(&mut buffer))?;
            }
        } else {
            for part in text.split(separator).take(most) {
                add(part)?;
            }
        }
        return Ok(Value::array(parts));
    }
    let mut search = Search::new(&separator, text.clone());
    let mut found = search.next(evaluator, caller, false)?;
    if found.is_none() {
        return Ok(Value::array(vec![Value::text(text)]));
    }
    let mut from = 0;
    while let Some(one) = found {
        if !below(parts.len(), limit) {
            break;
        }
        let start = one.start.max(from);
        evaluator.charge(start - from + 96)?;
        parts.push(Value::text(&text[from..start]));
        from = one.end.max(from);
        found = if search.can_go_on() { search.next(evaluator, caller, false)? } else { None };
    }
    if below(parts.len(), limit) {
        evaluator.charge(text.len() - from + 96)?;
        parts.push(Value::text(&text[from..]));
    }
    Ok(Value::array(parts))
}
