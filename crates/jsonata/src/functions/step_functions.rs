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
    let size = number_at(&arguments, 1).unwrap_or(f64::NAN);
    if size.is_nan() || size < 1.0 || size.fract() != 0.0 {
        return Err(Fault::new("D3151").value(arguments.get(1).and_then(Value::shown)).index(2));
    }
    evaluator.steps(items.len())?;
    evaluator.charge_items(items.len() * 3)?;
    let size = size.min(1e15) as usize;
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

pub(super) fn range<'a>(
    evaluator: &mut Evaluator<'a>,
    arguments: Args<'a>,
    _: &Caller<'_, 'a>,
) -> Result<Value<'a>> {
    let (Some(first), Some(last)) = (number_at(&arguments, 0), number_at(&arguments, 1)) else {
        return Ok(Value::Undefined);
    };
    let by = number_at(&arguments, 2).unwrap_or(1.0);
    if by == 0.0 || !by.is_finite() || !first.is_finite() || !last.is_finite() {
        return Err(Fault::new("D3152").value(arguments.get(2).and_then(Value::shown)).index(3));
    }
    let count = ((last - first) / by).floor() + 1.0;
    if count < 1.0 {
        return Ok(Value::array(Vec::new()));
    }
    if count > evaluator.limits.sequence as f64 {
        return Err(Fault::new("D2014")
            .value(Some(crate::number::to_json(count)))
            .text(evaluator.most_items()));
    }
    let count = count as usize;
    if count == 1 {
        // AWS makes a sequence, and a sequence of one is that one.
        return Ok(Value::from(Number::Float(first)));
    }
    evaluator.steps(count)?;
    evaluator.charge_items(count)?;
    let value = |at: usize| Value::from(Number::Float(first + at as f64 * by));
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
    let algorithm = arguments.get(1).and_then(Value::as_str).unwrap_or("SHA-256");
    evaluator.steps(text.len() / 16)?;
    let digest = match algorithm {
        "MD5" => Md5::digest(text).to_vec(),
        "SHA-1" => Sha1::digest(text).to_vec(),
        "SHA-256" => Sha256::digest(text).to_vec(),
        "SHA-384" => Sha384::digest(text).to_vec(),
        "SHA-512" => Sha512::digest(text).to_vec(),
        other => return Err(Fault::new("D3153").value(Some(other.into())).index(2)),
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
    evaluator.steps(text.len() / 8)?;
    evaluator.charge(text.len().saturating_mul(8))?;
    match stepwright_json::parse(text) {
        Ok(json) => Ok(evaluator.borrow(json)),
        Err(error) => {
            Err(Fault::new("D3150").value(Some(Json::from(text))).text(error.to_string()))
        }
    }
}
