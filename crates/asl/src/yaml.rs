//! Parses YAML into the same tree as JSON, with places.
//!
//! Values are read as people mean them in definitions and templates. `No`, `On` and `Yes` are
//! strings, and so are timestamps and numbers with leading zeros; `true`, `null` and plain numbers
//! are what they look like. CloudFormation's short tags (`!Ref x`) become their long form (`{"Ref":
//! "x"}`).

use crate::assembled::Assembled;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::tree::{Member, Node, Value};
use stepwright_json::{Json, Str};
use stepwright_source::Span;

/// The error for a text that is not YAML, or YAML beyond our limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) message: String,
    pub(crate) span: Span,
}

/// The deepest nesting of a tree.
const DEPTH: usize = 1_000;
/// The largest number of values that all aliases together may expand to.
const ALIASED: usize = 200_000;
/// The largest number of bytes of text that they may expand to.
const BYTES: usize = 64 << 20;

/// The contents of a document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Node,
    /// Keys that occur twice in one mapping. The last value is used.
    pub(crate) duplicates: Vec<(Str, Span)>,
}

/// The number of lines that are indented further before the text is rejected.
const RETRIES: usize = 100;

/// Parses one document.
///
/// Within brackets, lines may be indented less than YAML 1.2 allows, because JSON is often pasted
/// in this way. Other parsers accept this, too.
pub(crate) fn parse(text: &str) -> Result<Document, YamlError> {
    let mut padded = Assembled::default();
    padded.push_verbatim(text, 0);
    let mut last = usize::MAX;
    for _ in 0..RETRIES {
        let error = match read(&padded.text) {
            Ok(mut document) => {
                padded.move_spans(&mut document.root);
                for (_, span) in &mut document.duplicates {
                    *span = padded.source(*span);
                }
                return Ok(document);
            }
            Err(error) => error,
        };
        let at = error.span.start as usize;
        if error.message != INDENTATION || at == last || padded.text.len() > 1 << 20 {
            return Err(YamlError { span: padded.source(error.span), ..error });
        }
        let mut further = Assembled::default();
        further.push_part(&padded, 0..at);
        let here = padded.source(error.span);
        further.push_fixed(&" ".repeat(64), Span { start: here.start, end: here.start });
        further.push_part(&padded, at..padded.text.len());
        padded = further;
        last = at;
    }
    let message = INDENTATION.to_owned();
    Err(YamlError { message, span: Span::new(0, 0) })
}

/// The scanner's error for a line within brackets that is indented too little.
const INDENTATION: &str = "invalid indentation";

fn read(text: &str) -> Result<Document, YamlError> {
    if text.len() > BYTES {
        let message = format!("the text is longer than {BYTES} bytes");
        return Err(YamlError { message, span: Span::new(BYTES, BYTES) });
    }
    let mut reader = Reader {
        text,
        bytes: byte_offsets(text),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        aliased: ALIASED,
        root: None,
        duplicates: Vec::new(),
    };
    reader.whole()?;
    let empty = Node { span: Span::new(0, text.len()), value: Value::Scalar(Json::Null) };
    Ok(Document { root: reader.root.unwrap_or(empty), duplicates: reader.duplicates })
}

/// The byte offset of each character; `None` if all characters are ASCII.
fn byte_offsets(text: &str) -> Option<Vec<u32>> {
    if text.is_ascii() {
        return None;
    }
    let starts = text.char_indices().map(|(at, _)| at as u32);
    Some(starts.chain([text.len() as u32]).collect())
}

struct Reader<'t> {
    text: &'t str,
    bytes: Option<Vec<u32>>,
    open: Vec<Open>,
    /// The value of each anchor, the number of values in it, and its height.
    anchors: BTreeMap<usize, (Node, usize, usize)>,
    aliased: usize,
    root: Option<Node>,
    duplicates: Vec<(Str, Span)>,
}

/// A list or mapping that has not ended yet.
struct Open {
    start: usize,
    anchor: usize,
    tag: Option<String>,
    kind: OpenKind,
    /// The number of values in it so far, and the height of the tree below it.
    size: usize,
    height: usize,
}

