use crate::scope::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use stepwright_json::{Json, Str, jackson, java};
use stepwright_jsonata::decode_base64;

/// The most numbers that `States.ArrayRange` makes.
pub const MAX_RANGE: usize = 1_000;

/// The longest text that is encoded, decoded or hashed, in characters.
const MAX_TEXT: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

/// The names of all intrinsic functions, and how many arguments each takes at least.
pub fn intrinsic_functions() -> impl Iterator<Item = (&'static str, usize)> {
    TABLE.iter().map(|(name, _, least, _)| (*name, *least))
}

/// Each function's name and the fewest and most arguments it takes. Those of `States.UUID` are ignored.
const TABLE: &[(&str, Function, usize, usize)] = &[
    ("States.Array", Function::Array, 0, usize::MAX),
    ("States.ArrayContains", Function::ArrayContains, 2, 2),
    ("States.ArrayGetItem", Function::ArrayGetItem, 2, 2),
    ("States.ArrayLength", Function::ArrayLength, 1, 1),
    ("States.ArrayPartition", Function::ArrayPartition, 2, 2),
    ("States.ArrayRange", Function::ArrayRange, 3, 3),
    ("States.ArrayUnique", Function::ArrayUnique, 1, 1),
    ("States.Base64Decode", Function::Base64Decode, 1, 1),
    ("States.Base64Encode", Function::Base64Encode, 1, 1),
    ("States.Format", Function::Format, 1, usize::MAX),
    ("States.Hash", Function::Hash, 2, 2),
    ("States.JsonMerge", Function::JsonMerge, 3, 3),
    ("States.JsonToString", Function::JsonToString, 1, 1),
    ("States.MathAdd", Function::MathAdd, 2, 2),
    ("States.MathRandom", Function::MathRandom, 2, 3),
    ("States.StringSplit", Function::StringSplit, 2, 2),
    ("States.StringToJson", Function::StringToJson, 1, 1),
    ("States.UUID", Function::Uuid, 0, usize::MAX),
];

/// Why a function fails: what AWS says behind the text of the whole expression.
pub(super) type Fault = Str;
type Answer = Result<Json, Fault>;

/// What is wrong with the arguments; AWS does not say more.
#[derive(Debug)]
struct Invalid;

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(known, ..)| *known == name).map(|(_, function, ..)| *function)
    }

    fn row(self) -> (&'static str, usize, usize) {
        let (name, _, fewest, most) =
            TABLE.iter().find(|(_, function, ..)| *function == self).expect("every one is listed");
        (name, *fewest, *most)
    }

    /// Whether the texts of all arguments become part of the result.
    pub(super) fn writes_all(self) -> bool {
        matches!(self, Self::Format | Self::JsonToString)
    }

    /// How many steps a call counts for whose arguments have so many bytes.
    pub(super) fn steps(self, values: &[Json], bytes: usize) -> u64 {
        let items = || values.first().and_then(Json::as_array).map_or(0, |items| items.len());
        let looked_at = match self {
            Self::Array | Self::ArrayGetItem | Self::ArrayLength | Self::MathAdd => values.len(),
            Self::MathRandom | Self::Uuid | Self::ArrayRange => MAX_RANGE,
            Self::ArrayPartition => items(),
            Self::JsonMerge => values.iter().filter_map(Json::as_object).map(|o| o.len() * 8).sum(),
            Self::ArrayUnique => bytes / 4 + items() * 8,
            _ => bytes / 4,
        };
        looked_at as u64 + 16
    }

    pub(super) fn call(self, values: &[Json], scope: &dyn Scope) -> Answer {
        let (name, fewest, most) = self.row();
        let answer = match self {
            _ if !(fewest..=most).contains(&values.len()) => Err(Invalid),
            Self::Format => return format(values),
            Self::StringToJson => return string_to_json(values),
            _ => self.compute(values, scope),
        };
        answer.map_err(|Invalid| invalid(name))
    }

    fn compute(self, values: &[Json], scope: &dyn Scope) -> Result<Json, Invalid> {
        Ok(match self {
            Self::Format | Self::StringToJson => unreachable!("they have their own texts"),
            Self::Array => values.iter().map(finite).collect::<Vec<_>>().into(),
            Self::ArrayContains => contains(array(values, 0)?, &values[1]).into(),
            Self::ArrayGetItem => {
                let (items, index) = (array(values, 0)?, truncated(values, 1)?);
                let item = usize::try_from(index).ok().and_then(|index| items.get(index).cloned());
                // AWS has nothing to give out of an empty array, and gives nothing.
                let nothing = items.is_empty().then_some(Json::Null);
                item.or(nothing).ok_or(Invalid)?
            }
            Self::ArrayLength => array(values, 0)?.len().into(),
            Self::ArrayPartition => {
                let (items, size) = (array(values, 0)?, truncated(values, 1)?);
                let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or(Invalid)?;
                let parts: Vec<Json> = items.chunks(size).map(|c| c.to_vec().into()).collect();
                parts.into()
            }
            Self::ArrayRange => {
                range(truncated(values, 0)?, truncated(values, 1)?, truncated(values, 2)?)?
            }
            Self::ArrayUnique => unique(array(values, 0)?),
            Self::Base64Encode => STANDARD.encode(text(values, 0)?).into(),
            Self::Base64Decode => {
                String::from_utf8_lossy(&decode_base64(text(values, 0)?)).into_owned().into()
            }
            Self::Hash => hash(&values[0], text(values, 1)?)?,
            Self::JsonMerge => merge(values)?,
            Self::JsonToString => values[0].to_string().into(),
            Self::MathAdd => {
                let sum = rounded(values, 0)?.checked_add(rounded(values, 1)?).ok_or(Invalid)?;
                sum.into()
            }
            Self::MathRandom => random(values, scope)?,
            Self::StringSplit => {
                let (text, delimiters) = (text(values, 0)?, text(values, 1)?);
                let parts: Vec<Json> = text
                    .split(|c| delimiters.contains(c))
                    .filter(|part| !part.is_empty())
                    .map(Json::from)
                    .collect();
                parts.into()
            }
            Self::Uuid => uuid(scope).into(),
        })
    }
}

