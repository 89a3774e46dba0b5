//! What Java does where it can be seen: AWS's service is written in it, and hands on the order of
//! its hash maps, the numbers of its generator and the texts of its values.

use crate::Json;
use crate::deep::{self, Fold};
use crate::object::Walk;

/// `java.util.Random`.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    const MASK: u64 = (1 << 48) - 1;
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;

    /// The generator with this seed.
    pub fn new(seed: i64) -> Self {
        Self { state: (seed as u64 ^ Self::MULTIPLIER) & Self::MASK }
    }

    /// The next `count` bits, at most 32.
    fn bits(&mut self, count: u32) -> u32 {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        (self.state >> (48 - count)) as u32
    }

    /// `nextInt(bound)`: a number from 0 below `bound`. None where Java refuses the bound.
    pub fn below(&mut self, bound: i32) -> Option<i32> {
        if bound <= 0 {
            return None;
        }
        let mut bits = self.bits(31) as i32;
        if bound & (bound - 1) == 0 {
            return Some(((i64::from(bound) * i64::from(bits)) >> 31) as i32);
        }
        loop {
            let number = bits % bound;
            // The last numbers are left out, so that all are equally likely.
            if bits.checked_sub(number).and_then(|n| n.checked_add(bound - 1)).is_some() {
                return Some(number);
            }
            bits = self.bits(31) as i32;
        }
    }

    /// `nextDouble()`: a number from 0 below 1.
    pub fn fraction(&mut self) -> f64 {
        let high = u64::from(self.bits(26));
        let low = u64::from(self.bits(27));
        ((high << 27) + low) as f64 / (1u64 << 53) as f64
    }
}