enum OpenKind {
    List(Vec<Node>),
    Mapping {
        members: Vec<Member>,
        key: Option<(Str, Span, bool)>,
        names: BTreeSet<Str>,
        /// Members that come from `<<`. Explicit members take precedence.
        merged: Vec<Member>,
    },
}

type Read<T> = Result<T, YamlError>;

impl Reader<'_> {
    fn whole(&mut self) -> Read<()> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text).keep_tags(true) {
            let (event, span) = event.map_err(|error| {
                let at = self.byte(*error.marker());
                let message = error.info().to_owned();
                YamlError { message, span: Span::new(at, self.after(at)) }
            })?;
            let (start, end) = (self.byte(span.start), self.byte(span.end));
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a file holds one definition: this is a second document";
                        return Err(self.error(message, start));
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    let end = start + self.text[start..end.max(start)].trim_end().len();
                    let span = Span::new(start, end);
                    let plain = style == ScalarStyle::Plain;
                    let tag = tag.as_deref().and_then(short_tag);
                    if let Some(key) = self.awaited_key() {
                        *key = Some((Str::from(&*value), span, plain && value == "<<"));
                        self.check_key(&value, span);
                        continue;
                    }
                    let as_text = !plain || tag.as_deref() == Some("!str");
                    let value = if as_text { Json::from(&*value) } else { plain_value(&value) };
                    let node = Node { span, value: Value::Scalar(value) };
                    let (node, height) = tagged(node, tag.as_deref(), 0);
                    self.put(node, anchor, 1, height)?;
                }
                Event::Alias(anchor) => {
                    let span = Span::new(start, end);
                    let Some((node, size, height)) = self.anchors.get(&anchor) else {
                        return Err(self.error("an alias inside of what it stands for", start));
                    };
                    let Some(left) = self.aliased.checked_sub(*size) else {
                        let message = format!("the aliases stand for more than {ALIASED} values");
                        return Err(self.error(message, start));
                    };
                    self.aliased = left;
                    let (node, size, height) = (node.clone(), *size, *height);
                    if let Some(key) = self.awaited_key() {
                        let Some(name) = node.as_str() else {
                            return Err(self.error("a key must be a text", start));
                        };
                        *key = Some((name.into(), span, false));
                        self.check_key(name, span);
                        continue;
                    }
                    self.put(node, 0, size, height)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.begin(start, anchor, tag.as_deref(), OpenKind::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    let kind = OpenKind::Mapping {
                        members: Vec::new(),
                        key: None,
                        names: BTreeSet::new(),
                        merged: Vec::new(),
                    };
                    self.begin(start, anchor, tag.as_deref(), kind)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.finish(end)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn byte(&self, marker: Marker) -> usize {
        let index = match &self.bytes {
            None => marker.index(),
            Some(bytes) => bytes.get(marker.index()).map_or(self.text.len(), |&at| at as usize),
        };
        index.min(self.text.len())
    }

    /// The byte offset after the character at `at`.
    fn after(&self, at: usize) -> usize {
        at + self.text[at..].chars().next().map_or(0, char::len_utf8)
    }

    fn error(&self, message: impl Into<String>, at: usize) -> YamlError {
        YamlError { message: message.into(), span: Span::new(at, self.after(at)) }
    }

    /// The slot for a key, if a key is expected next.
    fn awaited_key(&mut self) -> Option<&mut Option<(Str, Span, bool)>> {
        match self.open.last_mut() {
            Some(Open { kind: OpenKind::Mapping { key, .. }, .. }) if key.is_none() => Some(key),
            _ => None,
        }
    }

    fn check_key(&mut self, name: &str, span: Span) {
        if let Some(Open { kind: OpenKind::Mapping { names, .. }, .. }) = self.open.last_mut()
            && !names.insert(name.into())
        {
            self.duplicates.push((name.into(), span));
        }
    }

    fn begin(
        &mut self,
        start: usize,
        anchor: usize,
        tag: Option<&Tag>,
        kind: OpenKind,
    ) -> Read<()> {
        if self.awaited_key().is_some() {
            return Err(self.error("a key must be a text", start));
        }
        if self.open.len() >= DEPTH {
            return Err(self.error(format!("nested deeper than {DEPTH} levels"), start));
        }
        let tag = tag.and_then(short_tag);
        self.open.push(Open { start, anchor, tag, kind, size: 1, height: 0 });
        Ok(())
    }

    fn finish(&mut self, end: usize) -> Read<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let end = open.start + self.text[open.start..end.max(open.start)].trim_end().len();
        let value = match open.kind {
            OpenKind::List(items) => Value::Array(items),
            OpenKind::Mapping { members, mut names, merged, .. } => {
                let mut all: Vec<Member> =
                    merged.into_iter().filter(|member| names.insert(member.key.clone())).collect();
                all.extend(members);
                Value::Object(all)
            }
        };
        let node = Node { span: Span::new(open.start, end), value };
        let (node, height) = tagged(node, open.tag.as_deref(), open.height + 1);
        self.put(node, open.anchor, open.size, height)
    }

    /// Adds a complete value to its parent.
    fn put(&mut self, node: Node, anchor: usize, size: usize, height: usize) -> Read<()> {
        if self.open.len() + height > DEPTH {
            let at = node.span.start as usize;
            return Err(self.error(format!("nested deeper than {DEPTH} levels"), at));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size, height));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size += size;
        open.height = open.height.max(height);
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Mapping { members, key, merged, .. } => {
                let Some((key, key_span, merge)) = key.take() else { return Ok(()) };
                if merge && (node.is_object() || node.is_array()) {
                    merge_into(merged, node);
                } else {
                    members.push(Member { key, key_span, value: node });
                }
            }
        }
        Ok(())
    }
}

