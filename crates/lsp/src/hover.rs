//! What the thing under the cursor means, and which value it has in a test.

use crate::analysis::Analysis;
use crate::outline::{self, Hit, Role};
use crate::samples::{self, Samples, Seen, Site};
use crate::services::Call;
use crate::values::range;
use crate::words;
use std::fmt::Write as _;
use std::rc::Rc;
use stepwright_json::tree::Node;
use stepwright_json::{Json, json};

pub(crate) fn hover(analysis: &Analysis, offset: usize, samples: &dyn Fn() -> Rc<Samples>) -> Json {
    let found = analysis.own().find_map(|machine| {
        outline::at(&machine.root, offset).map(|hit| (machine.name.as_deref(), hit))
    });
    let Some((machine, hit)) = found else { return Json::Null };
    let Some(last) = hit.last() else { return Json::Null };
    let span = hit.value.map_or(last.member.key_span, |value| value.span);
    let word = word_at(analysis.text.as_str(), offset);
    let mut parts: Vec<String> = explained(&hit, word).into_iter().collect();
    parts.extend(sampled(machine, &hit, word, samples));
    if parts.is_empty() {
        return Json::Null;
    }
    json!({
        "contents": {"kind": "markdown", "value": (parts.join("\n\n"))},
        "range": (range(&analysis.text, span))
    })
}

/// What the place has in a test: the values of an expression, or what a state gets and puts out.
fn sampled(
    machine: Option<&str>,
    hit: &Hit<'_>,
    word: &str,
    samples: &dyn Fn() -> Rc<Samples>,
) -> Option<String> {
    if let Some(name) = hit.state_name() {
        return state_data(machine, name, &samples());
    }
    let last = hit.last()?;
    let text = hit.value?.as_str()?.trim();
    let site = Site::of(hit)?;
    let mut expressions: Vec<(&str, String)> = Vec::new();
    if site.is_jsonata() {
        if !text.starts_with("{%") {
            return None;
        }
        let is_variable = word.starts_with('$') && !is_function(word);
        if is_variable && !word.ends_with(['.', '$']) {
            expressions.push((word, format!("{{% {word} %}}")));
        }
        let whole = text.trim_start_matches("{%").trim_end_matches("%}").trim();
        if whole != word && text.ends_with("%}") {
            expressions.push((whole, text.to_owned()));
        }
    } else {
        if !samples::is_path(&last.member.key) {
            return None;
        }
        if word != text && word.starts_with('$') && !word.ends_with(['.', '$']) {
            expressions.push((word, word.to_owned()));
        }
        expressions.push((text, text.to_owned()));
    }
    let samples = samples();
    let mut said = Vec::new();
    for (shown, expression) in expressions {
        let Seen { case, value } = samples.value(machine, &site, &expression)?;
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        said.push(match value {
            Ok(value) => format!("In the test *{case}*, `{shown}` is {}", code(&value)),
            Err(failure) => {
                let error = failure.error.unwrap_or_default();
                let cause = failure.cause.unwrap_or_default();
                format!("In the test *{case}*, `{shown}` fails with `{error}`: {cause}")
            }
        });
    }
    (!said.is_empty()).then(|| said.join("\n\n"))
}

/// What a state gets and puts out in the first test that comes to it.
fn state_data(machine: Option<&str>, name: &str, samples: &Samples) -> Option<String> {
    let (_, sample) = samples.reaching(machine, name)?;
    let stay = sample.states.get(name)?;
    let mut out = format!("In the test *{}* it gets {}", sample.case, code(&stay.input));
    match (&stay.output, &stay.outcome) {
        (Some(output), _) => {
            write!(out, "\n\nand puts out {}", code(output)).expect("strings grow");
        }
        (None, Some(Err(failure))) => {
            let error = failure.error.clone().unwrap_or_default();
            write!(out, "\n\nand fails with `{error}`").expect("strings grow");
        }
        _ => {}
    }
    Some(out)
}

/// Values of more characters stand in a block of their own, and of more than this are cut.
const MOST_IN_LINE: usize = 60;
const MOST_CHARACTERS: usize = 1_500;

/// A value in Markdown.
fn code(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() <= MOST_IN_LINE && !text.contains('`') {
        return format!("`{text}`");
    }
    let pretty = value.pretty();
    let cut = match pretty.char_indices().nth(MOST_CHARACTERS) {
        Some((at, _)) => format!("{}\n…", &pretty[..at]),
        None => pretty,
    };
    // A fence that is longer than any within.
    let longest = cut.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("\n{fence}json\n{}\n{fence}", cut.trim_end())
}

