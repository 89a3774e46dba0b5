//! Completion.
//!
//! A mark is put where the cursor is, and the text is read like any other, repaired where it must
//! be: then the tree says what the mark is in. So completion works the same in JSON, in YAML, and
//! within templates.

use crate::analysis::{Analysis, Machine, ReadFile, machines_of};
use crate::outline::{self, Hit, Place, Role, Use, names_state};
use crate::samples::{self, Samples, Site};
use crate::services::{self, Call};
use crate::values::edit;
use crate::words;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use stepwright_json::tree::{Node, Value};
use stepwright_json::{Json, Object, json};
use stepwright_program::{Holder, Language};
use stepwright_source::Span;

/// The mark: a character that nobody writes.
const MARK: char = '\u{F8F5}';

/// Kinds of items in the protocol.
const FUNCTION: i64 = 3;
const FIELD: i64 = 5;
const VARIABLE: i64 = 6;
const MODULE: i64 = 9;
const PROPERTY: i64 = 10;
const VALUE: i64 = 12;
const ENUM_MEMBER: i64 = 20;
const EVENT: i64 = 23;

/// How many items are offered.
const MOST: usize = 500;

/// How many characters of a value are shown beside an item.
const MOST_DETAIL: usize = 60;

/// An offer.
struct Item {
    text: String,
    kind: i64,
    detail: String,
    documentation: Option<String>,
    /// Whether it is a word of JSON and stands without quotes.
    is_bare: bool,
}

impl Item {
    fn new(text: impl Into<String>, kind: i64) -> Self {
        let text = text.into();
        Self { text, kind, detail: String::new(), documentation: None, is_bare: false }
    }

    fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    fn documentation(self, text: Option<String>) -> Self {
        Self { documentation: text, ..self }
    }
}

pub(crate) fn completion(
    analysis: &Analysis,
    offset: usize,
    read: &ReadFile<'_>,
    samples: &dyn Fn() -> Rc<Samples>,
) -> Json {
    let list = |items: Vec<Json>| json!({"isIncomplete": true, "items": items});
    let text = analysis.text.as_str();
    let is_yaml = is_yaml(analysis);
    let is_read = |machine: &Machine| machine.file.is_none() && marked_at(machine).is_some();
    let mut texts = marked(text, offset, is_yaml).into_iter();
    let found =
        texts.find_map(|text| machines_of(&text, &analysis.path, read).into_iter().find(is_read));
    let Some(machine) = found else { return list(Vec::new()) };
    let Some(hit) = marked_at(&machine) else { return list(Vec::new()) };
    let Some(last) = hit.last() else { return list(Vec::new()) };
    let written = match hit.value {
        Some(value) => value.as_str().unwrap_or_default(),
        None => &last.member.key,
    };
    let Some((before, after)) = written.split_once(MARK) else { return list(Vec::new()) };
    let offers = Offers { machine: &machine, hit: &hit, before, samples };
    let mut place = Target::new(text, offset, before, after, is_yaml);
    let items = match hit.value {
        None => offers.keys(),
        Some(_) => {
            let (items, part) = offers.values();
            if let Some(part) = part {
                place = place.only(offset, part);
            }
            items
        }
    };
    let is_key = hit.value.is_none();
    let mut once = BTreeSet::new();
    let items = items.into_iter().filter(|item| once.insert(item.text.clone())).take(MOST);
    let items = items.enumerate().map(|(at, item)| {
        let new_text = place.write(&item, is_key, text);
        let mut object = Object::new();
        object.insert("label", item.text.as_str().into());
        object.insert("kind", item.kind.into());
        object.insert("sortText", format!("{at:04}").into());
        if !item.detail.is_empty() {
            object.insert("detail", item.detail.into());
        }
        if let Some(documentation) = item.documentation {
            object.insert("documentation", documentation.into());
        }
        let range = if item.is_bare { place.outer } else { place.span };
        let replaced = text.get(range.start as usize..offset).unwrap_or_default();
        // Editors filter by what stands before the cursor in the range.
        let quote = replaced.chars().next().filter(|c| ['"', '\''].contains(c));
        let filter = quote.map_or(item.text.clone(), |quote| format!("{quote}{}", item.text));
        object.insert("filterText", filter.into());
        object.insert("textEdit", edit(&analysis.text, range, &new_text));
        Json::from(object)
    });
    list(items.collect())
}

