//! What Step Functions adds to the language.

use super::{number_at, take};
use crate::error::{Fault, Result};
use crate::eval::{Caller, Evaluator};
use crate::number::Number;
use crate::signature::Args;
use crate::value::{Items, Value};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt::Write as _;
use stepwright_json::Json;
use stepwright_json::java::Random;

pub(super) fn partition<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(items) = arguments.first().and_then(Value::items) else {
        return Ok(Value::Undefined);
    };
    // Without a size everything is one part.
    let size = match number_at(&arguments, 1).map(f64::trunc) {
        None => items.len().max(1),
        Some(size) if size < 0.0 => {
            let why = "The chunk size of the partition function must not be negative";
            return Err(Fault::new("D3137").text(why).index(2));
        }
        Some(size) => size as usize,
    };
    if size == 0 || items.len() == 0 {
        return Ok(Value::Undefined);
    }
    evaluator.steps(items.len())?;
    evaluator.charge_slots(items.len() * 3)?;
    let chunks = match items {
        Items::Made(items) => {
            items.chunks(size).map(|chunk| Value::array(chunk.to_vec())).collect()
        }
        Items::Json(items) => items
            .chunks(size)
            .map(|chunk| Value::array(chunk.iter().map(Value::from).collect()))
            .collect(),
    };
    Ok(Value::array(chunks))
}

/// What AWS's list takes for an item: a reference and the number.
const RANGE_ITEM: usize = 16;

/// How many items a list of Java's has room for when it has got so many, one after the other.
fn capacity(items: usize) -> usize {
    let mut capacity = 10;
    while capacity < items {
        capacity += capacity / 2;
    }
    capacity
}

/// Numbers without fractions from the first to the last. What cannot be reached is undefined.
pub(super) fn range<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let number = |at| number_at(&arguments, at).map(|number| number.trunc() as i64);
    let (Some(first), Some(last), Some(step)) = (number(0), number(1), number(2)) else {
        return Ok(Value::Undefined);
    };
    if step == 0 || (last > first && step < 0) || (last < first && step > 0) {
        return Ok(Value::Undefined);
    }
    let count = (i128::from(last) - i128::from(first)) / i128::from(step) + 1;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > evaluator.limits.sequence {
        return Err(Fault::new("D2014")
            .value(Some(crate::number::to_json(count as f64)))
            .text(evaluator.most_items()));
    }
    if count == 1 {
        // AWS makes a sequence, and a sequence of one is that one.
        return Ok(Value::from(Number::Int(first)));
    }
    evaluator.hold(capacity(count) * RANGE_ITEM)?;
    evaluator.steps(count)?;
    evaluator.charge_slots(count)?;
    let value = |at: usize| Value::from(Number::Int(first + at as i64 * step));
    Ok(Value::array((0..count).map(value).collect()))
}

pub(super) fn hash<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(text) = arguments.first().and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    let Some(algorithm) = arguments.get(1).and_then(Value::as_str) else {
        return Ok(Value::Undefined);
    };
    evaluator.steps(32 + text.len() / 2)?;
    let digest = match algorithm {
        "MD5" => Md5::digest(text).to_vec(),
        "SHA-1" => Sha1::digest(text).to_vec(),
        "SHA-256" => Sha256::digest(text).to_vec(),
        "SHA-384" => Sha384::digest(text).to_vec(),
        "SHA-512" => Sha512::digest(text).to_vec(),
        other => {
            let why = format!(
                "Hash algorithm '{other}' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"
            );
            return Err(Fault::new("D3137").text(why).index(2));
        }
    };
    let mut out = String::with_capacity(digest.len() * 2);
    for byte in digest {
        let _ = write!(out, "{byte:02x}");
    }
    evaluator.text(out)
}

/// With a seed always the same number: the first that Java's generator gives for it.
pub(super) fn random<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let Some(seed) = number_at(&arguments, 0) else {
        return Ok(Value::float(evaluator.chance()));
    };
    Ok(Value::float(Random::new(seed as i64).fraction()))
}

pub(super) fn uuid<'a>(
    evaluator: &mut Evaluator<'a>,
    _: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let high = evaluator.bits() & !0xF000 | 0x4000;
    let low = evaluator.bits() & !(0b11 << 62) | (0b10 << 62);
    evaluator.text(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    ))
}

pub(super) fn parse<'a>(
    evaluator: &mut Evaluator<'a>,
    mut arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let value = take(&mut arguments, 0);
    let Some(text) = value.as_str() else { return Ok(Value::Undefined) };
    evaluator.steps(text.len() / 2)?;
    evaluator.charge(text.len().saturating_mul(8))?;
    match stepwright_json::parse(text) {
        Ok(json) => Ok(evaluator.borrow(json)),
        Err(error) => {
            let why = format!("The argument of the parse function must be a JSON text: {error}");
            Err(Fault::new("D3137").value(Some(Json::from(text))).text(why))
        }
    }
}
