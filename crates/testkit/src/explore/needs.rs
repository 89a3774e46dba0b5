//! Values that the states of a definition need: read off its paths and expressions.

use super::places::{Step, steps};
use regex::Regex;
use std::sync::LazyLock;
use stepwright_json::{Array, Json, Object};

/// A step of a path into a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seg {
    Key(String),
    /// An index, a wildcard or a filter: all of them stand for a list.
    Item,
}

/// A place in a value, and what should be there.
pub(super) type Need = (Vec<Seg>, Json);

/// Items that a list gets.
const ITEMS: usize = 2;

/// Lists within lists within lists are not made deeper than this.
const DEPTH: usize = 6;

/// How many times names are followed to where their values come from.
const ROUNDS: usize = 3;

/// Stands for the whole as JSON text, until the whole is there.
const AS_TEXT: &str = "\u{1}";

/// Parts that are handed on as the whole, and are thought of.
const HANDED_ON: usize = 8;

/// Needs that are collected. A definition of a megabyte may name more; some of them will do.
const MOST: usize = 4_000;

/// What is known of the values that a definition works on.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    found: Vec<Need>,
    /// What is put under a name as it is: the name, and the path that it comes from.
    passed_on: Vec<(String, Vec<Seg>)>,
    /// Parts that states hand on as the whole: what comes after them asks it of these.
    handed_on: Vec<Vec<Seg>>,
    /// The part of its input that the state sees which is looked at.
    within: Vec<Seg>,
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is one")
}