fn is_yaml(analysis: &Analysis) -> bool {
    let ending = analysis.path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("json" | "jsonc" | "json5" | "asl" | "tf" | "hcl") => false,
        Some("yaml" | "yml") => true,
        _ => !analysis.text.as_str().trim_start().starts_with('{'),
    }
}

/// The text with the mark, in quotes where there are none yet. Within a text in quotes there may be
/// another: then both are tried.
fn marked(text: &str, offset: usize, is_yaml: bool) -> Vec<String> {
    let line = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..offset];
    let (mut is_open, mut is_escaped) = (false, false);
    for c in before.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_open = !is_open,
            _ => {}
        }
    }
    let with = |mark: &str| format!("{}{mark}{}", &text[..offset], &text[offset..]);
    if is_open && before.contains("\\\"") {
        return vec![with(&MARK.to_string()), with(&format!("\\\"{MARK}\\\""))];
    }
    if is_open || is_yaml && !is_json_within(text, line) {
        return vec![with(&MARK.to_string())];
    }
    // The word at the cursor goes into quotes together with the mark.
    let is_word = |c: char| c.is_alphanumeric() || "_.$:-".contains(c);
    let start = before.trim_end_matches(is_word).len() + line;
    let rest = &text[offset..];
    let end = offset + (rest.len() - rest.trim_start_matches(|c| is_word(c) && c != ':').len());
    let (word, rest) = (&text[start..offset], &text[offset..end]);
    vec![format!("{}\"{word}{MARK}{rest}\"{}", &text[..start], &text[end..])]
}

/// Whether a line of YAML is a line of JSON in a block.
fn is_json_within(text: &str, line: usize) -> bool {
    let lines = text[..line].lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let before: Vec<&str> = lines.take(1).collect();
    before.first().is_some_and(|line| {
        line.starts_with('"') && line.ends_with(',') || line.ends_with(['{', '[']) || *line == "},"
    })
}

fn marked_at(machine: &Machine) -> Option<Hit<'_>> {
    outline::find(&machine.root, &mut |place| match place {
        Place::Key(member) => member.key.contains(MARK),
        Place::Value(node) => node.as_str().is_some_and(|text| text.contains(MARK)),
    })
}

/// What is replaced by what is chosen.
#[expect(clippy::struct_excessive_bools, reason = "each is seen in the text for itself")]
struct Target {
    /// What is within the quotes.
    span: Span,
    /// With the quotes.
    outer: Span,
    is_quoted: bool,
    is_escaped: bool,
    is_yaml: bool,
    is_part: bool,
}

impl Target {
    fn new(text: &str, offset: usize, before: &str, after: &str, is_yaml: bool) -> Self {
        let start = if text[..offset].ends_with(before) { offset - before.len() } else { offset };
        let end = if text[offset..].starts_with(after) { offset + after.len() } else { offset };
        let (head, tail) = (&text[..start], &text[end..]);
        let is_quoted = head.ends_with(['"', '\'']);
        let is_escaped = head.ends_with("\\\"");
        let closing = if is_escaped { "\\\"" } else { "\"" };
        let width = if is_escaped { 2 } else { usize::from(is_quoted) };
        let has_end = is_quoted && (tail.starts_with(closing) || tail.starts_with('\''));
        let outer_end = if has_end { end + width } else { end };
        Self {
            span: Span::new(start, end),
            outer: Span::new(start - width, outer_end),
            is_quoted,
            is_escaped,
            is_yaml,
            is_part: false,
        }
    }

    /// Only the word before the cursor.
    fn only(self, offset: usize, part: &str) -> Self {
        let span = Span::new(offset - part.len().min(offset), offset);
        Self { span, outer: span, is_part: true, ..self }
    }

