//! CBOR (RFC 8949) as values: `A1 61 61 01` is a map whose key `a` has the value 1.

use super::DEPTH;

/// The tags of integers that have more than 64 bits.
const BIG: u64 = 2;
const BIG_AND_NEGATIVE: u64 = 3;

/// A value of CBOR.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::codec) enum Value {
    /// `null` and `undefined`.
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Tag(u64, Box<Value>),
}

impl Value {
    pub(in crate::codec) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// The kinds of items, which are the first three bits of each.
mod major {
    pub(super) const POSITIVE: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

/// Writes a value.
pub(super) fn write(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Null => into.push(0xf6),
        Value::Bool(value) => into.push(0xf4 + u8::from(*value)),
        Value::Integer(number) => integer(*number, into),
        Value::Float(number) => {
            // The shorter one if it is the same number.
            let short = *number as f32;
            if f64::from(short).to_bits() == number.to_bits() {
                into.push(0xfa);
                into.extend(short.to_be_bytes());
            } else {
                into.push(0xfb);
                into.extend(number.to_be_bytes());
            }
        }
        Value::Text(text) => {
            head(major::TEXT, text.len() as u64, into);
            into.extend_from_slice(text.as_bytes());
        }
        Value::Bytes(bytes) => {
            head(major::BYTES, bytes.len() as u64, into);
            into.extend_from_slice(bytes);
        }
        Value::Array(items) => {
            head(major::ARRAY, items.len() as u64, into);
            for item in items {
                write(item, into);
            }
        }
        Value::Map(members) => {
            head(major::MAP, members.len() as u64, into);
            for (key, one) in members {
                write(key, into);
                write(one, into);
            }
        }
        Value::Tag(tag, value) => {
            head(major::TAG, *tag, into);
            write(value, into);
        }
    }
}

fn integer(number: i128, into: &mut Vec<u8>) {
    // -1 is written as 0, -2 as 1.
    let (major, tag, size) = match u128::try_from(number) {
        Ok(number) => (major::POSITIVE, BIG, number),
        Err(_) => (major::NEGATIVE, BIG_AND_NEGATIVE, !number as u128),
    };
    if let Ok(size) = u64::try_from(size) {
        head(major, size, into);
    } else {
        head(major::TAG, tag, into);
        let zeros = size.leading_zeros() as usize / 8;
        head(major::BYTES, 16 - zeros as u64, into);
        into.extend_from_slice(&size.to_be_bytes()[zeros..]);
    }
}

/// The beginning of an item, with its number or length in as few bytes as it takes.
fn head(major: u8, number: u64, into: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = number.to_be_bytes();
    match number {
        0..24 => into.push(major | number as u8),
        24..0x100 => into.extend([major | 0x18, bytes[7]]),
        0x100..0x1_0000 => into.extend([major | 0x19, bytes[6], bytes[7]]),
        0x1_0000..0x1_0000_0000 => {
            into.push(major | 0x1a);
            into.extend_from_slice(&bytes[4..]);
        }
        _ => {
            into.push(major | 0x1b);
            into.extend_from_slice(&bytes);
        }
    }
}

/// Reads the value that some bytes begin with. The error says what is wrong and where.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0 };
    reader.value(0)
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// The beginning of an item.
struct Head {
    major: u8,
    /// The last five bits of the first byte.
    short: u8,
    /// The number or length. `None` if the item goes on until a break, or is that break.
    number: Option<u64>,
}

impl Head {
    fn is_break(&self) -> bool {
        self.major == major::SIMPLE && self.number.is_none()
    }
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: u64) -> Result<&'b [u8], String> {
        let left = &self.bytes[self.at..];
        if count > left.len() as u64 {
            return Err(format!("it ends within a value, after {} bytes", self.bytes.len()));
        }
        self.at += count as usize;
        Ok(&left[..count as usize])
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what}, before byte {}", self.at)
    }

    fn head(&mut self) -> Result<Head, String> {
        let first = self.take(1)?[0];
        let (major, short) = (first >> 5, first & 31);
        let number = match short {
            0..24 => Some(u64::from(short)),
            24..28 => {
                let bytes = self.take(1 << (short - 24))?;
                Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            31 if !matches!(major, major::POSITIVE | major::NEGATIVE | major::TAG) => None,
            _ => return Err(self.wrong("there is no such value")),
        };
        Ok(Head { major, short, number })
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        let head = self.head()?;
        self.rest(head, depth)
    }

    /// The next item of a list of so many, or of one that a break ends.
    fn next(&mut self, left: &mut Option<u64>, depth: usize) -> Result<Option<Value>, String> {
        match left {
            Some(0) => Ok(None),
            Some(left) => {
                *left -= 1;
                Ok(Some(self.value(depth)?))
            }
            None => {
                let head = self.head()?;
                if head.is_break() { Ok(None) } else { Ok(Some(self.rest(head, depth)?)) }
            }
        }
    }

    fn rest(&mut self, head: Head, depth: usize) -> Result<Value, String> {
        if depth >= DEPTH {
            return Err(self.wrong("it is too deep"));
        }
        let mut left = head.number;
        Ok(match (head.major, head.number) {
            (major::POSITIVE, Some(number)) => Value::Integer(number.into()),
            (major::NEGATIVE, Some(number)) => Value::Integer(!i128::from(number)),
            (major::BYTES, length) => Value::Bytes(self.pieces(major::BYTES, length)?),
            (major::TEXT, length) => {
                let text = String::from_utf8(self.pieces(major::TEXT, length)?);
                Value::Text(text.map_err(|_| self.wrong("a text is not UTF-8"))?)
            }
            (major::ARRAY, _) => {
                let mut items = Vec::new();
                while let Some(item) = self.next(&mut left, depth + 1)? {
                    items.push(item);
                }
                Value::Array(items)
            }
            (major::MAP, _) => {
                let mut members = Vec::new();
                while let Some(key) = self.next(&mut left, depth + 1)? {
                    members.push((key, self.value(depth + 1)?));
                }
                Value::Map(members)
            }
            (major::TAG, Some(tag)) => match (tag, self.value(depth + 1)?) {
                (BIG | BIG_AND_NEGATIVE, Value::Bytes(bytes)) => big(tag, bytes),
                (_, value) => Value::Tag(tag, Box::new(value)),
            },
            (_, Some(number)) => self.simple(head.short, number)?,
            (_, None) => return Err(self.wrong("a break where a value should be")),
        })
    }

    /// The bytes of a text or of bytes, which may come in pieces that have a length each.
    fn pieces(&mut self, major: u8, length: Option<u64>) -> Result<Vec<u8>, String> {
        if let Some(length) = length {
            return Ok(self.take(length)?.to_vec());
        }
        let mut all = Vec::new();
        loop {
            let head = self.head()?;
            match head.number {
                Some(length) if head.major == major => all.extend_from_slice(self.take(length)?),
                None if head.is_break() => return Ok(all),
                _ => return Err(self.wrong("a piece is of another kind than the whole")),
            }
        }
    }

    fn simple(&self, short: u8, number: u64) -> Result<Value, String> {
        Ok(match (short, number) {
            (20, _) => Value::Bool(false),
            (21, _) => Value::Bool(true),
            (22 | 23, _) => Value::Null,
            (25, bits) => Value::Float(half(bits as u16)),
            (26, bits) => Value::Float(f32::from_bits(bits as u32).into()),
            (27, bits) => Value::Float(f64::from_bits(bits)),
            _ => return Err(self.wrong("there is no such value")),
        })
    }
}

