use crate::compile::Budget;
use crate::error::Fault;
use crate::evaluate::Scope;
use crate::lenient;
use crate::number::{Decimal, Number};
use crate::pattern::Pattern;
use crate::program::Program;
use crate::unescape::unescape;
use std::borrow::Cow;
use std::cmp::Ordering;
use stepwright_json::{Json, Str};

/// One side of a relation, as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Null,
    Bool(bool),
    Text(Str),
    /// A number: as `i64` where it is one, so that comparing is cheap.
    Int(i64),
    Number(Decimal),
    /// An array or object, if its text can be read as one.
    Literal(Option<Json>),
    Pattern(Pattern),
    Path(Box<Program>),
}

impl Operand {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn number(text: &str, decimal: Decimal) -> Self {
        text.parse().map_or(Self::Number(decimal), Self::Int)
    }

    pub(crate) fn literal(text: &str) -> Self {
        Self::Literal(lenient::parse(text))
    }

    pub(crate) fn path(program: Program) -> Self {
        Self::Path(Box::new(program))
    }

    pub(crate) fn is_path(&self) -> bool {
        matches!(self, Self::Path(_))
    }

    /// Whether the path leads anywhere from `item`. A path from `$` begins at the item, too.
    pub(crate) fn exists(&self, item: &Json, scope: &Scope<'_>) -> Result<bool, Fault> {
        let Self::Path(program) = self else { return Ok(false) };
        if program.simple {
            return Ok(program.get(item).is_some());
        }
        match program.evaluate(item, &scope.strict()) {
            Ok(_) => Ok(true),
            Err(Fault::NotFound(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// What a path of members and indexes leads to, if the operand is one and there is something.
    #[inline]
    pub(crate) fn simple<'v>(&self, item: &'v Json, scope: &Scope<'v>) -> Option<&'v Json> {
        match self {
            Self::Path(program) if program.simple => {
                program.get(if program.root == '$' { scope.root } else { item })
            }
            _ => None,
        }
    }

    /// What the operand stands for, seen from `item`.
    pub(crate) fn resolve<'v>(
        &'v self,
        item: &'v Json,
        scope: &Scope<'v>,
    ) -> Result<Resolved<'v>, Fault> {
        let Self::Path(program) = self else { return Ok(Resolved::Literal(self)) };
        let document = if program.root == '$' { scope.root } else { item };
        if program.simple {
            return Ok(program.get(document).map_or(Resolved::Undefined, Resolved::Borrowed));
        }
        let result = if program.root == '$' {
            scope.cached(program)
        } else {
            program.evaluate(document, &scope.lax())
        };
        match result {
            Ok(value) => Ok(Resolved::Owned(value)),
            Err(Fault::NotFound(_)) => Ok(Resolved::Undefined),
            Err(fault) => Err(fault),
        }
    }
}

/// What an operand came to.
#[derive(Debug)]
pub(crate) enum Resolved<'v> {
    Undefined,
    Literal(&'v Operand),
    Borrowed(&'v Json),
    Owned(Json),
}

impl Resolved<'_> {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Undefined => Value::Undefined,
            Self::Borrowed(value) => Value::found(value),
            Self::Owned(value) => Value::found(value),
            Self::Literal(operand) => match operand {
                Operand::Null => Value::Null,
                Operand::Bool(value) => Value::Bool(*value),
                Operand::Text(text) => Value::Text(Cow::Borrowed(text)),
                Operand::Int(value) => Value::Number(Number::Int(*value)),
                Operand::Number(decimal) => Value::Number(Number::borrowed(decimal)),
                Operand::Literal(literal) => Value::Literal(literal.as_ref()),
                Operand::Pattern(pattern) => Value::Pattern(pattern),
                Operand::Path(_) => Value::Undefined,
            },
        }
    }
}

