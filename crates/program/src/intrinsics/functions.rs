use crate::scope::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt::Write as _;
use stepwright_json::{Json, Object};

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

/// Each function's name and the fewest and most arguments it takes.
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
    ("States.UUID", Function::Uuid, 0, 0),
];

type Answer = Result<Json, String>;

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(known, ..)| *known == name).map(|(_, function, ..)| *function)
    }

    pub(super) fn check_arity(self, count: usize) -> Result<(), String> {
        let (name, _, fewest, most) =
            TABLE.iter().find(|(_, function, ..)| *function == self).expect("every one is listed");
        if (*fewest..=*most).contains(&count) {
            return Ok(());
        }
        Err(format!("`{name}` does not take {count} arguments"))
    }

    pub(super) fn call(self, values: &[Json], scope: &dyn Scope) -> Answer {
        match self {
            Self::Array => Ok(values.to_vec().into()),
            Self::ArrayContains => {
                Ok(array(values, 0)?.iter().any(|item| item.same(&values[1])).into())
            }
            Self::ArrayGetItem => {
                let (items, index) = (array(values, 0)?, integer(values, 1)?);
                usize::try_from(index).ok().and_then(|index| items.get(index).cloned()).ok_or_else(
                    || {
                        format!(
                            "The array index {index} is out of bounds for length {}",
                            items.len()
                        )
                    },
                )
            }
            Self::ArrayLength => Ok(array(values, 0)?.len().into()),
            Self::ArrayPartition => {
                let (items, size) = (array(values, 0)?, integer(values, 1)?);
                let size = usize::try_from(size)
                    .ok()
                    .filter(|size| *size > 0)
                    .ok_or("The chunk size must be a positive integer")?;
                Ok(items
                    .chunks(size)
                    .map(|chunk| Json::from(chunk.to_vec()))
                    .collect::<Vec<_>>()
                    .into())
            }
            Self::ArrayRange => {
                range(integer(values, 0)?, integer(values, 1)?, integer(values, 2)?)
            }
            Self::ArrayUnique => {
                let mut seen: Vec<Json> = Vec::new();
                for item in array(values, 0)? {
                    if !seen.iter().any(|known| known.same(item)) {
                        seen.push(item.clone());
                    }
                }
                Ok(seen.into())
            }
            Self::Base64Encode => Ok(STANDARD.encode(text(values, 0)?).into()),
            Self::Base64Decode => STANDARD
                .decode(text(values, 0)?)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Json::from)
                .ok_or_else(|| "The input is not valid Base64 text".to_owned()),
            Self::Format => format(values),
            Self::Hash => hash(&values[0], text(values, 1)?),
            Self::JsonMerge => merge(values),
            Self::JsonToString => Ok(values[0].to_string().into()),
            Self::MathAdd => {
                let (a, b) = (number(values, 0)?, number(values, 1)?);
                match (a, b) {
                    (Json::Int(a), Json::Int(b)) => a
                        .checked_add(*b)
                        .map(Json::Int)
                        .ok_or_else(|| "The sum is out of range".to_owned()),
                    _ => {
                        let sum =
                            a.as_f64().unwrap_or(0.0).round() + b.as_f64().unwrap_or(0.0).round();
                        Ok(Json::Int(sum as i64))
                    }
                }
            }
            Self::MathRandom => random(values, scope),
            Self::StringSplit => {
                let (text, delimiters) = (text(values, 0)?, text(values, 1)?);
                Ok(text
                    .split(|c| delimiters.contains(c))
                    .filter(|part| !part.is_empty())
                    .map(Json::from)
                    .collect::<Vec<_>>()
                    .into())
            }
            Self::StringToJson => {
                let text = text(values, 0)?;
                if text.trim().is_empty() {
                    return Ok(Json::Null);
                }
                stepwright_json::parse(text).map_err(|error| error.message)
            }
            Self::Uuid => Ok(uuid(scope).into()),
        }
    }
}

fn argument_error(at: usize, wanted: &str, found: &Json) -> String {
    format!("Argument {} must be {wanted}, but was {}: {found}", at + 1, found.kind())
}

fn array(values: &[Json], at: usize) -> Result<&[Json], String> {
    match &values[at] {
        Json::Array(items) => Ok(items),
        other => Err(argument_error(at, "an array", other)),
    }
}