/// `String.hashCode()`.
pub fn hash_text(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `Objects.hashCode` of a JSON value that was read into maps, lists, boxed numbers and strings.
pub fn hash(value: &Json) -> i32 {
    deep::fold(
        value,
        &Fold {
            scalar: hash_scalar,
            array: 1,
            item: |all, item| all.wrapping_mul(31).wrapping_add(item),
            object: 0,
            member: |all, key, value| all.wrapping_add(hash_text(key) ^ value),
        },
    )
}

fn hash_scalar(value: &Json) -> i32 {
    match value {
        Json::Bool(true) => 1231,
        Json::Bool(false) => 1237,
        Json::Int(number) => match i32::try_from(*number) {
            Ok(number) => number,
            Err(_) => fold(*number as u64),
        },
        Json::Float(number) => fold(number.to_bits()),
        Json::BigInt(digits) => hash_digits(digits),
        Json::String(text) => hash_text(text),
        Json::Null | Json::Array(_) | Json::Object(_) => 0,
    }
}

/// `Long.hashCode`
fn fold(bits: u64) -> i32 {
    (bits ^ (bits >> 32)) as i32
}

/// `BigInteger.hashCode`
fn hash_digits(digits: &str) -> i32 {
    let mut words: Vec<u32> = Vec::new();
    for digit in digits.bytes().filter(u8::is_ascii_digit) {
        let mut carry = u64::from(digit - b'0');
        for word in &mut words {
            carry += u64::from(*word) * 10;
            *word = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            words.push(carry as u32);
        }
    }
    let hash = words
        .iter()
        .rev()
        .fold(0i32, |hash, word| hash.wrapping_mul(31).wrapping_add(*word as i32));
    if digits.starts_with('-') { hash.wrapping_neg() } else { hash }
}

/// Puts things into the order in which a `java.util.HashMap` or `HashSet` lists them that got them
/// one after the other, having room for `room` things from the beginning.
pub fn hash_order<T>(things: &mut [T], room: usize, hash: impl Fn(&T) -> i32) {
    let mut table = room.max(16).next_power_of_two();
    // A table that is three quarters full is doubled.
    while things.len() > table / 4 * 3 {
        table *= 2;
    }
    things.sort_by_key(|thing| {
        let hash = hash(thing) as u32;
        (hash ^ (hash >> 16)) as usize & (table - 1)
    });
}

/// How many things `new HashSet<>(things)` makes room for.
pub fn room_for(things: usize) -> usize {
    things * 4 / 3 + 1
}

/// `Math.round`: the nearest whole number, half of one upwards.
pub fn round(number: f64) -> i64 {
    let floor = number.floor();
    let up = number - floor >= 0.5;
    (if up { floor + 1.0 } else { floor }) as i64
}

/// Adds `String.valueOf` of a value: a text as it is, an object or array as maps and lists are
/// printed (`{Id=1, Name=x}`). Without recursion, however deep the value is.
pub fn write_text(value: &Json, out: &mut String) {
    let mut open: Vec<Printed<'_>> = Vec::new();
    let mut value = value;
    loop {
        let mut first = false;
        match value {
            Json::Array(items) => {
                out.push('[');
                open.push(Printed::Array(items.iter()));
                first = true;
            }
            Json::Object(members) => {
                out.push('{');
                open.push(Printed::Object(members.walk()));
                first = true;
            }
            Json::String(text) => out.push_str(text),
            scalar => scalar.write(out),
        }
        value = loop {
            let Some(last) = open.last_mut() else { return };
            let (key, next, close) = match last {
                Printed::Array(rest) => (None, rest.next(), ']'),
                Printed::Object(rest) => match rest.next() {
                    Some((key, value)) => (Some(key), Some(value), '}'),
                    None => (None, None, '}'),
                },
            };
            let Some(next) = next else {
                out.push(close);
                open.pop();
                first = false;
                continue;
            };
            if !first {
                out.push_str(", ");
            }
            if let Some(key) = key {
                out.push_str(key);
                out.push('=');
            }
            break next;
        };
    }
}

/// What is left to print of an array or object.
enum Printed<'j> {
    Array(std::slice::Iter<'j, Json>),
    Object(Walk<'j>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_java() {
        let first = |seed, bound| Random::new(seed).below(bound);
        assert_eq!(first(42, 10), Some(0));
        assert_eq!(first(0, 9), Some(6));
        assert_eq!(first(-10, 9), Some(0));
        assert_eq!(first(1, 16), Some(11));
        assert_eq!(first(7, i32::MAX), Some(1_569_164_236));
        assert_eq!(first(7, 0), None);
        assert_eq!(Random::new(42).fraction().to_bits(), 0.727_563_680_032_868_1_f64.to_bits());
    }

    #[track_caller]
    fn check_hash(text: &str, expected: i32) {
        assert_eq!(hash(&crate::parse(text).expect("the text is JSON")), expected, "{text}");
    }

    #[test]
    fn hashes_are_those_of_java() {
        check_hash(r#""quantity""#, -1_285_004_149);
        check_hash("[1,2]", 994);
        check_hash("-9007199254740991", -2_097_151);
        check_hash("1.5", 1_073_217_536);
        check_hash("123456789012345678901234567890", 1_915_528_825);
        check_hash("-123456789012345678901234567890", -1_915_528_825);
        check_hash(r#"{"a":1,"b":[null,true]}"#, 2_386);
    }

    #[test]
    fn sets_are_listed_by_their_buckets() {
        let listed = |text: &str| {
            let mut items = crate::parse(text).unwrap().as_array().unwrap().to_vec();
            let room = room_for(items.len());
            hash_order(&mut items, room, hash);
            Json::from(items).to_string()
        };
        assert_eq!(listed("[true,false]"), "[false,true]");
        assert_eq!(listed("[[1,2],[2,1]]"), "[[2,1],[1,2]]");
        assert_eq!(listed(r#"[1,"1","01",null]"#), r#"[null,1,"1","01"]"#);
        assert_eq!(listed("[16,1,17,0]"), "[16,0,1,17]");
    }

    #[test]
    fn maps_are_listed_by_their_buckets() {
        let mut keys = [
            "value",
            "offsetFromContext",
            "raw",
            "sku",
            "quantity",
            "customerId",
            "customerName",
            "executionInputEcho",
            "generated",
            "position",
            "color",
            "region",
            "first",
            "second",
        ];
        hash_order(&mut keys, 0, |key| hash_text(key));
        let listed = [
            "quantity",
            "color",
            "raw",
            "customerName",
            "offsetFromContext",
            "second",
            "generated",
            "customerId",
            "executionInputEcho",
            "position",
            "sku",
            "region",
            "value",
            "first",
        ];
        assert_eq!(keys, listed);
    }

    #[test]
    fn halves_are_rounded_upwards() {
        for (number, expected) in
            [(1.5, 2), (-1.5, -1), (-0.5, 0), (2.4, 2), (0.499_999_999_999_999_94, 0), (-1.6, -2)]
        {
            assert_eq!(round(number), expected, "{number}");
        }
        assert_eq!(round(f64::INFINITY), i64::MAX);
    }
}