/// Merges `<<: *defaults`, or a list of such mappings.
fn merge_into(merged: &mut Vec<Member>, node: Node) {
    match node.value {
        Value::Object(members) => merged.extend(members),
        Value::Array(items) => items.into_iter().for_each(|item| merge_into(merged, item)),
        Value::Scalar(_) => {}
    }
}

/// The name of a tag such as `!Ref`; `!str` for `!!str`.
fn short_tag(tag: &Tag) -> Option<String> {
    if tag.is_yaml_core_schema() {
        return (tag.suffix == "str").then(|| "!str".to_owned());
    }
    (tag.handle == "!" && !tag.suffix.is_empty()).then(|| tag.suffix.clone())
}

/// The long form of a value with a short tag, and its height.
fn tagged(node: Node, tag: Option<&str>, height: usize) -> (Node, usize) {
    let Some(tag) = tag.filter(|tag| *tag != "!str") else { return (node, height) };
    let span = node.span;
    let key: Str = match tag {
        "Ref" | "Condition" => tag.into(),
        _ => format!("Fn::{}", tag.trim_start_matches("Fn::")).into(),
    };
    let value = match (tag, node.as_str().and_then(|text| text.split_once('.'))) {
        ("GetAtt", Some((resource, attribute))) => {
            let text = |text: &str| Node { span, value: Value::Scalar(Json::from(text)) };
            Node { span, value: Value::Array(vec![text(resource), text(attribute)]) }
        }
        _ => node,
    };
    let member = Member { key, key_span: span, value };
    (Node { span, value: Value::Object(vec![member]) }, height + 2)
}