/// One side of a relation while it is decided.
#[derive(Debug)]
pub(crate) enum Value<'v> {
    Undefined,
    Null,
    Bool(bool),
    Number(Number<'v>),
    Text(Cow<'v, str>),
    /// An array or object that was found.
    Found(&'v Json),
    /// An array or object as written in the filter; `None` when it cannot be read.
    Literal(Option<&'v Json>),
    Pattern(&'v Pattern),
    /// An element that is the text of a path or of an array or object: equal to nothing.
    Strange,
}

impl<'v> Value<'v> {
    fn found(value: &'v Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Self::Found(value),
            number => Number::of(number).map_or(Self::Undefined, Self::Number),
        }
    }

    /// An element of an array. Jayway reads texts there again, as if they were written in a filter.
    fn element(value: &'v Json) -> Result<Self, Fault> {
        match value {
            Json::Array(_) | Json::Object(_) => {
                Err(Fault::Failed("Could not determine value type".to_owned()))
            }
            Json::String(text) => Self::element_text(text),
            other => Ok(Self::found(other)),
        }
    }

    fn element_text(text: &'v str) -> Result<Self, Fault> {
        let trimmed = text.trim();
        let strange = match trimmed.as_bytes() {
            [b'@' | b'$', ..] => crate::compile::compile(trimmed, 0, &mut Budget::new()).is_ok(),
            [b'[', .., b']'] | [b'{', .., b'}'] => lenient::parse(trimmed).is_some(),
            _ => false,
        };
        if strange {
            return Ok(Self::Strange);
        }
        let inner = match text.as_bytes() {
            [b'\'', .., b'\''] | [b'"', .., b'"'] => &text[1..text.len() - 1],
            [_] => return Ok(Self::Text(Cow::Borrowed(text))),
            _ => text,
        };
        unescape(inner)
            .map(Self::Text)
            .ok_or_else(|| Fault::Failed("Unable to parse unicode value".to_owned()))
    }

    /// Equality as `==` has it: arrays and objects are looked into, but only from the left.
    pub(crate) fn equals_exactly(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Found(a), Self::Found(b) | Self::Literal(Some(b))) => a == b,
            _ => self.equals(other),
        }
    }

    /// Equality as the members of a list have it.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.compare(b).is_eq(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Text(a), Self::Number(b)) => **a == *b.text(),
            (Self::Number(a), Self::Text(b)) => {
                Number::parse(b).is_some_and(|b| a.compare(&b).is_eq())
            }
            _ => false,
        }
    }

    /// Whether both are of the same kind, whatever their value.
    pub(crate) fn same_type(&self, other: &Self) -> bool {
        let kind = |value: &Self| match value {
            Self::Undefined => 0,
            Self::Null => 1,
            Self::Bool(_) => 2,
            Self::Number(_) => 3,
            Self::Text(_) => 4,
            Self::Found(_) | Self::Literal(_) => 5,
            Self::Pattern(_) => 6,
            Self::Strange => 7,
        };
        kind(self) == kind(other)
    }

    /// The order of two numbers or texts; a number beside a text is taken as text.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Some(a.compare(b)),
            (Self::Text(a), Self::Text(b)) => Some(compare_texts(a, b)),
            (Self::Text(a), Self::Number(b)) => Some(compare_texts(a, &b.text())),
            (Self::Number(a), Self::Text(b)) => Some(compare_texts(&a.text(), b)),
            _ => None,
        }
    }

    /// The length of a text or array; −1 for an object.
    pub(crate) fn size(&self) -> Option<i64> {
        match self {
            Self::Text(text) => Some(text.encode_utf16().count() as i64),
            Self::Found(json) | Self::Literal(Some(json)) => {
                Some(json.as_array().map_or(-1, |array| array.len() as i64))
            }
            _ => None,
        }
    }

    /// Whether a text, array or object is empty.
    pub(crate) fn is_empty(&self) -> Option<bool> {
        match self {
            Self::Text(text) => Some(text.is_empty()),
            Self::Found(Json::Array(array)) | Self::Literal(Some(Json::Array(array))) => {
                Some(array.is_empty())
            }
            Self::Found(Json::Object(object)) | Self::Literal(Some(Json::Object(object))) => {
                Some(object.is_empty())
            }
            _ => None,
        }
    }

    /// How long it takes to look at, in visits: eight bytes of a text or list count for one.
    pub(crate) fn length(&self) -> u64 {
        const DEEP: usize = 1 << 30;
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Found(json) | Self::Literal(Some(json)) => {
                json.measure().map_or(DEEP, |measure| measure.bytes)
            }
            _ => 0,
        };
        (bytes / 8) as u64
    }

    /// How many elements it has.
    pub(crate) fn count(&self) -> u64 {
        self.items().map_or(0, |items| items.0.len() as u64)
    }

    /// The elements of an array.
    pub(crate) fn items(&self) -> Option<Items<'v>> {
        match self {
            Self::Found(Json::Array(array)) | Self::Literal(Some(Json::Array(array))) => {
                Some(Items(array))
            }
            _ => None,
        }
    }

    /// The elements of an array where only a list will do: `None` for an object.
    pub(crate) fn list(&self) -> Result<Option<Items<'v>>, Fault> {
        match self {
            Self::Found(_) | Self::Literal(Some(_)) => Ok(self.items()),
            Self::Literal(None) => Err(Fault::Failed("Could not parse the literal".to_owned())),
            _ => Err(Fault::Invalid("Expected value list node".to_owned())),
        }
    }

    /// What a pattern is held against.
    pub(crate) fn input(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.text()),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            _ => Cow::Borrowed(""),
        }
    }
}

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'v>(&'v [Json]);

impl<'v> Items<'v> {
    /// That every element can take part: an array or object among them cannot.
    pub(crate) fn check(self) -> Result<(), Fault> {
        let strange = |item: &Json| matches!(item, Json::Array(_) | Json::Object(_));
        match self.0.iter().find(|item| strange(item)) {
            Some(item) => Value::element(item).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Result<Value<'v>, Fault>> {
        self.0.iter().map(Value::element)
    }
}

/// The order of Java's strings: by 16-bit units.
fn compare_texts(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}