    fn write(&self, item: &Item, is_key: bool, text: &str) -> String {
        if item.is_bare || self.is_part {
            return item.text.clone();
        }
        let json = Json::from(item.text.as_str()).to_string();
        let inner = json[1..json.len() - 1].to_owned();
        let rest = text[self.span.end as usize..].trim_start_matches([' ', '\t']);
        let colon = if is_key && !rest.starts_with(':') { ": " } else { "" };
        if self.is_escaped {
            let json = Json::from(inner.as_str()).to_string();
            return json[1..json.len() - 1].to_owned();
        }
        if self.is_quoted {
            return inner;
        }
        if self.is_yaml {
            let has_sign = item.text.contains([':', '#', '{', '[', ',', '*', '&', '!', '%', '"'])
                && (item.text.contains(": ") || !item.text.starts_with("arn:"));
            let plain = if has_sign { json } else { item.text.clone() };
            return format!("{plain}{colon}");
        }
        format!("{json}{colon}")
    }
}

struct Offers<'a> {
    machine: &'a Machine,
    hit: &'a Hit<'a>,
    /// What is written before the cursor in the key or value.
    before: &'a str,
    samples: &'a dyn Fn() -> Rc<Samples>,
}

impl<'a> Offers<'a> {
    fn language(&self) -> Language {
        if self.hit.is_jsonata() { Language::Jsonata } else { Language::JsonPath }
    }