/// Whether a name is that of a function of JSONata.
fn is_function(word: &str) -> bool {
    let Some(name) = word.strip_prefix('$') else { return false };
    stepwright_jsonata::builtin_functions().any(|(known, _)| known == name)
}

/// The name around a place, with `$` and dots.
fn word_at(text: &str, offset: usize) -> &str {
    let is_word = |c: char| c.is_alphanumeric() || "_.$".contains(c);
    let start = text[..offset].trim_end_matches(is_word).len();
    let rest = &text[offset..];
    let end = offset + rest.len() - rest.trim_start_matches(is_word).len();
    &text[start..end]
}

fn explained(hit: &Hit<'_>, word: &str) -> Option<String> {
    let last = hit.last()?;
    let key = last.member.key.as_str();
    if let Some(name) = hit.state_name() {
        let state = hit.states().iter().find(|member| member.key == name);
        return state.map(|member| state_text(name, &member.value));
    }
    let Some(value) = hit.value else {
        if let Some((call, path)) = call(hit) {
            let name = key.strip_suffix(".$").unwrap_or(key);
            let parameters = call.parameters(&path);
            let found = parameters.iter().find(|parameter| parameter.name == name)?;
            let required = if found.is_required { ", required" } else { "" };
            return Some(format!("`{name}`: {}{required}", found.kind));
        }
        let has_fields = !matches!(last.role, Role::Data | Role::Parameters | Role::Assign);
        return words::field(key).filter(|_| has_fields).map(|text| format!("`{key}`: {text}"));
    };
    let text = value.as_str()?;
    match key {
        "Type" if last.role == Role::State => {
            words::state_type(text).map(|said| format!("`{text}`: {said}"))
        }
        "Resource" => resource_text(text),
        "ErrorEquals" => words::error(text).map(|said| format!("`{text}`: {said}")),
        _ => {
            if let Some((arguments, said)) = words::intrinsic(word) {
                return Some(format!("`{word}({arguments})`: {said}"));
            }
            let name = word.strip_prefix('$')?;
            let mut functions = stepwright_jsonata::builtin_functions();
            let is_expression = text.trim_start().starts_with("{%");
            let (_, notation) = functions.find(|(known, _)| is_expression && *known == name)?;
            Some(format!("`${name}{notation}`: a function of JSONata"))
        }
    }
}

/// A state in a few lines.
fn state_text(name: &str, state: &Node) -> String {
    let text = |key: &str| state.get(key).and_then(Node::as_str);
    let mut out = format!("**{name}**");
    if let Some(kind) = text("Type") {
        write!(out, " ({kind})").expect("strings grow");
    }
    if let Some(comment) = text("Comment") {
        write!(out, "\n\n{comment}").expect("strings grow");
    }
    for key in ["Resource", "Next", "Default"] {
        if let Some(value) = text(key) {
            write!(out, "\n\n{key}: `{value}`").expect("strings grow");
        }
    }
    if state.get("End").is_some() {
        out.push_str("\n\nThe end.");
    }
    out
}

fn call<'t>(hit: &Hit<'t>) -> Option<(Call<'t>, Vec<&'t str>)> {
    let at = hit.trail.iter().position(|crumb| crumb.role == Role::Parameters)?;
    let holder = hit.trail.get(at.checked_sub(1)?)?;
    let call = Call::of(holder.node.get("Resource").and_then(Node::as_str)?)?;
    let path = hit.trail[at..hit.trail.len() - 1].iter().map(|one| one.member.key.as_str());
    Some((call, path.collect()))
}

fn resource_text(resource: &str) -> Option<String> {
    let call = Call::of(resource)?;
    let mut out = match call.operation() {
        Some((service, operation)) => format!("Calls `{}` of {}.", operation.name, service.id),
        None => String::new(),
    };
    let parameters = call.parameters(&[]);
    let required: Vec<String> = parameters
        .iter()
        .filter(|parameter| parameter.is_required)
        .map(|parameter| format!("`{}`", parameter.name))
        .collect();
    if !required.is_empty() {
        write!(out, " It needs {}.", required.join(", ")).expect("strings grow");
    }
    if resource.contains(".sync") {
        out.push_str(" The task ends when the job has ended.");
    } else if resource.ends_with(".waitForTaskToken") {
        out.push_str(" The task waits until its token is sent back.");
    }
    let errors = call.errors();
    if !errors.is_empty() {
        write!(out, "\n\nErrors: {}", errors.join(", ")).expect("strings grow");
    }
    let out = out.trim_start().to_owned();
    (!out.is_empty()).then_some(out)
}
