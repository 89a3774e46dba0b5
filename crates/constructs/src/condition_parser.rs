//! Parses conditions in a readable notation.

use crate::condition::Condition;
use crate::value::Value;
use stepwright_json::Json;

/// The deepest nesting of parentheses and `not`.
const DEEPEST: usize = 100;

/// Parses a condition. The error says what is wrong and where.
pub(crate) fn parse(text: &str) -> Result<Condition, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let condition = parser.either()?;
    parser.spaces();
    if parser.at < text.len() {
        return Err(parser.error("`and`, `or` or the end"));
    }
    Ok(condition)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

enum Operand {
    Literal(Value),
    Timestamp(String),
    Path { kind: &'static str, path: String },
    Null,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.both()?];
        while self.word("or") || self.symbol("||") {
            conditions.push(self.both()?);
        }
        Ok(one_or(conditions, Condition::or))
    }

    fn both(&mut self) -> Result<Condition, String> {
        let mut conditions = vec![self.single()?];
        while self.word("and") || self.symbol("&&") {
            conditions.push(self.single()?);
        }
        Ok(one_or(conditions, Condition::and))
    }

    fn single(&mut self) -> Result<Condition, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("the condition `{}` nests too deeply", self.text));
        }
        let condition = if self.word("not") {
            Condition::not(self.single()?)
        } else if self.symbol("(") {
            let inner = self.either()?;
            self.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self) -> Result<Condition, String> {
        let path = self.path()?;
        if self.word("is") {
            return self.test(&path);
        }
        if self.word("matches") {
            let pattern = self.quoted()?;
            return Ok(Condition::string_matches(&path, &pattern));
        }
        let operators = ["==", "!=", "<=", ">=", "<", ">", "="];
        let Some(operator) = operators.into_iter().find(|operator| self.symbol(operator)) else {
            return Err(self.error("a comparison such as `==`, `matches` or `is present`"));
        };
        let before = self.at;
        let operand = self.operand()?;
        let suffix = match operator {
            "<" => "LessThan",
            "<=" => "LessThanEquals",
            ">" => "GreaterThan",
            ">=" => "GreaterThanEquals",
            _ => "Equals",
        };
        let ordered = suffix != "Equals";
        let condition = match operand {
            Operand::Null if !ordered => Condition::is_null(&path),
            Operand::Literal(Value::Scalar(Json::Bool(value))) if !ordered => {
                Condition::boolean_equals(&path, value)
            }
            Operand::Literal(value @ Value::Text(_)) => {
                Condition::compare(&path, &format!("String{suffix}"), value)
            }
            Operand::Literal(value @ Value::Scalar(Json::Int(_) | Json::Float(_))) => {
                Condition::compare(&path, &format!("Numeric{suffix}"), value)
            }
            Operand::Timestamp(value) => {
                Condition::compare(&path, &format!("Timestamp{suffix}"), value)
            }
            Operand::Path { kind, path: other } if !(ordered && kind == "Boolean") => {
                Condition::compare(&path, &format!("{kind}{suffix}Path"), other)
            }
            _ => {
                self.at = before;
                return Err(
                    self.error("a text, a number or a timestamp, as only these are ordered")
                );
            }
        };
        Ok(if operator == "!=" { Condition::not(condition) } else { condition })
    }

    fn test(&mut self, path: &str) -> Result<Condition, String> {
        let wanted = !self.word("not");
        let tests = [
            ("present", "IsPresent"),
            ("string", "IsString"),
            ("number", "IsNumeric"),
            ("numeric", "IsNumeric"),
            ("boolean", "IsBoolean"),
            ("timestamp", "IsTimestamp"),
            ("null", "IsNull"),
        ];
        match tests.into_iter().find(|(word, _)| self.word(word)) {
            Some((_, operator)) => Ok(Condition::compare(path, operator, wanted)),
            None => {
                Err(self.error("`present`, `string`, `number`, `boolean`, `timestamp` or `null`"))
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.spaces();
        let kinds = [
            ("string", "String"),
            ("number", "Numeric"),
            ("boolean", "Boolean"),
            ("timestamp", "Timestamp"),
        ];
        for (word, kind) in kinds {
            if self.word(word) {
                self.expect("(")?;
                self.spaces();
                let operand = if kind == "Timestamp" && !self.rest().starts_with('$') {
                    Operand::Timestamp(self.quoted()?)
                } else {
                    Operand::Path { kind, path: self.path()? }
                };
                self.expect(")")?;
                return Ok(operand);
            }
        }
        if self.word("true") {
            return Ok(Operand::Literal(true.into()));
        }
        if self.word("false") {
            return Ok(Operand::Literal(false.into()));
        }
        if self.word("null") {
            return Ok(Operand::Null);
        }
        match self.rest().chars().next() {
            Some('\'' | '"') => Ok(Operand::Literal(self.quoted()?.into())),
            Some('-' | '0'..='9') => self.number(),
            Some('$') => Err(self.error(
                "the kind of the other path, such as `number($.b)`, `string($.b)` or `timestamp($.b)`",
            )),
            _ => Err(self.error("a text in quotes, a number, `true`, `false` or `null`")),
        }
    }

    fn number(&mut self) -> Result<Operand, String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+' | 'e' | 'E'))
            .unwrap_or(rest.len());
        match stepwright_json::parse(&rest[..end]) {
            Ok(number @ (Json::Int(_) | Json::Float(_))) => {
                self.at += end;
                Ok(Operand::Literal(number.into()))
            }
            _ => Err(self.error("a number")),
        }
    }

    /// A path ends at a space, a comparison operator or a parenthesis, unless within its brackets.
    fn path(&mut self) -> Result<String, String> {
        self.spaces();
        let rest = self.rest();
        if !rest.starts_with('$') {
            return Err(self.error("a path that starts with `$`"));
        }
        let mut depth = 0_usize;
        let mut quote = None;
        let end = rest.char_indices().find(|(_, c)| match (quote, c) {
            (Some(open), c) => {
                if open == *c {
                    quote = None;
                }
                false
            }
            (None, '[') => {
                depth += 1;
                false
            }
            (None, ']') => {
                depth = depth.saturating_sub(1);
                false
            }
            (None, '\'' | '"') if depth > 0 => {
                quote = Some(*c);
                false
            }
            (None, c) => depth == 0 && (c.is_whitespace() || "=!<>)&|".contains(*c)),
        });
        let end = end.map_or(rest.len(), |(end, _)| end);
        let path = rest[..end].to_owned();
        self.at += end;
        Ok(path)
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.spaces();
        let rest = self.rest();
        let Some(quote @ ('\'' | '"')) = rest.chars().next() else {
            return Err(self.error("a text in quotes"));
        };
        let mut text = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    // A backslash before a star is kept, because it belongs to the pattern.
                    Some((_, '*')) => text.push_str("\\*"),
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                c if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.error("a text whose quote is closed"))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.spaces();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        self.spaces();
        let rest = self.rest();
        let found = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            && !rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.error(&format!("`{symbol}`"))) }
    }

    fn error(&self, expected: &str) -> String {
        let rest: String = self.rest().chars().take(20).collect();
        let found = if rest.is_empty() { "the end".to_owned() } else { format!("`{rest}`") };
        let column = self.text[..self.at].chars().count() + 1;
        format!(
            "in the condition `{}`, column {column}: expected {expected}, found {found}",
            self.text
        )
    }
}