    fn holder(&self) -> Option<Holder<'a>> {
        let last = self.hit.last()?;
        Some(match last.role {
            Role::Machine => Holder::Machine,
            Role::State => {
                Holder::State(last.node.get("Type").and_then(Node::as_str).unwrap_or_default())
            }
            Role::Branch => Holder::Branch,
            Role::Processor => Holder::Processor,
            Role::ProcessorConfig => Holder::ProcessorConfig,
            Role::Rule => Holder::Rule,
            Role::Condition => Holder::Condition,
            Role::Retrier => Holder::Retrier,
            Role::Catcher => Holder::Catcher,
            Role::Reader => Holder::Reader,
            Role::ReaderConfig => Holder::ReaderConfig,
            Role::Batcher => Holder::Batcher,
            Role::Writer => Holder::Writer,
            Role::WriterConfig => Holder::WriterConfig,
            Role::Credentials => Holder::Credentials,
            Role::States | Role::Assign | Role::Parameters | Role::Data => return None,
        })
    }

    /// What can stand in place of the key.
    fn keys(&self) -> Vec<Item> {
        let Some(last) = self.hit.last() else { return Vec::new() };
        match last.role {
            Role::States => self.new_states(),
            Role::Parameters | Role::Data => self.parameter_keys(),
            Role::Assign => self.variables().map(|name| Item::new(name, VARIABLE)).collect(),
            _ => self.fields(),
        }
    }

    fn fields(&self) -> Vec<Item> {
        let (Some(last), Some(holder)) = (self.hit.last(), self.holder()) else {
            return Vec::new();
        };
        let node = last.node;
        let mut names = stepwright_program::fields(holder, self.language());
        if let Holder::State("") = holder {
            // The type is not known yet, or is what is missing.
            let kinds = stepwright_program::values(holder, "Type");
            for kind in kinds {
                names.extend(stepwright_program::fields(Holder::State(kind), self.language()));
            }
        }
        names.retain(|name| node.get(name).is_none());
        let states = self.hit.states();
        let is_state = |name: &str| states.iter().any(|member| member.key == name);
        let has = |name: &str| node.get(name).is_some();
        let has_comparison = node.members().iter().any(|member| {
            let is_meant = !member.key.contains(MARK) && member.key != "Variable";
            is_meant && words::is_comparison(&member.key)
        });
        let is_out = |name: &str| match name {
            "Next" | "End" => has("Next") || has("End"),
            "Variable" => has("And") || has("Or") || has("Not"),
            "And" | "Or" | "Not" => has("Variable") || has_comparison,
            "ItemProcessor" | "Iterator" => has("ItemProcessor") || has("Iterator"),
            "ItemSelector" => has("Parameters"),
            "Seconds" | "SecondsPath" | "Timestamp" | "TimestampPath" => {
                ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"].into_iter().any(has)
            }
            _ => {
                let other = name.strip_suffix("Path").map(str::to_owned);
                let other = other.unwrap_or_else(|| format!("{name}Path"));
                words::is_comparison(name) && has_comparison || has(&other)
            }
        };
        // A Map with `ItemProcessor` has `ItemSelector` in place of `Parameters`.
        let is_former = |name: &str| {
            matches!(holder, Holder::State("Map"))
                && (name == "Iterator" || name == "Parameters" && !has("Iterator"))
        };
        let needs = |name: &str| match name {
            "Variable" => has_comparison,
            "Type" | "StartAt" | "States" | "ErrorEquals" | "Choices" | "Branches" => true,
            "Next" => matches!(holder, Holder::Rule | Holder::Catcher) || !has("End"),
            _ => words::is_comparison(name) && has("Variable"),
        };
        names.sort_by_key(|name| {
            let misfit = words::misfit(name, &last.member.value, &is_state);
            (is_out(name), misfit, is_former(name), !needs(name), words::order(name))
        });
        let item = |name: &'static str| Item::new(name, PROPERTY).documentation(words::field(name));
        names.into_iter().map(item).collect()
    }

    /// The names of states that are referred to and are not there.
    fn new_states(&self) -> Vec<Item> {
        let scope = self.scope();
        let states = self.hit.states();
        let mut missing: Vec<&str> = Vec::new();
        for one in self.uses().iter().filter(|one| !one.is_definition) {
            let is_here = scope.is_some_and(|scope| std::ptr::eq(scope, one.scope));
            if is_here
                && !states.iter().any(|member| member.key == one.name)
                && !missing.contains(&one.name)
                && !one.name.contains(MARK)
            {
                missing.push(one.name);
            }
        }
        missing.into_iter().map(|name| Item::new(name, EVENT)).collect()
    }

    fn scope(&self) -> Option<&'a Node> {
        self.hit.around(Role::is_scope).map(|crumb| crumb.node)
    }

    fn uses(&self) -> Vec<Use<'a>> {
        outline::uses(&self.machine.root)
    }

    /// The states that a transition may lead to: first those that nothing leads to yet, then the one
    /// that is written next, then those that much leads to.
    fn targets(&self) -> Vec<Item> {
        let scope = self.scope();
        let states = self.hit.states();
        let here = self.hit.trail.iter().rev().find(|crumb| crumb.role == Role::States);
        let here = here.map(|crumb| crumb.member.key.as_str());
        let at = states.iter().position(|member| Some(member.key.as_str()) == here);
        let role = self.hit.last().map(|last| last.role);
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for one in self.uses().iter().filter(|one| !one.is_definition) {
            if scope.is_some_and(|scope| std::ptr::eq(scope, one.scope)) {
                let count = counts.entry(one.name).or_default();
                count.0 += 1;
                count.1 += usize::from(Some(one.role) == role);
            }
        }
        let mut ranked: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(position, member)| {
                let name = member.key.as_str();
                let (all, like_this) = counts.get(name).copied().unwrap_or_default();
                let distance = match at {
                    Some(at) if position > at => position - at,
                    Some(at) => states.len() + at - position,
                    None => position + 1,
                };
                let is_itself = Some(name) == here;
                let rank = if is_itself {
                    4
                } else if all == 0 {
                    0
                } else if distance == 1 {
                    1
                } else {
                    2
                };
                // Errors often lead to where other errors lead.
                let weight = if role == Some(Role::State) { all } else { like_this * 100 + all };
                ((rank, if rank == 2 { usize::MAX - weight } else { 0 }, distance), member)
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let item = |member: &stepwright_json::tree::Member| {
            let kind = member.value.get("Type").and_then(Node::as_str).unwrap_or_default();
            Item::new(member.key.as_str(), EVENT).detail(kind)
        };
        ranked.into_iter().map(|(_, member)| item(member)).collect()
    }

    /// What the task calls, and where in its parameters the place is.
    fn call(&self) -> Option<(Call<'a>, Vec<&'a str>)> {
        let trail = &self.hit.trail;
        let at = trail.iter().position(|crumb| crumb.role == Role::Parameters)?;
        let holder = trail.get(at.checked_sub(1)?)?;
        let resource = holder.node.get("Resource").and_then(Node::as_str)?;
        let path = trail[at..].iter().map(|crumb| crumb.member.key.as_str()).collect();
        Some((Call::of(resource)?, path))
    }

    fn parameter_keys(&self) -> Vec<Item> {
        let Some(last) = self.hit.last() else { return Vec::new() };
        let mut items = Vec::new();
        let is_given = |name: &str| {
            last.node
                .members()
                .iter()
                .any(|member| member.key.strip_suffix(".$").unwrap_or(&member.key) == name)
        };
        if let Some((call, path)) = self.call() {
            let found = call.parameters(&path[..path.len() - 1]);
            // A value that looks computed belongs to a name that says so.
            let computed = last.member.value.as_str().is_some_and(|text| {
                text.starts_with('$') && !text.starts_with("${") || text.starts_with("States.")
            });
            let is_computed = computed && self.language() == Language::JsonPath;
            for parameter in found.iter().filter(|parameter| !is_given(&parameter.name)) {
                let ending = if is_computed { ".$" } else { "" };
                let required = if parameter.is_required { ", required" } else { "" };
                let detail = format!("{}{required}", parameter.kind);
                let name = format!("{}{ending}", parameter.name);
                items.push(Item::new(name, FIELD).detail(detail));
            }
            if !is_computed && self.language() == Language::JsonPath {
                let rest = found.iter().filter(|parameter| !is_given(&parameter.name));
                items.extend(rest.map(|one| Item::new(format!("{}.$", one.name), FIELD)));
            }
        }
        // Names that the same kind of data has elsewhere.
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        each_key(Role::Machine, &self.machine.root, &mut |key| {
            *others.entry(key).or_default() += 1;
        });
        let mut others: Vec<(&str, usize)> = others
            .into_iter()
            .filter(|(key, _)| !key.contains(MARK) && last.node.get(key).is_none())
            .collect();
        others.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        items.extend(others.into_iter().map(|(key, _)| Item::new(key, FIELD)));
        items
    }

    /// The variables that the machine assigns.
    fn variables(&self) -> impl Iterator<Item = String> + use<> {
        let mut found = BTreeSet::new();
        each_assigned(Role::Machine, &self.machine.root, &mut |name| {
            found.insert(name.strip_suffix(".$").unwrap_or(name).to_owned());
        });
        found.into_iter().filter(|name| !name.contains(MARK))
    }

    /// What can stand in place of the value, and which part of it if not the whole.
    fn values(&self) -> (Vec<Item>, Option<&'a str>) {
        let Some(last) = self.hit.last() else { return (Vec::new(), None) };
        let key = last.member.key.as_str();
        if names_state(last.role, key) {
            return (self.targets(), None);
        }
        if let Some(holder) = self.holder() {
            let words = stepwright_program::values(holder, key);
            if !words.is_empty() {
                let item = |word: &&str| {
                    let text = words::state_type(word).map(str::to_owned);
                    Item::new(*word, ENUM_MEMBER).documentation(text)
                };
                return (words.iter().map(item).collect(), None);
            }
        }
        let is_flag = key == "End" || key == "BooleanEquals" || words::is_type_test(key);
        if is_flag && matches!(last.role, Role::State | Role::Rule | Role::Condition) {
            let item = |word| Item { is_bare: true, ..Item::new(word, VALUE) };
            return (vec![item("true"), item("false")], None);
        }
        if key == "ErrorEquals" {
            return (self.errors(), None);
        }
        if key == "Resource" && last.role == Role::State {
            return (self.resources(), None);
        }
        let text = self.before.trim_start();
        if text.starts_with("{%") || self.language() == Language::Jsonata {
            return self.jsonata();
        }
        let is_path = key.ends_with("Path") || key == "Variable" || key.ends_with(".$");
        if is_path || text.starts_with('$') || text.starts_with("States.") {
            return self.json_path(key);
        }
        if let Some((call, path)) = self.call() {
            let values = call.values(&path);
            return (values.into_iter().map(|one| Item::new(one, ENUM_MEMBER)).collect(), None);
        }
        (Vec::new(), None)
    }

    fn errors(&self) -> Vec<Item> {
        let state = self.hit.around(|role| role == Role::State);
        let resource = state.and_then(|crumb| crumb.node.get("Resource")).and_then(Node::as_str);
        let mut items: Vec<Item> = Vec::new();
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        each_text(&self.machine.root, &mut |key, text| {
            if key == "ErrorEquals" {
                *used.entry(text).or_default() += 1;
            }
        });
        let item = |name: &str| {
            Item::new(name, VALUE).documentation(words::error(name).map(str::to_owned))
        };
        items.extend(words::ERRORS.iter().take(3).map(|(name, _)| item(name)));
        let call = resource.and_then(Call::of);
        items.extend(call.iter().flat_map(Call::errors).map(|name| item(&name)));
        items.extend(used.keys().filter(|name| !name.contains(MARK)).map(|name| item(name)));
        items.extend(words::ERRORS.iter().map(|(name, _)| item(name)));
        items
    }

    fn resources(&self) -> Vec<Item> {
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        each_text(&self.machine.root, &mut |key, text| {
            if key == "Resource" && !text.contains(MARK) {
                *used.entry(text).or_default() += 1;
            }
        });
        let mut used: Vec<(&str, usize)> = used.into_iter().collect();
        used.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let used = used.into_iter().map(|(text, _)| Item::new(text, MODULE));
        let known = services::resources(self.before).into_iter();
        used.chain(known.map(|text| Item::new(text, MODULE))).collect()
    }

    /// Paths, variables and intrinsic functions.
    fn json_path(&self, key: &str) -> (Vec<Item>, Option<&'a str>) {
        let takes_calls = key.ends_with(".$") || matches!(key, "ErrorPath" | "CausePath");
        // Within a call, only the argument is replaced.
        let within = self.before.rfind(['(', ',']).map(|at| self.before[at + 1..].trim_start());
        let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
        each_text(&self.machine.root, &mut |_, text| {
            if text.starts_with('$') && !text.starts_with("${") && !text.contains(MARK) {
                *paths.entry(text).or_default() += 1;
            }
        });
        let mut paths: Vec<(&str, usize)> = paths.into_iter().collect();
        let written = within.unwrap_or(self.before);
        paths.sort_by_key(|(path, count)| {
            (!path.starts_with(written), std::cmp::Reverse(*count), path.len())
        });
        let mut items = self.members(written);
        items.extend(paths.into_iter().map(|(path, _)| Item::new(path, VALUE)));
        items.extend(self.variables().map(|name| Item::new(format!("${name}"), VARIABLE)));
        items.push(Item::new("$", VALUE).detail("the whole input"));
        if takes_calls || within.is_some() {
            items.extend(intrinsics(within.is_some()));
        }
        if key != "ResultPath" {
            let context = words::CONTEXT.iter();
            items.extend(context.map(|name| Item::new(format!("$$.{name}"), VALUE)));
        }
        (items, within)
    }

    /// The members that the value before the last dot has in a test.
    fn members(&self, written: &str) -> Vec<Item> {
        let Some((parent, _)) = written.rsplit_once('.') else { return Vec::new() };
        if !parent.starts_with('$') {
            return Vec::new();
        }
        let Some(site) = Site::of(self.hit) else { return Vec::new() };
        let is_jsonata = site.is_jsonata();
        let expression = if is_jsonata { format!("{{% {parent} %}}") } else { parent.to_owned() };
        let seen = (self.samples)().value(self.machine.name.as_deref(), &site, &expression);
        let value = seen.and_then(|seen| seen.value.ok());
        let Some(object) = value.as_ref().and_then(Json::as_object) else { return Vec::new() };
        let member = |(name, value): (&stepwright_json::Str, &Json)| {
            Item::new(samples::member_path(parent, name, is_jsonata), VALUE)
                .detail(samples::short(value, MOST_DETAIL))
        };
        object.iter().map(member).collect()
    }

    /// Within an expression: what `$states` has, variables, and functions.
    fn jsonata(&self) -> (Vec<Item>, Option<&'a str>) {
        let is_word = |c: char| c.is_alphanumeric() || "_.$".contains(c);
        let word = &self.before[self.before.trim_end_matches(is_word).len()..];
        let is_within = self.before.trim_start().starts_with("{%");
        let mut items = Vec::new();
        let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
        each_text(&self.machine.root, &mut |_, text| {
            let starts = text.match_indices("$states.").map(|(at, _)| at);
            for at in starts {
                let rest = &text[at..];
                let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                *paths.entry(&rest[..end]).or_default() += 1;
            }
        });
        let mut paths: Vec<(&str, usize)> = paths.into_iter().collect();
        paths.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let texts = paths.into_iter().map(|(path, _)| path.to_owned());
        let mut texts: Vec<String> = texts.collect();
        texts.extend(self.variables().map(|name| format!("${name}")));
        for name in ["input", "result", "errorOutput", "context"] {
            texts.push(format!("$states.{name}"));
        }
        texts.extend(words::CONTEXT.iter().map(|name| format!("$states.context.{name}")));
        if !is_within {
            let whole = texts.into_iter().map(|text| Item::new(format!("{{% {text} %}}"), VALUE));
            return (whole.collect(), None);
        }
        items.extend(self.members(word));
        items.extend(texts.into_iter().map(|text| Item::new(text, VARIABLE)));
        for (name, notation) in stepwright_jsonata::builtin_functions() {
            items.push(Item::new(format!("${name}"), FUNCTION).detail(notation));
        }
        (items, Some(word))
    }
}

