//! What the thing under the cursor means.

use crate::analysis::Analysis;
use crate::outline::{self, Hit, Role};
use crate::services::Call;
use crate::values::range;
use crate::words;
use std::fmt::Write as _;
use stepwright_json::tree::Node;
use stepwright_json::{Json, json};

pub(crate) fn hover(analysis: &Analysis, offset: usize) -> Json {
    let found = analysis.own().find_map(|machine| outline::at(&machine.root, offset));
    let Some(hit) = found else { return Json::Null };
    let Some(last) = hit.last() else { return Json::Null };
    let span = hit.value.map_or(last.member.key_span, |value| value.span);
    let word = word_at(analysis.text.as_str(), offset);
    let Some(text) = explained(&hit, word) else { return Json::Null };
    json!({
        "contents": {"kind": "markdown", "value": text},
        "range": (range(&analysis.text, span))
    })
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