fn one_or(mut conditions: Vec<Condition>, combine: fn(Vec<Condition>) -> Condition) -> Condition {
    if conditions.len() == 1 { conditions.remove(0) } else { combine(conditions) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueryLanguage;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let actual = match parse(text) {
            Ok(condition) => {
                Value::Object(condition.rule).to_json(QueryLanguage::JsonPath).to_string()
            }
            Err(problem) => problem,
        };
        assert_eq!(actual, expected);
    }

    #[test]
    fn comparisons() {
        check("$.a == 'x'", r#"{"Variable":"$.a","StringEquals":"x"}"#);
        check("$.a>=2.5", r#"{"Variable":"$.a","NumericGreaterThanEquals":2.5}"#);
        check("$.a == true", r#"{"Variable":"$.a","BooleanEquals":true}"#);
        check("$['a b'][0] < -3", r#"{"Variable":"$['a b'][0]","NumericLessThan":-3}"#);
        check("$.a != null", r#"{"Not":{"Variable":"$.a","IsNull":true}}"#);
        check("$.a is not present", r#"{"Variable":"$.a","IsPresent":false}"#);
        check("$.a matches 'log-*.txt'", r#"{"Variable":"$.a","StringMatches":"log-*.txt"}"#);
        check("$.a < number($.b)", r#"{"Variable":"$.a","NumericLessThanPath":"$.b"}"#);
        check(
            "$.a > timestamp('2026-01-01T00:00:00Z')",
            r#"{"Variable":"$.a","TimestampGreaterThan":"2026-01-01T00:00:00Z"}"#,
        );
        check("$.a == \"it\\'s\"", r#"{"Variable":"$.a","StringEquals":"it's"}"#);
    }

    #[test]
    fn combinations() {
        check(
            "$.a == 1 or $.b == 2 and not ($.c == 3)",
            r#"{"Or":[{"Variable":"$.a","NumericEquals":1},{"And":[{"Variable":"$.b","NumericEquals":2},{"Not":{"Variable":"$.c","NumericEquals":3}}]}]}"#,
        );
    }

    #[test]
    fn mistakes() {
        check(
            "$.a == $.b",
            "in the condition `$.a == $.b`, column 8: expected the kind of the other path, such as \
             `number($.b)`, `string($.b)` or `timestamp($.b)`, found `$.b`",
        );
        check(
            "status == 1",
            "in the condition `status == 1`, column 1: expected a path that starts with `$`, found `status == 1`",
        );
        check(
            "$.a < true",
            "in the condition `$.a < true`, column 6: expected a text, a number or a timestamp, as only these are ordered, found ` true`",
        );
        check(
            "$.a == 'x",
            "in the condition `$.a == 'x`, column 8: expected a text whose quote is closed, found `'x`",
        );
        check("($.a == 1", "in the condition `($.a == 1`, column 10: expected `)`, found the end");
        check(
            "$.a == 1 $.b",
            "in the condition `$.a == 1 $.b`, column 10: expected `and`, `or` or the end, found `$.b`",
        );
        let deep = "not ".repeat(5_000) + "$.a == 1";
        assert!(parse(&deep).unwrap_err().ends_with("nests too deeply"));
    }
}