/// A JSONPath, or one within an intrinsic function.
static PATH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(^|[^$\w])\$((?:\.[\w\-]+|\.\.?\*|\[[^\]]*\])+)"));
/// What JSONata asks of the input or the result.
static JSONATA: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\$states\.(?:input|result)((?:\.[\w]+|\[[^\]]*\])+)"));
static OF_LIST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:States\.Array\w*|\$(?:count|map|filter|sum|reduce|each|sort|append|max|min|average|distinct|reverse|zip))\(\s*(\$[\w.\[\]']+)",
    )
});
static OF_NUMBER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"States\.Math\w+\(\s*(\$[\w.\[\]']+)(?:\s*,\s*(\$[\w.\[\]']+))?"));
static OF_JSON: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:States\.StringToJson|\$parse)\(\s*(\$[\w.\[\]']+)"));
static OF_OBJECT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"States\.JsonMerge\(\s*(\$[\w.\[\]']+)\s*,\s*(\$[\w.\[\]']+)"));
/// A text that is nothing but a path.
static ONLY_PATH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\{%\s*)?\$(states\.(?:input|result)|states\.context\.Map\.Item\.Value|\$\.Map\.Item\.Value)?((?:\.\w+|\[[^\]]*\])*)(?:\s*%\})?$",
    )
});
/// A variable, and what is asked of it.
static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[^$\w])\$([A-Za-z]\w*)((?:\.\w+|\[[^\]]*\])+)"));
/// A comparison in JSONata with something written down.
static COMPARED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"\$states\.(?:input|result)((?:\.\w+)+)\s*(=|!=|>=|<=|>|<)\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false|null)"#,
    )
});
static ARITHMETIC: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\$states\.(?:input|result)((?:\.\w+)+)\s*[-+*/%]\s*[\d$(]"));

/// The steps of `.a['b c'][0].d`.
pub(super) fn segments(path: &str) -> Vec<Seg> {
    let path = path.strip_prefix('$').unwrap_or(path);
    let path = path
        .strip_prefix("states.input")
        .or_else(|| path.strip_prefix("states.result"))
        .unwrap_or(path);
    let step = |step: Step| match step {
        Step::Key(key) => Seg::Key(key),
        Step::At(_) | Step::Any | Step::Text => Seg::Item,
    };
    steps(path).into_iter().map(step).collect()
}

/// What is asked of an item of the whole is asked of the whole: a list is made of it later.
fn of_whole(path: Vec<Seg>) -> Vec<Seg> {
    path.into_iter().skip_while(|seg| *seg == Seg::Item).collect()
}

impl Needs {
    /// Reads a definition.
    pub(super) fn of(definition: &Json) -> Self {
        let mut needs = Self::default();
        needs.walk("", definition, 0);
        needs.follow();
        // What says less comes first, so that what says more replaces it.
        needs.found.sort_by_key(|(path, value)| (weight(value), path.len()));
        needs
    }

    /// What is asked of a name is asked of the place that its value comes from.
    fn follow(&mut self) {
        let mut from = 0;
        for _ in 0..ROUNDS {
            let to = self.found.len();
            for at in from..to {
                for (name, source) in &self.passed_on {
                    let (path, value) = &self.found[at];
                    let is_name = |seg: &Seg| matches!(seg, Seg::Key(key) if key == name);
                    let Some(place) = path.iter().position(is_name) else { continue };
                    if self.found.len() >= MOST {
                        return;
                    }
                    let path = source.iter().chain(&path[place + 1..]).cloned().collect();
                    let need = (of_whole(path), value.clone());
                    if !need.0.is_empty() && !self.found.contains(&need) {
                        self.found.push(need);
                    }
                }
            }
            from = to;
        }
    }

    fn need(&mut self, path: &str, value: Json) {
        let path = of_whole(segments(path));
        if path.is_empty() {
            return;
        }
        if !self.within.is_empty() && self.found.len() < MOST {
            self.found.push(([self.within.as_slice(), &path].concat(), value.clone()));
        }
        if self.found.len() < MOST {
            self.found.push((path, value));
        }
    }

    /// What comes after a state is asked of this part of its input.
    fn hands_on(&mut self, path: &str) {
        let part = of_whole(segments(path));
        let is_new = !part.is_empty() && !self.handed_on.contains(&part);
        if is_new && self.handed_on.len() < HANDED_ON {
            self.handed_on.push(part);
        }
    }

    /// Looks at a state whose fields see a part of its input only.
    fn state(&mut self, state: &Object, input: &str, depth: usize) {
        let has = |key: &str| state.contains_key(key);
        let is_pass = state.get("Type").and_then(Json::as_str) == Some("Pass");
        if is_pass && !["Parameters", "Result", "ResultPath"].iter().any(|key| has(key)) {
            self.hands_on(input);
        }
        let outer = std::mem::replace(&mut self.within, of_whole(segments(input)));
        for (key, value) in state.iter() {
            // These see the input before it is cut, the result, or data of their own.
            let sees_other =
                ["InputPath", "ResultSelector", "OutputPath", "ItemProcessor", "Iterator", "Next"];
            if !sees_other.contains(&key.as_str()) {
                self.walk(key, value, depth + 1);
            }
        }
        self.within = outer;
        for key in ["InputPath", "ResultSelector", "OutputPath", "ItemProcessor", "Iterator"] {
            if let Some(value) = state.get(key) {
                self.walk(key, value, depth + 1);
            }
        }
    }

    fn walk(&mut self, key: &str, value: &Json, depth: usize) {
        if depth > 200 {
            return;
        }
        match value {
            Json::String(text) => self.text(key, text),
            Json::Array(items) => items.iter().for_each(|item| self.walk(key, item, depth + 1)),
            Json::Object(members) => {
                if let Some(variable) = members.get("Variable").and_then(Json::as_str) {
                    for (operator, operand) in members.iter() {
                        if let Some(value) = satisfying(operator, operand) {
                            self.need(variable, value);
                        }
                    }
                }
                let input = members.get("InputPath").and_then(Json::as_str);
                match input.filter(|path| path.starts_with("$.") && members.contains_key("Type")) {
                    Some(input) => self.state(members, input, depth),
                    None => {
                        members.iter().for_each(|(key, value)| self.walk(key, value, depth + 1));
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        let is_expression = text.starts_with('$') || key.ends_with(".$") || text.starts_with("{%");
        // What is put somewhere, and the choice's own variable, is not what is read.
        if !is_expression || matches!(key, "ResultPath" | "Variable" | "Comment") {
            return;
        }
        if key == "OutputPath" {
            self.hands_on(text);
        }
        if let Some(found) = ONLY_PATH.captures(text) {
            let source = segments(&format!("${}", &found[2]));
            let name = key.strip_suffix(".$").unwrap_or(key);
            if source.last() != Some(&Seg::Key(name.to_owned())) || source.len() > 1 {
                self.passed_on.push((name.to_owned(), source));
            }
        }
        for found in VARIABLE.captures_iter(text).filter(|found| &found[1] != "states") {
            self.need(&format!("$.{}{}", &found[1], &found[2]), "value".into());
        }
        let whole = match key {
            "ItemsPath" => list_of(&Object::new().into()),
            "Items" if text.starts_with("{%") => list_of(&Object::new().into()),
            key if key.ends_with("SecondsPath") || key.ends_with("ConcurrencyPath") => Json::Int(1),
            key if key.starts_with("Tolerated") => Json::Int(0),
            "Condition" if ONLY_PATH.is_match(text) => Json::Bool(true),
            "TimestampPath" => "2024-01-01T00:00:01Z".into(),
            _ => "value".into(),
        };
        for found in PATH.captures_iter(text) {
            self.need(&format!("${}", &found[2]), whole.clone());
        }
        for found in JSONATA.captures_iter(text) {
            self.need(&format!("${}", &found[1]), whole.clone());
        }
        let list = list_of(&Object::new().into());
        for (pattern, value) in [
            (&OF_LIST, list),
            (&OF_NUMBER, Json::Int(1)),
            (&OF_JSON, AS_TEXT.into()),
            (&OF_OBJECT, Object::new().into()),
            (&ARITHMETIC, Json::Int(1)),
        ] {
            for found in pattern.captures_iter(text) {
                for path in found.iter().skip(1).flatten() {
                    self.need(path.as_str(), value.clone());
                }
            }
        }
        for (path, value) in compared(text) {
            self.found.push((path, value));
        }
    }

    /// A list of such values, for what asks its input for items.
    pub(super) fn list(value: &Json) -> Json {
        list_of(value)
    }

    /// One value that has all that is needed, with some places made otherwise.
    pub(super) fn value(&self, overrides: &[Need]) -> Json {
        let mut value = Json::Object(Object::new());
        for (path, leaf) in self.found.iter().chain(overrides) {
            put(&mut value, path, leaf, 0);
        }
        for part in &self.handed_on {
            for (path, leaf) in self.found.iter().chain(overrides) {
                if !path.starts_with(part) {
                    put(&mut value, &[part.as_slice(), path].concat(), leaf, 0);
                }
            }
        }
        // An item of a list is asked for what the whole is: its states are written the same way.
        let item = value.clone();
        fill_items(&mut value, &item, 0);
        let mut within = value.clone();
        replace_texts(&mut within, "{}", 0);
        replace_texts(&mut value, &within.to_string(), 0);
        value
    }
}

/// The comparisons that a JSONata text makes, with values for which they hold.
pub(super) fn compared(text: &str) -> Vec<Need> {
    let mut needs = Vec::new();
    for found in COMPARED.captures_iter(text) {
        let literal = found[3].trim_matches('\'');
        let literal = if found[3].starts_with('\'') {
            Json::from(literal)
        } else {
            stepwright_json::parse(literal).unwrap_or_default()
        };
        let number = literal.as_f64();
        let value = match (&found[2], number) {
            (">", Some(number)) => shifted(number, 1.0),
            ("<", Some(number)) => shifted(number, -1.0),
            ("!=", _) => other_than(&literal),
            _ => literal,
        };
        needs.push((segments(&found[1]), value));
    }
    needs
}

/// The path of a condition that is nothing but one.
pub(super) fn only_path(text: &str) -> Option<Vec<Seg>> {
    let found = ONLY_PATH.captures(text)?;
    Some(segments(&format!("${}", &found[2]))).filter(|path| !path.is_empty())
}

/// A value for which a comparison of a Choice rule holds; None for what is no comparison.
pub(super) fn satisfying(operator: &str, operand: &Json) -> Option<Json> {
    if operator.ends_with("Path") {
        return Some(match operator {
            operator if operator.starts_with("Numeric") => Json::Int(1),
            operator if operator.starts_with("Boolean") => Json::Bool(true),
            operator if operator.starts_with("Timestamp") => "2024-01-01T00:00:00Z".into(),
            _ => "value".into(),
        });
    }
    let number = operand.as_f64();
    Some(match operator {
        "StringEquals"
        | "BooleanEquals"
        | "NumericEquals"
        | "TimestampEquals"
        | "NumericGreaterThanEquals"
        | "NumericLessThanEquals"
        | "StringGreaterThanEquals"
        | "StringLessThanEquals"
        | "TimestampGreaterThanEquals"
        | "TimestampLessThanEquals" => operand.clone(),
        "NumericGreaterThan" => shifted(number?, 1.0),
        "NumericLessThan" => shifted(number?, -1.0),
        "StringGreaterThan" => format!("{}~", operand.as_str()?).into(),
        "StringLessThan" | "TimestampLessThan" if operator.starts_with("String") => "".into(),
        "TimestampLessThan" => "1971-01-01T00:00:00Z".into(),
        "TimestampGreaterThan" => "2099-01-01T00:00:00Z".into(),
        "StringMatches" => operand.as_str()?.replace('*', "x").into(),
        "IsNull" if operand.as_bool() == Some(true) => Json::Null,
        "IsNumeric" if operand.as_bool() == Some(true) => Json::Int(1),
        "IsBoolean" if operand.as_bool() == Some(true) => Json::Bool(true),
        "IsTimestamp" if operand.as_bool() == Some(true) => "2024-01-01T00:00:00Z".into(),
        "IsPresent" | "IsString" | "IsNull" | "IsNumeric" | "IsBoolean" | "IsTimestamp" => {
            "value".into()
        }
        _ => return None,
    })
}

/// A value for which it does not hold.
pub(super) fn violating(operator: &str, operand: &Json) -> Option<Json> {
    satisfying(operator, operand)?;
    let number = operand.as_f64();
    Some(match operator {
        "NumericGreaterThan" | "NumericLessThan" => operand.clone(),
        "NumericGreaterThanEquals" => shifted(number?, -1.0),
        "NumericLessThanEquals" => shifted(number?, 1.0),
        "IsNull" | "IsNumeric" | "IsBoolean" | "IsTimestamp"
            if operand.as_bool() == Some(false) =>
        {
            satisfying(operator, &Json::Bool(true))?
        }
        operator if operator.starts_with("Timestamp") => "1970-01-01T00:00:00Z".into(),
        "IsString" => Json::Int(1),
        _ => other_than(operand),
    })
}

fn shifted(number: f64, by: f64) -> Json {
    let moved = number + by;
    if moved.fract() == 0.0 && moved.abs() < 9e15 {
        Json::Int(moved as i64)
    } else {
        Json::Float(moved)
    }
}

fn other_than(value: &Json) -> Json {
    match value {
        Json::Bool(flag) => Json::Bool(!flag),
        Json::Int(number) => Json::Int(number.wrapping_add(1)),
        Json::Float(number) => Json::Float(number + 1.0),
        Json::String(text) => format!("not-{text}").into(),
        _ => "value".into(),
    }
}

fn list_of(item: &Json) -> Json {
    vec![item.clone(); ITEMS].into()
}

/// How much a value says: a plain text is what is put where nothing better is known.
fn weight(value: &Json) -> u8 {
    match value {
        Json::String(text) if text == "value" => 0,
        Json::Object(_) | Json::Array(_) => 2,
        _ => 1,
    }
}

/// Puts a value at a place.
pub(super) fn put(value: &mut Json, path: &[Seg], leaf: &Json, depth: usize) {
    let Some((first, rest)) = path.split_first() else {
        // What is there already may have members that are needed, too.
        let keeps = matches!(value, Json::Object(members) if !members.is_empty())
            || (matches!(value, Json::Array(_)) && !matches!(leaf, Json::Array(_)));
        if !keeps {
            *value = leaf.clone();
        }
        return;
    };
    if depth > 64 {
        return;
    }
    match first {
        Seg::Key(key) => {
            if let Json::Array(items) = value {
                // `$.list.name` on a list asks its items.
                for item in items.make_mut() {
                    put(item, path, leaf, depth + 1);
                }
                return;
            }
            if !matches!(value, Json::Object(_)) {
                *value = Json::Object(Object::new());
            }
            if let Json::Object(members) = value {
                put(members.get_or_insert_with(key, || Json::Null), rest, leaf, depth + 1);
            }
        }
        Seg::Item => {
            if !matches!(value, Json::Array(items) if !items.is_empty()) {
                let item = std::mem::take(value);
                *value = vec![item; ITEMS].into();
            }
            if let Json::Array(items) = value {
                for item in items.make_mut() {
                    put(item, rest, leaf, depth + 1);
                }
            }
        }
    }
}

/// Gives the items of lists the members of the whole that they lack; but no lists, which would
/// grow without end.
fn fill_items(value: &mut Json, whole: &Json, depth: usize) {
    if depth > DEPTH {
        return;
    }
    match value {
        Json::Array(items) => {
            for item in Array::make_mut(items) {
                if matches!(item, Json::Null) {
                    *item = Json::Object(Object::new());
                }
                if let (Json::Object(item), Json::Object(whole)) = (item, whole) {
                    for (key, value) in whole.iter().filter(|(_, value)| !has_list(value, 0)) {
                        item.get_or_insert_with(key, || value.clone());
                    }
                }
            }
        }
        Json::Object(members) => {
            let keys: Vec<_> = members.keys().cloned().collect();
            for key in keys {
                if let Some(member) = members.get_mut(&key) {
                    fill_items(member, whole, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Puts a text where the whole is to stand as one.
fn replace_texts(value: &mut Json, text: &str, depth: usize) {
    if depth > 64 {
        return;
    }
    match value {
        Json::String(there) if there == AS_TEXT => *value = text.into(),
        Json::Array(items) => {
            items.make_mut().iter_mut().for_each(|item| replace_texts(item, text, depth + 1));
        }
        Json::Object(members) => {
            let keys: Vec<_> = members.keys().cloned().collect();
            for key in keys {
                if let Some(member) = members.get_mut(&key) {
                    replace_texts(member, text, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Whether a value stands where nothing better is known.
pub(super) fn is_plain(value: &Json) -> bool {
    weight(value) == 0
}

fn has_list(value: &Json, depth: usize) -> bool {
    match value {
        Json::Array(_) => true,
        Json::Object(members) => {
            depth > DEPTH || members.values().any(|value| has_list(value, depth + 1))
        }
        _ => false,
    }
}

/// The part of a value at a path, if it is there.
pub(super) fn part<'j>(value: &'j Json, path: &[Seg]) -> Option<&'j Json> {
    path.iter().try_fold(value, |value, seg| match seg {
        Seg::Key(key) => value.get(key),
        Seg::Item => value.at(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn a_value_has_all_that_is_asked_of_it() {
        let definition = json!({"States": {
            "A": {"Parameters": {"x.$": "$.order.id", "n.$": "States.ArrayLength($.order.items)"}},
            "B": {"ItemsPath": "$.list", "Choices": [{"Variable": "$.count", "NumericGreaterThan": 3}]},
            "C": {"Output": "{% $states.input.total > 10 ? 1 : $states.result.rows[0].name %}"}
        }});
        let value = Needs::of(&definition).value(&[]);
        assert_eq!(value.get("count"), Some(&Json::Int(4)));
        assert_eq!(value.get("total"), Some(&Json::Int(11)));
        let order = value.get("order").unwrap();
        assert_eq!(order.get("id"), Some(&json!("value")));
        assert!(matches!(order.get("items"), Some(Json::Array(_))));
        assert!(matches!(value.get("list"), Some(Json::Array(_))));
        let name = part(&value, &segments("$.rows[0].name"));
        assert_eq!(name, Some(&json!("value")));
    }

    #[test]
    fn a_state_sees_what_its_input_path_lets_through() {
        let definition = json!({"States": {
            "A": {"Type": "Pass", "InputPath": "$.order", "Parameters": {"id.$": "$.number"}},
            "B": {"Type": "Pass", "InputPath": "$.table", "Next": "C"},
            "C": {"Type": "Map", "ItemsPath": "$.files", "OutputPath": "$[0].info"},
            "D": {"Type": "Parallel", "ResultSelector": {"credit.$": "$[0].score"}},
            "E": {"Type": "Choice", "Choices": [{"Variable": "$.credit", "NumericEquals": 6}]}
        }});
        let value = Needs::of(&definition).value(&[]);
        let at = |path: &str| part(&value, &segments(path)).cloned();
        assert_eq!(at("$.order.number"), Some(json!("value")));
        assert!(matches!(at("$.table.files"), Some(Json::Array(_))));
        assert_eq!(at("$.score"), Some(json!(6)));
    }

    #[test]
    fn a_comparison_holds_or_does_not() {
        assert_eq!(satisfying("StringEquals", &json!("A")), Some(json!("A")));
        assert_eq!(violating("StringEquals", &json!("A")), Some(json!("not-A")));
        assert_eq!(violating("NumericGreaterThan", &json!(3)), Some(json!(3)));
        assert_eq!(satisfying("Next", &json!("A")), None);
    }
}
