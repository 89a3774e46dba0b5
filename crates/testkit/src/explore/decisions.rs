//! What would make a Choice state take another of its ways, given the data that it saw.

use super::asks::asks_of;
use super::needs::{satisfying, violating};
use super::origin::{Of, Origins, Spot, path_of};
use super::places::{Step, at, place};
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;
use stepwright_json::{Json, Object, json};
use stepwright_jsonata::{Bindings, Dialect, Environment, Expression, Limits};

/// A place that must be made otherwise, and what must stand there; `None` for nothing at all.
pub(super) type Change = (Of, Vec<Step>, Option<Json>);

/// Evaluations that are tried for one way.
const MOST: usize = 4_000;

/// What would make a Choice state, entered there, take this way; its rules come first, then the default.
pub(super) fn changes(
    choice: &Object,
    way: usize,
    origins: &Origins<'_>,
    spot: Spot,
) -> Vec<Change> {
    let rules = choice.get("Choices").and_then(Json::as_array);
    let rules: Vec<&Json> = rules.map(|rules| rules.iter().collect()).unwrap_or_default();
    let expressions: Vec<&str> = rules
        .iter()
        .filter_map(|rule| {
            rule.get("Condition")?.as_str()?.trim().strip_prefix("{%")?.strip_suffix("%}")
        })
        .collect();
    if !rules.is_empty() && expressions.len() == rules.len() {
        return solve(&expressions, way, origins, spot).unwrap_or_else(|| {
            // Nothing that was tried does: all that the conditions ask for may have to do with it.
            let until = &expressions[..expressions.len().min(way + 1)];
            let asks = until.iter().flat_map(|text| asks_of(text));
            asks.map(|ask| (ask.of, ask.path, Some(ask.value))).collect()
        });
    }
    let input = choice.get("InputPath").and_then(Json::as_str).and_then(|text| {
        let (_, path) = path_of(text, Of::Entered)?;
        at(origins.input(spot), &path)
    });
    let input = input.unwrap_or(Cow::Borrowed(origins.input(spot)));
    let mut changes = Vec::new();
    for (number, rule) in rules.iter().enumerate().take(way + 1) {
        conditions(rule, number == way, &input, &mut changes, 0);
    }
    changes
}

fn conditions(
    rule: &Json,
    should_hold: bool,
    input: &Json,
    changes: &mut Vec<Change>,
    depth: usize,
) {
    let Some(rule) = rule.as_object().filter(|_| depth < 32) else { return };
    for (key, of) in [("And", true), ("Or", false)] {
        let Some(parts) = rule.get(key).and_then(Json::as_array) else { continue };
        // One part is enough to make an Or hold, and to make an And not hold: the last, for the others often
        // ask whether it is there.
        let skipped = if of == should_hold { 0 } else { parts.len().saturating_sub(1) };
        parts
            .iter()
            .skip(skipped)
            .for_each(|part| conditions(part, should_hold, input, changes, depth + 1));
    }
    if let Some(part) = rule.get("Not") {
        conditions(part, !should_hold, input, changes, depth + 1);
    }
    let Some((of, path)) =
        rule.get("Variable").and_then(Json::as_str).and_then(|text| path_of(text, Of::Input))
    else {
        return;
    };
    for (operator, operand) in rule.iter() {
        if operator == "IsPresent" {
            let is_there = (operand.as_bool() == Some(true)) == should_hold;
            let stands = of == Of::Input && at(input, &path).is_some();
            if is_there != stands {
                changes.push((of.clone(), path.clone(), is_there.then(|| "value".into())));
            }
            continue;
        }
        // A comparison with what stands elsewhere is one with what stands there now.
        let other = operator.strip_suffix("Path").and_then(|operator| {
            let (_, path) = path_of(operand.as_str()?, Of::Input)?;
            Some((operator, at(input, &path)?))
        });
        let (operator, operand) = match &other {
            Some((operator, operand)) => (*operator, &**operand),
            None => (operator.as_str(), operand),
        };
        let value =
            if should_hold { satisfying(operator, operand) } else { violating(operator, operand) };
        if let Some(value) = value {
            changes.push((of.clone(), path.clone(), Some(value)));
        }
    }
}

/// Something that conditions ask for, with what may stand there: first what it is compared with.
struct Unknown {
    of: Of,
    path: Vec<Step>,
    candidates: Vec<Option<Json>>,
}