fn text(values: &[Json], at: usize) -> Result<&str, String> {
    let text = values[at].as_str().ok_or_else(|| argument_error(at, "a string", &values[at]))?;
    if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT {
        return Err(format!("Argument {} is longer than {MAX_TEXT} characters", at + 1));
    }
    Ok(text)
}

fn number(values: &[Json], at: usize) -> Result<&Json, String> {
    Some(&values[at])
        .filter(|value| value.is_number())
        .ok_or_else(|| argument_error(at, "a number", &values[at]))
}

/// A whole number; AWS rounds a fraction to the nearest one.
fn integer(values: &[Json], at: usize) -> Result<i64, String> {
    let value = number(values, at)?;
    Ok(value.as_i64().unwrap_or_else(|| value.as_f64().unwrap_or(0.0).round() as i64))
}

fn range(first: i64, last: i64, step: i64) -> Answer {
    if step == 0 {
        return Err("The step of a range must not be 0".to_owned());
    }
    let (first, last, step) = (i128::from(first), i128::from(last), i128::from(step));
    let count =
        if (last - first).signum() * step.signum() < 0 { 0 } else { (last - first) / step + 1 };
    if count > MAX_RANGE as i128 {
        return Err(format!("A range may hold at most {MAX_RANGE} numbers"));
    }
    Ok((0..count).map(|at| Json::Int((first + at * step) as i64)).collect::<Vec<_>>().into())
}

fn format(values: &[Json]) -> Answer {
    let template = values[0].as_str().ok_or_else(|| argument_error(0, "a string", &values[0]))?;
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
                let value = rest.next().ok_or("There are more `{}` than values to put there")?;
                write_plain(value, &mut out);
            }
            '{' | '}' => {
                return Err(format!("A `{c}` that is not part of `{{}}` needs a backslash"));
            }
            c => out.push(c),
        }
    }
    if rest.next().is_some() {
        return Err("There are more values than `{}` to put them in".to_owned());
    }
    Ok(out.into())
}

/// How `States.Format` prints a value: a string as it is, an object or array as Java prints its
/// maps and lists (`{Id=1, Name=x}`): what AWS does.
fn write_plain(value: &Json, out: &mut String) {
    match value {
        Json::String(text) => out.push_str(text),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_plain(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                out.push_str(key);
                out.push('=');
                write_plain(value, out);
            }
            out.push('}');
        }
        scalar => {
            write!(out, "{scalar}").expect("strings grow");
        }
    }
}

fn hash(data: &Json, algorithm: &str) -> Answer {
    let data = match data {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    };
    if data.len() > MAX_TEXT && data.chars().count() > MAX_TEXT {
        return Err(format!("Argument 1 is longer than {MAX_TEXT} characters"));
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
        other => {
            return Err(format!(
                "There is no hash algorithm `{other}`; use MD5, SHA-1, SHA-256, SHA-384 or SHA-512"
            ));
        }
    }
    .into())
}

fn merge(values: &[Json]) -> Answer {
    let object = |at: usize| -> Result<&Object, String> {
        values[at].as_object().ok_or_else(|| argument_error(at, "an object", &values[at]))
    };
    let (first, second) = (object(0)?, object(1)?);
    match values[2].as_bool() {
        Some(false) => {}
        Some(true) => return Err("Deep merging is not supported".to_owned()),
        None => return Err(argument_error(2, "a boolean", &values[2])),
    }
    let mut merged = first.clone();
    for (key, value) in second.iter() {
        merged.insert(key.clone(), value.clone());
    }
    Ok(merged.into())
}

fn random(values: &[Json], scope: &dyn Scope) -> Answer {
    let (from, to) = (integer(values, 0)?, integer(values, 1)?);
    if to <= from {
        return Err("The end of the range must be greater than its start".to_owned());
    }
    let chance = match values.get(2) {
        Some(_) => mix(integer(values, 2)? as u64),
        None => scope.random(),
    };
    let width = (i128::from(to) - i128::from(from)) as u128;
    let offset = (u128::from(chance) * width) >> 64;
    Ok(Json::Int((i128::from(from) + offset as i128) as i64))
}

/// Spreads the bits of a seed (splitmix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn uuid(scope: &dyn Scope) -> String {
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
