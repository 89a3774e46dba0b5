//! The expressions of requests: conditions, filters, updates, projections.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>

use super::value;
use std::collections::BTreeSet;
use stepwright_json::{Json, Object};

/// A place in an item: `a.b[3].c`.
pub(super) type Path = Vec<Step>;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// What is compared or assigned.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Path(Path),
    Value(Json),
    Size(Path),
    IfNotExists(Path, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
    Sum(Box<Operand>, Box<Operand>),
    Difference(Box<Operand>, Box<Operand>),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path, bool),
    Type(Path, Operand),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// What an update does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Update {
    pub(super) set: Vec<(Path, Operand)>,
    pub(super) remove: Vec<Path>,
    pub(super) add: Vec<(Path, Json)>,
    pub(super) delete: Vec<(Path, Json)>,
}

/// The names and values of a request, and which of them were used.
#[derive(Clone, Debug, Default)]
pub(super) struct Placeholders {
    names: Object,
    values: Object,
    used: BTreeSet<String>,
}

/// The deepest expression.
const DEPTH: usize = 100;

/// The largest expression, in bytes.
const MOST_BYTES: usize = 4_096;

impl Placeholders {
    /// Reads the placeholders of a request, and checks them.
    pub(super) fn read(input: &Object) -> Result<Self, String> {
        let object = |name: &str| input.get(name).and_then(Json::as_object).cloned();
        let (names, values) =
            (object("ExpressionAttributeNames"), object("ExpressionAttributeValues"));
        if names.as_ref().is_some_and(Object::is_empty) {
            return Err("ExpressionAttributeNames must not be empty".to_owned());
        }
        if values.as_ref().is_some_and(Object::is_empty) {
            return Err("ExpressionAttributeValues must not be empty".to_owned());
        }
        let is_plain = |text: &str| {
            text.len() > 1 && text[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let names = names.unwrap_or_default();
        if let Some(wrong) = names.keys().find(|name| !name.starts_with('#') || !is_plain(name)) {
            return Err(format!(
                "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{wrong}\""
            ));
        }
        let values = values.unwrap_or_default();
        if let Some(wrong) = values.keys().find(|name| !name.starts_with(':') || !is_plain(name)) {
            return Err(format!(
                "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{wrong}\""
            ));
        }
        let mut checked = Object::new();
        for (name, value) in values.iter() {
            let value = value::checked(value).map_err(|refusal| {
                format!(
                    "ExpressionAttributeValues contains invalid value: {} for key {name}",
                    refusal.message
                )
            })?;
            checked.insert(name.clone(), value);
        }
        Ok(Self { names, values: checked, used: BTreeSet::new() })
    }

    /// Complains of what was given and not used. `has_expressions` says whether there was any
    /// expression.
    pub(super) fn finish(&self, has_expressions: bool) -> Result<(), String> {
        for (member, given) in
            [("ExpressionAttributeNames", &self.names), ("ExpressionAttributeValues", &self.values)]
        {
            if !given.is_empty() && !has_expressions {
                return Err(format!("{member} can only be specified when using expressions"));
            }
            let unused: Vec<&str> = given
                .keys()
                .filter(|name| !self.used.contains(name.as_str()))
                .map(AsRef::as_ref)
                .collect();
            if !unused.is_empty() {
                return Err(format!(
                    "Value provided in {member} unused in expressions: keys: {{{}}}",
                    unused.join(", ")
                ));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// `#name`
    Name(String),
    /// `:value`
    Value(String),
    Number(usize),
    Mark(&'static str),
    End,
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Mark(mark) => (*mark).to_owned(),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

/// Reads a condition. The error is a sentence without its beginning.
pub(super) fn condition(text: &str, of: &mut Placeholders) -> Result<Condition, String> {
    let mut parser = Parser::new(text, of)?;
    let condition = parser.or(DEPTH)?;
    parser.end()?;
    Ok(condition)
}

/// Reads a projection.
pub(super) fn projection(text: &str, of: &mut Placeholders) -> Result<Vec<Path>, String> {
    let mut parser = Parser::new(text, of)?;
    let mut paths = vec![parser.path()?];
    while parser.takes(",") {
        paths.push(parser.path()?);
    }
    parser.end()?;
    check_overlap(&paths)?;
    Ok(paths)
}

/// Reads an update.
pub(super) fn update(text: &str, of: &mut Placeholders) -> Result<Update, String> {
    let mut parser = Parser::new(text, of)?;
    let mut update = Update::default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    loop {
        let section = match parser.peek() {
            Token::Word(word) => word.to_ascii_uppercase(),
            Token::End if !seen.is_empty() => break,
            _ => return Err(parser.wrong()),
        };
        if !["SET", "REMOVE", "ADD", "DELETE"].contains(&section.as_str()) {
            return Err(parser.wrong());
        }
        if !seen.insert(section.clone()) {
            return Err(format!(
                "The \"{section}\" section can only be used once in an update expression;"
            ));
        }
        parser.at += 1;
        loop {
            let path = parser.path()?;
            match section.as_str() {
                "SET" => {
                    parser.expect("=")?;
                    let value = parser.assigned(DEPTH)?;
                    update.set.push((path, value));
                }
                "REMOVE" => update.remove.push(path),
                "ADD" => update.add.push((path, parser.value()?)),
                _ => update.delete.push((path, parser.value()?)),
            }
            if !parser.takes(",") {
                break;
            }
        }
    }
    let paths: Vec<Path> = (update.set.iter().map(|(path, _)| path))
        .chain(&update.remove)
        .chain(update.add.iter().map(|(path, _)| path))
        .chain(update.delete.iter().map(|(path, _)| path))
        .cloned()
        .collect();
    check_overlap(&paths)?;
    Ok(update)
}

/// Two paths must not lead to the same place, nor one into the other.
fn check_overlap(paths: &[Path]) -> Result<(), String> {
    let mut sorted: Vec<&Path> = paths.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2) {
        if pair[1].starts_with(pair[0]) {
            return Err(format!(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: \
                 {}, path two: {}",
                shown(pair[0]),
                shown(pair[1])
            ));
        }
        let kinds = |path: &Path, at: usize| matches!(path.get(at), Some(Step::Index(_)));
        let common =
            pair[0].iter().zip(pair[1].iter()).take_while(|(one, other)| one == other).count();
        if common > 0
            && pair[0].len() > common
            && pair[1].len() > common
            && kinds(pair[0], common) != kinds(pair[1], common)
        {
            return Err(format!(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: \
                 {}, path two: {}",
                shown(pair[0]),
                shown(pair[1])
            ));
        }
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Name(name) => name.clone(),
        Step::Index(index) => format!("[{index}]"),
    });
    format!("[{}]", steps.collect::<Vec<_>>().join(", "))
}

/// Whether a name must not stand in an expression.
pub(super) fn is_reserved(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    include_str!("reserved.txt").split_ascii_whitespace().any(|word| word == upper)
}

struct Parser<'p> {
    tokens: Vec<Token>,
    at: usize,
    of: &'p mut Placeholders,
}

impl<'p> Parser<'p> {
    fn new(text: &str, of: &'p mut Placeholders) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("The expression can not be empty;".to_owned());
        }
        if text.len() > MOST_BYTES {
            return Err(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            ));
        }
        Ok(Self { tokens: tokens(text)?, at: 0, of })
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn wrong(&self) -> String {
        let from = self.at.saturating_sub(1);
        let near: Vec<String> = self.tokens.iter().skip(from).take(3).map(Token::text).collect();
        format!("Syntax error; token: \"{}\", near: \"{}\"", self.peek().text(), near.join(" "))
    }

    fn takes(&mut self, mark: &str) -> bool {
        let is_there = matches!(self.peek(), Token::Mark(found) if *found == mark);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.takes(mark) { Ok(()) } else { Err(self.wrong()) }
    }

    /// Takes a word such as `AND`, in any case.
    fn takes_word(&mut self, wanted: &str) -> bool {
        let is_there =
            matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is_there);
        is_there
    }

    fn end(&self) -> Result<(), String> {
        if matches!(self.peek(), Token::End) { Ok(()) } else { Err(self.wrong()) }
    }

    fn or(&mut self, depth: usize) -> Result<Condition, String> {
        let mut left = self.and(depth)?;
        while self.takes_word("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Condition, String> {
        let mut left = self.not(depth)?;
        while self.takes_word("AND") {
            left = Condition::And(Box::new(left), Box::new(self.not(depth)?));
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Condition, String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err("The expression contains too many levels;".to_owned());
        };
        if self.takes_word("NOT") {
            return Ok(Condition::Not(Box::new(self.not(depth)?)));
        }
        if self.takes("(") {
            let within = self.or(depth)?;
            self.expect(")")?;
            return Ok(within);
        }
        self.simple()
    }

    fn simple(&mut self) -> Result<Condition, String> {
        if let (Token::Word(function), Some(Token::Mark("("))) =
            (self.peek().clone(), self.tokens.get(self.at + 1))
            && function != "size"
        {
            self.at += 2;
            let condition = match function.as_str() {
                "attribute_exists" => Condition::Exists(self.path()?, true),
                "attribute_not_exists" => Condition::Exists(self.path()?, false),
                "attribute_type" => {
                    let path = self.path()?;
                    self.expect(",")?;
                    Condition::Type(path, self.operand()?)
                }
                "begins_with" | "contains" => {
                    let first = self.operand()?;
                    self.expect(",")?;
                    let second = self.operand()?;
                    match function.as_str() {
                        "begins_with" => Condition::BeginsWith(first, second),
                        _ => Condition::Contains(first, second),
                    }
                }
                unknown => return Err(format!("Invalid function name; function: {unknown}")),
            };
            self.expect(")").map_err(|_| {
                format!("Incorrect number of operands for operator or function; operator or function: {function}")
            })?;
            return Ok(condition);
        }
        let left = self.operand()?;
        if self.takes_word("BETWEEN") {
            let low = self.operand()?;
            if !self.takes_word("AND") {
                return Err(self.wrong());
            }
            let high = self.operand()?;
            if let (Operand::Value(low), Operand::Value(high)) = (&low, &high)
                && value::compare(low, high) == Some(std::cmp::Ordering::Greater)
            {
                return Err(format!(
                    "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound \
                     operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
                ));
            }
            return Ok(Condition::Between(left, low, high));
        }
        if self.takes_word("IN") {
            self.expect("(")?;
            let mut options = vec![self.operand()?];
            while self.takes(",") {
                options.push(self.operand()?);
            }
            self.expect(")")?;
            return Ok(Condition::In(left, options));
        }
        let comparator = [
            ("=", Comparator::Equal),
            ("<>", Comparator::NotEqual),
            ("<=", Comparator::AtMost),
            (">=", Comparator::AtLeast),
            ("<", Comparator::Less),
            (">", Comparator::More),
        ];
        let found = comparator.into_iter().find(|(mark, _)| self.takes(mark));
        let Some((_, comparator)) = found else { return Err(self.wrong()) };
        Ok(Condition::Compare(comparator, left, self.operand()?))
    }

    /// A path, a value, or the size of a path.
    fn operand(&mut self) -> Result<Operand, String> {
        match (self.peek().clone(), self.tokens.get(self.at + 1)) {
            (Token::Value(_), _) => self.value().map(Operand::Value),
            (Token::Word(word), Some(Token::Mark("("))) if word == "size" => {
                self.at += 2;
                let path = self.path()?;
                self.expect(")")?;
                Ok(Operand::Size(path))
            }
            (Token::Word(word), Some(Token::Mark("("))) => Err(format!(
                "The function is not allowed to be used this way in an expression; function: {word}"
            )),
            _ => self.path().map(Operand::Path),
        }
    }

    /// What a path is set to.
    fn assigned(&mut self, depth: usize) -> Result<Operand, String> {
        let mut left = self.term(depth)?;
        loop {
            if self.takes("+") {
                left = Operand::Sum(Box::new(left), Box::new(self.term(depth)?));
            } else if self.takes("-") {
                left = Operand::Difference(Box::new(left), Box::new(self.term(depth)?));
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Operand, String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err("The expression contains too many levels;".to_owned());
        };
        if self.takes("(") {
            let within = self.assigned(depth)?;
            self.expect(")")?;
            return Ok(within);
        }
        if let (Token::Word(function), Some(Token::Mark("("))) =
            (self.peek().clone(), self.tokens.get(self.at + 1))
        {
            self.at += 2;
            let operand = match function.as_str() {
                "if_not_exists" => {
                    let path = self.path()?;
                    self.expect(",")?;
                    Operand::IfNotExists(path, Box::new(self.assigned(depth)?))
                }
                "list_append" => {
                    let first = self.assigned(depth)?;
                    self.expect(",")?;
                    Operand::ListAppend(Box::new(first), Box::new(self.assigned(depth)?))
                }
                unknown => return Err(format!("Invalid function name; function: {unknown}")),
            };
            self.expect(")")?;
            return Ok(operand);
        }
        self.operand()
    }

    fn value(&mut self) -> Result<Json, String> {
        let Token::Value(name) = self.peek().clone() else { return Err(self.wrong()) };
        self.at += 1;
        let Some(value) = self.of.values.get(&name).cloned() else {
            return Err(format!(
                "An expression attribute value used in expression is not defined; attribute value: {name}"
            ));
        };
        self.of.used.insert(name);
        Ok(value)
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = vec![self.name()?];
        loop {
            if self.takes(".") {
                path.push(self.name()?);
            } else if self.takes("[") {
                let Token::Number(index) = *self.peek() else { return Err(self.wrong()) };
                self.at += 1;
                self.expect("]")?;
                path.push(Step::Index(index));
            } else {
                return Ok(path);
            }
        }
    }

    fn name(&mut self) -> Result<Step, String> {
        let step = match self.peek().clone() {
            Token::Word(word) if is_reserved(&word) => {
                return Err(format!(
                    "Attribute name is a reserved keyword; reserved keyword: {word}"
                ));
            }
            Token::Word(word) => Step::Name(word),
            Token::Name(name) => {
                let Some(meant) = self.of.names.get(&name).and_then(Json::as_str) else {
                    return Err(format!(
                        "An expression attribute name used in the document path is not defined; attribute name: {name}"
                    ));
                };
                let meant = meant.to_owned();
                self.of.used.insert(name);
                Step::Name(meant)
            }
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(step)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    const MARKS: [&str; 14] =
        ["<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", "[", "]", "+", "-"];
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            tokens.push(Token::Mark(mark));
            rest = &rest[mark.len()..];
            continue;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let start = usize::from(matches!(first, '#' | ':'));
        let end = rest[start..].find(|c| !is_word(c)).map_or(rest.len(), |end| start + end);
        if end == start {
            return Err(format!("Syntax error; token: \"{first}\", near: \"{rest}\""));
        }
        let (word, after) = rest.split_at(end);
        tokens.push(match first {
            '#' => Token::Name(word.to_owned()),
            ':' => Token::Value(word.to_owned()),
            first if first.is_ascii_digit() => match word.parse() {
                Ok(number) => Token::Number(number),
                Err(_) => return Err(format!("Syntax error; token: \"{word}\", near: \"{rest}\"")),
            },
            _ => Token::Word(word.to_owned()),
        });
        rest = after;
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    fn placeholders() -> Placeholders {
        let input = json!({
            "ExpressionAttributeNames": {"#n": "name", "#d": "a.b"},
            "ExpressionAttributeValues": {":v": {"N": "1"}, ":w": {"S": "x"}}
        });
        Placeholders::read(input.as_object().unwrap()).unwrap()
    }

    #[test]
    fn conditions_bind_as_they_should() {
        let mut of = placeholders();
        let read = condition("a = :v OR NOT b = :v AND c = :v", &mut of).unwrap();
        let Condition::Or(_, right) = read else { panic!("OR binds least") };
        let Condition::And(left, _) = *right else { panic!("AND binds more") };
        assert!(matches!(*left, Condition::Not(_)));
        for good in [
            "attribute_exists(a.b[0].#n)",
            "size(#d) > :v",
            "begins_with(a, :w) and contains(b, :w)",
            "a BETWEEN :v AND :v",
            "a IN (:v, :w)",
            "attribute_type(a, :w)",
            "((a = :v))",
            ":v < a",
        ] {
            assert!(condition(good, &mut of).is_ok(), "{good}");
        }
    }

    #[test]
    fn wrong_expressions_are_refused() {
        let cases = [
            ("", "can not be empty"),
            ("a", "Syntax error"),
            ("a = ", "Syntax error"),
            ("a = :x", "not defined"),
            ("#x = :v", "not defined"),
            ("name = :v", "reserved keyword"),
            ("a = :v b", "Syntax error"),
            ("like(a, :v)", "Invalid function name"),
            ("a = :v AND", "Syntax error"),
            ("(a = :v", "Syntax error"),
            ("a[x] = :v", "Syntax error"),
            ("a ~ :v", "Syntax error"),
            ("contains(a)", "Syntax error"),
        ];
        for (text, part) in cases {
            let error = condition(text, &mut placeholders()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let deep = "(".repeat(200) + "a = :v" + &")".repeat(200);
        assert!(condition(&deep, &mut placeholders()).is_err());
    }

    #[test]
    fn updates_are_read() {
        let text = "SET a = if_not_exists(a, :v) + :v, b[0] = list_append(:w, b) REMOVE c, d.e ADD f :v DELETE g :w";
        let read = update(text, &mut placeholders()).unwrap();
        assert_eq!(
            (read.set.len(), read.remove.len(), read.add.len(), read.delete.len()),
            (2, 2, 1, 1)
        );
        for (text, part) in [
            ("SET a = :v, a = :v", "overlap"),
            ("SET a = :v REMOVE a.b", "overlap"),
            ("SET a = :v SET b = :v", "only be used once"),
            ("SET a", "Syntax error"),
            ("PUT a = :v", "Syntax error"),
            ("ADD a b", "Syntax error"),
            ("SET a.b = :v, a[0] = :v", "conflict"),
        ] {
            let error = update(text, &mut placeholders()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