/// The value of a text without quotes.
fn plain_value(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x") {
        let known = u32::from_str_radix(digits, 16).ok().filter(|_| unsigned == text);
        return known.map_or_else(|| Json::from(text), |number| Json::Int(i64::from(number)));
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let first = unsigned.chars().next().unwrap_or('x');
    let leading_zero =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    if leading_zero || !text.chars().all(numeric) || !(first.is_ascii_digit() || first == '.') {
        return Json::from(text);
    }
    // JSON does not allow `.5`, `5.` or `+5`.
    let sign = if text.starts_with('-') { "-" } else { "" };
    let (mantissa, exponent) =
        unsigned.find(['e', 'E']).map_or((unsigned, ""), |at| (&unsigned[..at], &unsigned[at..]));
    let before = if mantissa.starts_with('.') { "0" } else { "" };
    let after = if mantissa.ends_with('.') && mantissa.len() > 1 { "0" } else { "" };
    let spelled = format!("{sign}{before}{mantissa}{after}{exponent}");
    match stepwright_json::parse(&spelled) {
        Ok(number) if number.is_number() => number,
        _ => Json::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match parse(text) {
            Ok(document) => document.root.to_json().to_string(),
            Err(error) => error.message,
        };
        assert!(found.starts_with(expected), "{text}\n{found}\n{expected}");
    }

    #[test]
    fn values_are_what_people_mean() {
        check("Next: No\nOther: On", r#"{"Next":"No","Other":"On"}"#);
        check("at: 2016-08-18T17:33:00Z", r#"{"at":"2016-08-18T17:33:00Z"}"#);
        check("a: 1\nb: 1.5\nc: -3\nd: 1e3", r#"{"a":1,"b":1.5,"c":-3,"d":1000.0}"#);
        check(
            "a: 012\nb: 12:30\nc: 1.2.3\nd: .5",
            r#"{"a":"012","b":"12:30","c":"1.2.3","d":0.5}"#,
        );
        check("a: ~\nb:\nc: true\nd: 'true'", r#"{"a":null,"b":null,"c":true,"d":"true"}"#);
        check("a: !!str 12", r#"{"a":"12"}"#);
        check("1: x", r#"{"1":"x"}"#);
    }

    #[test]
    fn short_tags() {
        check("a: !Ref X", r#"{"a":{"Ref":"X"}}"#);
        check("a: !GetAtt X.Arn", r#"{"a":{"Fn::GetAtt":["X","Arn"]}}"#);
        check("a: !Sub ['${b}', {b: !Ref X}]", r#"{"a":{"Fn::Sub":["${b}",{"b":{"Ref":"X"}}]}}"#);
    }

    #[test]
    fn anchors_and_merges() {
        check("a: &a {x: 1}\nb: *a", r#"{"a":{"x":1},"b":{"x":1}}"#);
        check("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", r#"{"a":{"x":1,"y":2},"b":{"y":2,"x":3}}"#);
    }

    #[test]
    fn keys_that_come_twice() {
        let document = parse("a: 1\na: 2").unwrap();
        assert_eq!(document.duplicates, [("a".into(), Span::new(5, 6))]);
        assert_eq!(document.root.to_json().to_string(), r#"{"a":2}"#);
    }

    #[test]
    fn brackets_may_stand_left() {
        let text = "a:\n    b: {\n  \"c\": [1\n]\n}\nd: e";
        check(text, r#"{"a":{"b":{"c":[1]}},"d":"e"}"#);
        let root = parse(text).unwrap().root;
        assert_eq!(&text[root.get("d").unwrap().span.range()], "e");
    }

    #[test]
    fn what_is_refused() {
        check("a: 1\n---\nb: 2", "a file holds one definition");
        check("[a]: 1", "a key must be a text");
        check(&"[".repeat(100_000), "recursion limit exceeded");
        check(&"- ".repeat(100_000), "nested deeper than 1000 levels");
        let mut bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
        for level in 1..10 {
            let alias = format!("*a{},", level - 1).repeat(10);
            writeln!(bomb, "a{level}: &a{level} [{alias}]").unwrap();
        }
        check(&bomb, "the aliases stand for more than");
        check("a: &a [*a]", "an alias inside");
    }

    #[test]
    fn places_are_bytes() {
        let text = "ä: ö\nb: wörd";
        let node = parse(text).unwrap().root;
        assert_eq!(&text[node.get("b").unwrap().span.range()], "wörd");
        assert_eq!(&text[node.member("b").unwrap().key_span.range()], "b");
    }
}