/// The intrinsic functions.
fn intrinsics(is_within: bool) -> impl Iterator<Item = Item> {
    stepwright_program::intrinsic_functions().map(move |(name, _)| {
        let (arguments, text) = words::intrinsic(name).unwrap_or_default();
        let written = if is_within { name.to_owned() } else { format!("{name}()") };
        Item::new(written, FUNCTION)
            .detail(format!("{name}({arguments})"))
            .documentation(Some(text.to_owned()))
    })
}

fn each_text<'t>(root: &'t Node, visit: &mut dyn FnMut(&'t str, &'t str)) {
    let mut open = vec![("", root)];
    while let Some((key, node)) = open.pop() {
        match &node.value {
            Value::Scalar(_) => {
                if let Some(text) = node.as_str() {
                    visit(key, text);
                }
            }
            Value::Array(items) => open.extend(items.iter().map(|item| (key, item))),
            Value::Object(members) => {
                open.extend(members.iter().map(|one| (one.key.as_str(), &one.value)));
            }
        }
    }
}

/// The keys of data.
fn each_key<'t>(role: Role, node: &'t Node, visit: &mut dyn FnMut(&'t str)) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => items.iter().for_each(|item| each_key(role, item, visit)),
        Value::Object(members) => {
            for member in members {
                if matches!(role, Role::Data | Role::Parameters) {
                    visit(&member.key);
                }
                each_key(role.within(&member.key), &member.value, visit);
            }
        }
    }
}

/// The names that `Assign` has.
fn each_assigned<'t>(role: Role, node: &'t Node, visit: &mut dyn FnMut(&'t str)) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => items.iter().for_each(|item| each_assigned(role, item, visit)),
        Value::Object(members) => {
            for member in members {
                if role == Role::Assign {
                    visit(&member.key);
                }
                each_assigned(role.within(&member.key), &member.value, visit);
            }
        }
    }
}