/// A value as JSON can hold it: AWS writes infinite numbers as texts.
fn finite(value: &Json) -> Json {
    match value {
        Json::Float(number) if *number == f64::INFINITY => "Infinity".into(),
        Json::Float(number) if *number == f64::NEG_INFINITY => "-Infinity".into(),
        value => value.clone(),
    }
}

fn invalid(name: &str) -> Fault {
    format!("Invalid arguments in {name}").into()
}

fn array(values: &[Json], at: usize) -> Result<&[Json], Invalid> {
    match &values[at] {
        Json::Array(items) => Ok(items),
        _ => Err(Invalid),
    }
}

fn text(values: &[Json], at: usize) -> Result<&str, Invalid> {
    values[at].as_str().filter(|text| !is_too_long(text)).ok_or(Invalid)
}

/// Java counts UTF-16 units.
fn is_too_long(text: &str) -> bool {
    text.len() > MAX_TEXT && text.encode_utf16().count() > MAX_TEXT
}

/// A whole number of 32 bits, as Java's `Math.round` and the cast behind it make one.
fn rounded(values: &[Json], at: usize) -> Result<i32, Invalid> {
    match &values[at] {
        Json::Int(number) => i32::try_from(*number).map_err(|_| Invalid),
        Json::Float(number) => Ok(java::round(*number) as i32),
        _ => Err(Invalid),
    }
}

/// A whole number of 32 bits, as Java's `intValue` makes one: a fraction is dropped.
fn truncated(values: &[Json], at: usize) -> Result<i32, Invalid> {
    match &values[at] {
        Json::Int(number) => i32::try_from(*number).map_err(|_| Invalid),
        Json::Float(number) => Ok(*number as i32),
        _ => Err(Invalid),
    }
}

/// AWS compares the texts of the values: `"1"` is `1`, and an object has its order of keys.
fn contains(items: &[Json], wanted: &Json) -> bool {
    let text_of = |value: &Json, out: &mut String| {
        out.clear();
        java::write_text(value, out);
    };
    let (mut wanted_text, mut text) = (String::new(), String::new());
    text_of(wanted, &mut wanted_text);
    items.iter().any(|item| match item {
        Json::String(item) => *item == wanted_text,
        item => {
            text_of(item, &mut text);
            text == wanted_text
        }
    })
}

/// The different values, in the order of Java's `HashSet`. They are told apart by a hash that
/// nobody can choose values for: those of Java's are easy to make the same.
fn unique(items: &[Json]) -> Json {
    let mut kept: Vec<(i32, &Json)> = Vec::new();
    let mut known: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for item in items {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        let alike = known.entry(hasher.finish()).or_default();
        if !alike.iter().any(|at| kept[*at].1 == item) {
            alike.push(kept.len());
            kept.push((java::hash(item), item));
        }
    }
    java::hash_order(&mut kept, java::room_for(items.len()), |(hash, _)| *hash);
    kept.into_iter().map(|(_, item)| item.clone()).collect::<Vec<_>>().into()
}