/// An integer in bytes, if it has at most 127 bits.
fn big(tag: u64, bytes: Vec<u8>) -> Value {
    let digits: &[u8] = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let size = (digits.len() <= 16)
        .then(|| digits.iter().fold(0_u128, |size, byte| size << 8 | u128::from(*byte)));
    match size.and_then(|size| i128::try_from(size).ok()) {
        Some(size) => Value::Integer(if tag == BIG { size } else { !size }),
        None => Value::Tag(tag, Box::new(Value::Bytes(bytes))),
    }
}

/// A number of 16 bits: a sign, five bits of the exponent, ten of the fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1_024.0) * 2_f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(value, &mut bytes);
        bytes
    }

    /// What another implementation makes of the same bytes.
    fn others(value: ciborium::Value) -> Value {
        use ciborium::Value as Other;
        match value {
            Other::Null => Value::Null,
            Other::Bool(value) => Value::Bool(value),
            Other::Integer(number) => Value::Integer(number.into()),
            Other::Float(number) => Value::Float(number),
            Other::Text(text) => Value::Text(text),
            Other::Bytes(bytes) => Value::Bytes(bytes),
            Other::Array(items) => Value::Array(items.into_iter().map(others).collect()),
            Other::Map(members) => {
                let both = |(key, one)| (others(key), others(one));
                Value::Map(members.into_iter().map(both).collect())
            }
            Other::Tag(tag @ (BIG | BIG_AND_NEGATIVE), value) => match others(*value) {
                Value::Bytes(bytes) => big(tag, bytes),
                value => Value::Tag(tag, Box::new(value)),
            },
            Other::Tag(tag, value) => Value::Tag(tag, Box::new(others(*value))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_here_and_by_others() {
        let sizes = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000];
        let mut values: Vec<Value> = sizes.iter().map(|size| Value::Integer(*size)).collect();
        values.extend(sizes.iter().map(|size| Value::Integer(!size)));
        for number in [i128::from(u64::MAX), !i128::from(u64::MAX), 1 << 64, -(1 << 70)] {
            values.push(Value::Integer(number));
        }
        for number in [0.0, -0.0, 1.5, 0.1, 1e300, f64::MIN_POSITIVE, f64::INFINITY] {
            values.push(Value::Float(number));
            values.push(Value::Float(-number));
        }
        values.extend([Value::Null, Value::Bool(true), Value::Bool(false)]);
        for length in [0, 1, 23, 24, 300, 70_000] {
            values.push(Value::Text("ä".repeat(length)));
            values.push(Value::Bytes(vec![7; length]));
            values.push(Value::Array(vec![Value::Null; length]));
        }
        values.push(Value::Tag(1, Box::new(Value::Float(1.5))));
        let members = values.iter().take(40).cloned();
        let members = members.enumerate().map(|(at, one)| (Value::Text(at.to_string()), one));
        values.push(Value::Map(members.collect()));
        for value in values {
            let bytes = written(&value);
            assert_eq!(read(&bytes).as_ref(), Ok(&value), "{bytes:x?}");
            let other: ciborium::Value = ciborium::from_reader(&bytes[..]).expect("it is CBOR");
            assert_eq!(others(other), value, "{bytes:x?}");
            // Whatever is cut off is missed.
            for end in 0..bytes.len().min(200) {
                assert!(read(&bytes[..end]).is_err(), "{end} of {bytes:x?}");
            }
        }
        assert_eq!(written(&Value::Float(1.5)), [0xfa, 0x3f, 0xc0, 0, 0]);
    }

    #[test]
    fn what_others_write_is_read() {
        // The examples of RFC 8949, appendix A.
        for (hex, expected) in [
            ("f90000", Value::Float(0.0)),
            ("f93c00", Value::Float(1.0)),
            ("f97bff", Value::Float(65_504.0)),
            ("f90001", Value::Float(5.960_464_477_539_063e-8)),
            ("f90400", Value::Float(0.000_061_035_156_25)),
            ("f9c400", Value::Float(-4.0)),
            ("f97c00", Value::Float(f64::INFINITY)),
            ("f9fc00", Value::Float(f64::NEG_INFINITY)),
            ("c249010000000000000000", Value::Integer(1 << 64)),
            ("c349010000000000000000", Value::Integer(-(1 << 64) - 1)),
            ("f7", Value::Null),
            ("5f42010243030405ff", Value::Bytes(vec![1, 2, 3, 4, 5])),
            ("7f657374726561646d696e67ff", Value::Text("streaming".to_owned())),
            (
                "9f018202039f0405ffff",
                Value::Array(vec![
                    Value::Integer(1),
                    Value::Array(vec![Value::Integer(2), Value::Integer(3)]),
                    Value::Array(vec![Value::Integer(4), Value::Integer(5)]),
                ]),
            ),
            (
                "bf6346756ef563416d7421ff",
                Value::Map(vec![
                    (Value::Text("Fun".to_owned()), Value::Bool(true)),
                    (Value::Text("Amt".to_owned()), Value::Integer(-2)),
                ]),
            ),
        ] {
            let bytes = hex::decode(hex).expect("it is hexadecimal");
            assert_eq!(read(&bytes), Ok(expected), "{hex}");
        }
        let nan = read(&[0xf9, 0x7e, 0]).expect("it is CBOR");
        assert!(matches!(nan, Value::Float(number) if number.is_nan()));
        let long = [&[0xc2, 0x51][..], &[1; 17]].concat();
        let expected = Value::Tag(BIG, Box::new(Value::Bytes(vec![1; 17])));
        assert_eq!(read(&long), Ok(expected));
    }

    #[test]
    fn what_is_no_cbor_is_refused() {
        for (bytes, expected) in [
            (&[][..], "it ends within a value, after 0 bytes"),
            (&[0x1c], "there is no such value, before byte 1"),
            (&[0x1f], "there is no such value, before byte 1"),
            (&[0xe0], "there is no such value, before byte 1"),
            (&[0xff], "a break where a value should be, before byte 1"),
            (&[0x81, 0xff], "a break where a value should be, before byte 2"),
            (&[0xbf, 0x00, 0xff], "a break where a value should be, before byte 3"),
            (&[0x61, 0xff], "a text is not UTF-8, before byte 2"),
            (&[0x5f, 0x61, 0x61, 0xff], "a piece is of another kind than the whole, before byte 2"),
            // More than there is memory for.
            (&[0x9b, 0x7f, 0, 0, 0, 0, 0, 0, 0], "it ends within a value, after 9 bytes"),
            (&[0x5b, 0xff, 0, 0, 0, 0, 0, 0, 0], "it ends within a value, after 9 bytes"),
        ] {
            assert_eq!(read(bytes), Err(expected.to_owned()), "{bytes:x?}");
        }
        for byte in [0x81, 0x9f, 0xc1] {
            let error = read(&vec![byte; 1_000_000]).expect_err("it has no end");
            assert!(error.starts_with("it is too deep"), "{error}");
        }
    }
}