/// Tries values until the conditions before the way fail and its own holds.
fn solve(texts: &[&str], way: usize, origins: &Origins<'_>, spot: Spot) -> Option<Vec<Change>> {
    let texts = &texts[..texts.len().min(way + 1)];
    let compile = |text: &&str| Expression::compile(text, Dialect::StepFunctions);
    let compiled: Vec<Expression> = texts.iter().map(compile).collect::<Result<_, _>>().ok()?;
    let others = candidates(texts);
    let mut unknown: Vec<Unknown> = Vec::new();
    // What the way's own condition asks for comes first.
    for (number, text) in texts.iter().enumerate().rev() {
        for ask in asks_of(text) {
            if matches!(ask.of, Of::Entered | Of::Variable(_))
                && !unknown.iter().any(|one| one.of == ask.of && one.path == ask.path)
            {
                let mut candidates = others.clone();
                if number == way {
                    candidates.insert(0, Some(ask.value));
                }
                unknown.push(Unknown { of: ask.of, path: ask.path, candidates });
            }
        }
    }
    let input = origins.input(spot);
    let variables = origins.variables(spot);
    let holds = |chosen: &[(usize, usize)]| -> bool {
        let (mut input, mut variables) = (input.clone(), variables.clone());
        for (which, candidate) in chosen {
            let Unknown { of, path, candidates } = &unknown[*which];
            let value = candidates[*candidate].as_ref();
            match of {
                Of::Variable(name) => {
                    place(variables.get_or_insert_with(name, || Json::Null), path, value);
                }
                _ => place(&mut input, path, value),
            }
        }
        let states = json!({"input": input});
        let bindings = variables
            .iter()
            .fold(Bindings::new(), |bindings, (name, value)| bindings.bind(name, value))
            .bind("states", &states);
        compiled.iter().enumerate().all(|(number, expression)| {
            let value =
                expression.evaluate(None, &bindings, &Environment::default(), &Limits::default());
            value == Ok(Some(Json::Bool(number == way)))
        })
    };
    let first: Vec<(usize, usize)> = (0..unknown.len()).map(|which| (which, 0)).collect();
    let singles: Vec<(usize, usize)> = unknown
        .iter()
        .enumerate()
        .flat_map(|(which, one)| (0..one.candidates.len()).map(move |candidate| (which, candidate)))
        .collect();
    let pairs = singles.iter().enumerate().flat_map(|(number, first)| {
        let seconds = singles[number + 1..].iter().filter(|second| second.0 != first.0);
        seconds.map(|second| vec![*first, *second])
    });
    // One or two things otherwise than they are; then otherwise than all is as it is compared.
    let from_there = singles.iter().map(|single| [first.as_slice(), &[*single]].concat());
    let all = singles
        .iter()
        .map(|single| vec![*single])
        .chain([first.clone()])
        .chain(from_there)
        .chain(pairs);
    let found = all.take(MOST).find(|chosen| holds(chosen))?;
    let change = |(which, candidate): (usize, usize)| {
        let Unknown { of, path, candidates } = &unknown[which];
        (of.clone(), path.clone(), candidates[candidate].clone())
    };
    Some(found.into_iter().map(change).collect())
}

/// What may stand where a condition asks for something: what is written in the conditions, a little more and a
/// little less, and one of each kind.
fn candidates(texts: &[&str]) -> Vec<Option<Json>> {
    static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#""([^"]*)"|'([^']*)'|\b(\d+(?:\.\d+)?)\b"#).expect("the pattern is one")
    });
    let mut found: Vec<Option<Json>> = Vec::new();
    let mut add = |value: Option<Json>| {
        if !found.contains(&value) {
            found.push(value);
        }
    };
    for literal in texts.iter().flat_map(|text| LITERAL.captures_iter(text)) {
        if let Some(text) = literal.get(1).or_else(|| literal.get(2)) {
            add(Some(text.as_str().into()));
            continue;
        }
        let number = stepwright_json::parse(&literal[3]).unwrap_or_default();
        if let Some(whole) = number.as_i64() {
            add(Some(Json::Int(whole.saturating_add(1))));
            add(Some(Json::Int(whole.saturating_sub(1))));
        }
        add(Some(number));
    }
    let of_each_kind = [
        json!(true),
        json!(false),
        json!("value"),
        json!(""),
        json!(1),
        json!([]),
        json!([{}, {}]),
        json!({}),
    ];
    of_each_kind.into_iter().map(Some).chain([None]).for_each(add);
    found
}