fn range(first: i32, last: i32, step: i32) -> Result<Json, Invalid> {
    if step == 0 {
        return Err(Invalid);
    }
    let (first, last, step) = (i64::from(first), i64::from(last), i64::from(step));
    let count =
        if (last - first).signum() * step.signum() < 0 { 0 } else { (last - first) / step + 1 };
    if count > MAX_RANGE as i64 {
        return Err(Invalid);
    }
    Ok((0..count).map(|at| Json::Int(first + at * step)).collect::<Vec<_>>().into())
}

fn format(values: &[Json]) -> Answer {
    const NAME: &str = "States.Format";
    let unmatched = |missing: char, found: char| -> Fault {
        format!("Invalid template in {NAME}: matching '{missing}' not found for '{found}'.").into()
    };
    let template = values.first().and_then(Json::as_str).ok_or_else(|| invalid(NAME))?;
    let mut out = String::new();
    let mut rest = values[1..].iter();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some('{' | '}' | '\\' | '\'')) => {
                out.extend(chars.next());
            }
            '{' if chars.peek() == Some(&'}') => {
                chars.next();
                let value = rest.next().ok_or_else(|| invalid(NAME))?;
                java::write_text(value, &mut out);
            }
            '{' => return Err(unmatched('}', '{')),
            '}' => return Err(unmatched('{', '}')),
            c => out.push(c),
        }
    }
    if rest.next().is_some() {
        return Err(invalid(NAME));
    }
    Ok(out.into())
}

fn string_to_json(values: &[Json]) -> Answer {
    const NAME: &str = "States.StringToJson";
    let text = text(values, 0).map_err(|Invalid| invalid(NAME))?;
    if text.trim().is_empty() {
        return Ok(Json::Null);
    }
    if let Some(complaint) = jackson::redacted_complaint(text) {
        return Err(
            format!("Cannot convert String to Json in {NAME}, caused by: {complaint}").into()
        );
    }
    stepwright_json::parse(text)
        // Jackson reads the first value and looks no further.
        .or_else(|error| stepwright_json::parse(&text[..error.span.start as usize]))
        .map_err(|_| invalid(NAME))
}

fn hash(data: &Json, algorithm: &str) -> Result<Json, Invalid> {
    let data = match data {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    };
    if is_too_long(&data) {
        return Err(Invalid);
    }
    let hex = |digest: &[u8]| {
        digest.iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").expect("strings grow");
            out
        })
    };
    Ok(match algorithm {
        "MD5" => hex(&Md5::digest(&data)),
        "SHA-1" => hex(&Sha1::digest(&data)),
        "SHA-256" => hex(&Sha256::digest(&data)),
        "SHA-384" => hex(&Sha384::digest(&data)),
        "SHA-512" => hex(&Sha512::digest(&data)),
        _ => return Err(Invalid),
    }
    .into())
}

fn merge(values: &[Json]) -> Result<Json, Invalid> {
    let object = |at: usize| values[at].as_object().ok_or(Invalid);
    let (first, second) = (object(0)?, object(1)?);
    // Whatever does not ask for a deep merge asks for a shallow one.
    if values[2] == Json::Bool(true) {
        return Err(Invalid);
    }
    let mut merged = first.clone();
    for (key, value) in second.iter() {
        merged.insert(key.clone(), value.clone());
    }
    Ok(merged.into())
}

fn random(values: &[Json], scope: &dyn Scope) -> Result<Json, Invalid> {
    let (from, to) = (truncated(values, 0)?, truncated(values, 1)?);
    let seed = match values.get(2) {
        None => scope.random() as i64,
        Some(Json::Int(seed)) => *seed,
        Some(Json::Float(seed)) => *seed as i64,
        Some(_) => return Err(Invalid),
    };
    let offset = java::Random::new(seed).below(to.wrapping_sub(from)).ok_or(Invalid)?;
    Ok((from + offset).into())
}

/// A random UUID.
pub(crate) fn uuid(scope: &dyn Scope) -> String {
    let (high, low) = (scope.random(), scope.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        (low >> 48) & 0x3FFF | 0x8000,
        low & 0xFFFF_FFFF_FFFF
    )
}
