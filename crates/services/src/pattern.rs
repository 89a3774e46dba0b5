//! Patterns of events, as `EventBridge`'s rules and SNS's filter policies have them.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use std::net::IpAddr;
use stepwright_json::{Json, Object};

/// A pattern that was checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    fields: Vec<(String, Field)>,
    /// Of each of these lists, one must match.
    either: Vec<Vec<Pattern>>,
}

/// What is wanted of a field.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Within(Pattern),
    /// One of these.
    One(Vec<Test>),
}

/// A test of a value.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    Is(Json),
    Prefix(String, bool),
    Suffix(String, bool),
    IgnoreCase(String),
    Wildcard(String),
    Numeric(Vec<(Comparison, f64)>),
    Cidr(IpAddr, u8),
    Exists(bool),
    /// None of these.
    Not(Vec<Test>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The deepest pattern.
const DEPTH: usize = 64;

impl Pattern {
    /// Checks a pattern; the error says what is wrong, as a sentence.
    pub(crate) fn read(pattern: &Json) -> Result<Self, String> {
        let Json::Object(members) = pattern else {
            return Err("Filter is not an object".to_owned());
        };
        Self::of(members, DEPTH)
    }

    fn of(members: &Object, depth: usize) -> Result<Self, String> {
        if members.is_empty() {
            return Err("Empty objects are not allowed".to_owned());
        }
        if depth == 0 {
            return Err("Event pattern is too deep".to_owned());
        }
        let mut pattern = Self { fields: Vec::new(), either: Vec::new() };
        for (name, value) in members.iter() {
            if name == "$or" {
                let Json::Array(options) = value else {
                    return Err("`$or` must be an array".to_owned());
                };
                if options.len() < 2 {
                    return Err("There must have at least 2 Objects in $or relationship".to_owned());
                }
                let options = options.iter().map(|one| match one {
                    Json::Object(members) => Self::of(members, depth - 1),
                    _ => Err("Only JSON object is allowed in array of $or relationship".to_owned()),
                });
                pattern.either.push(options.collect::<Result<_, _>>()?);
                continue;
            }
            let field = match value {
                Json::Object(members) => Field::Within(Self::of(members, depth - 1)?),
                Json::Array(tests) if tests.is_empty() => {
                    return Err("Empty arrays are not allowed".to_owned());
                }
                Json::Array(tests) => Field::One(tests.iter().map(test).collect::<Result<_, _>>()?),
                _ => return Err(format!("\"{name}\" must be an object or an array")),
            };
            pattern.fields.push((name.to_string(), field));
        }
        Ok(pattern)
    }

    /// Whether an event matches.
    pub(crate) fn matches(&self, event: &Json) -> bool {
        match event {
            // One of the items must match as a whole.
            Json::Array(items) => items.iter().any(|item| self.matches(item)),
            event => {
                self.fields.iter().all(|(name, field)| field.matches(event.get(name)))
                    && self
                        .either
                        .iter()
                        .all(|options| options.iter().any(|option| option.matches(event)))
            }
        }
    }
}

impl Field {
    fn matches(&self, value: Option<&Json>) -> bool {
        match (self, value) {
            (Self::Within(pattern), Some(value)) => pattern.matches(value),
            // Something may be wanted not to be there.
            (Self::Within(pattern), None) => pattern.matches(&Json::Object(Object::new())),
            (Self::One(tests), value) => tests.iter().any(|test| test.matches(value)),
        }
    }
}

impl Test {
    fn matches(&self, value: Option<&Json>) -> bool {
        match (self, value) {
            (Self::Exists(wanted), value) => {
                let is_there = value.is_some_and(|value| !matches!(value, Json::Object(_)));
                is_there == *wanted
            }
            (_, None) => false,
            (Self::Not(tests), Some(Json::Array(items))) => {
                items.iter().any(|item| !tests.iter().any(|test| test.holds(item)))
            }
            (Self::Not(tests), Some(value)) => !tests.iter().any(|test| test.holds(value)),
            (test, Some(Json::Array(items))) => items.iter().any(|item| test.holds(item)),
            (test, Some(value)) => test.holds(value),
        }
    }

    /// Whether the test holds of one value.
    fn holds(&self, value: &Json) -> bool {
        let text = value.as_str();
        let lower = |text: &str| text.to_lowercase();
        match self {
            Self::Is(wanted) => wanted.same(value),
            Self::Prefix(start, false) => text.is_some_and(|text| text.starts_with(start.as_str())),
            Self::Prefix(start, true) => {
                text.is_some_and(|text| lower(text).starts_with(&lower(start)))
            }
            Self::Suffix(end, false) => text.is_some_and(|text| text.ends_with(end.as_str())),
            Self::Suffix(end, true) => text.is_some_and(|text| lower(text).ends_with(&lower(end))),
            Self::IgnoreCase(wanted) => text.is_some_and(|text| lower(text) == lower(wanted)),
            Self::Wildcard(pattern) => text.is_some_and(|text| wildcard(pattern, text)),
            Self::Numeric(comparisons) => {
                value.as_f64().filter(|_| value.is_number()).is_some_and(|number| {
                    comparisons.iter().all(|(comparison, with)| comparison.holds(number, *with))
                })
            }
            Self::Cidr(network, bits) => text
                .and_then(|text| text.parse().ok())
                .is_some_and(|address| is_in_network(address, *network, *bits)),
            Self::Exists(_) | Self::Not(_) => self.matches(Some(value)),
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, with: f64) -> bool {
        match self {
            Self::Equal => number == with,
            Self::Less => number < with,
            Self::AtMost => number <= with,
            Self::More => number > with,
            Self::AtLeast => number >= with,
        }
    }
}

fn test(given: &Json) -> Result<Test, String> {
    let Json::Object(members) = given else {
        return match given {
            Json::Array(_) => Err("Arrays are not allowed within arrays".to_owned()),
            value => Ok(Test::Is(value.clone())),
        };
    };
    let mut members = members.iter();
    let (Some((operator, value)), None) = (members.next(), members.next()) else {
        return Err("Only one key allowed in match expression".to_owned());
    };
    let text = || {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| format!("{operator} match pattern must be a string"))
    };
    let folded = || value.get("equals-ignore-case").and_then(Json::as_str).map(str::to_owned);
    match operator.as_str() {
        "prefix" => match folded() {
            Some(text) => Ok(Test::Prefix(text, true)),
            None => Ok(Test::Prefix(text()?, false)),
        },
        "suffix" => match folded() {
            Some(text) => Ok(Test::Suffix(text, true)),
            None => Ok(Test::Suffix(text()?, false)),
        },
        "equals-ignore-case" => Ok(Test::IgnoreCase(text()?)),
        "wildcard" => {
            let text = text()?;
            if text.contains("**") {
                return Err("Consecutive wildcard characters are not allowed".to_owned());
            }
            Ok(Test::Wildcard(text))
        }
        "exists" => value
            .as_bool()
            .map(Test::Exists)
            .ok_or_else(|| "exists match pattern must be either true or false.".to_owned()),
        "numeric" => numeric(value).map(Test::Numeric),
        "cidr" => cidr(&text()?),
        "anything-but" => anything_but(value).map(Test::Not),
        unknown => Err(format!("Unrecognized match type {unknown}")),
    }
}

fn anything_but(value: &Json) -> Result<Vec<Test>, String> {
    match value {
        Json::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| match item {
                Json::String(_) => Ok(Test::Is(item.clone())),
                item if item.is_number() => Ok(Test::Is(item.clone())),
                _ => {
                    Err("Inside anything but list, start|null|boolean is not supported.".to_owned())
                }
            })
            .collect(),
        Json::String(_) => Ok(vec![Test::Is(value.clone())]),
        value if value.is_number() => Ok(vec![Test::Is(value.clone())]),
        Json::Object(members) => {
            let (operator, within) = members.iter().next().ok_or("anything-but is empty")?;
            if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&operator.as_str())
            {
                return Err(format!("Unsupported anything-but pattern: {operator}"));
            }
            let each = match within {
                Json::Array(items) => items.iter().cloned().collect::<Vec<_>>(),
                value => vec![value.clone()],
            };
            let one = |value: Json| {
                test(&Json::Object([(operator.clone(), value)].into_iter().collect()))
            };
            each.into_iter().map(one).collect()
        }
        _ => {
            Err("Value of anything-but must be an array or single string/number value.".to_owned())
        }
    }
}

fn numeric(value: &Json) -> Result<Vec<(Comparison, f64)>, String> {
    let wrong = || "Value of numeric must be an array of comparisons and numbers.".to_owned();
    let items = value.as_array().filter(|items| !items.is_empty() && items.len() % 2 == 0);
    let items = items.ok_or_else(wrong)?;
    if items.len() > 4 {
        return Err(wrong());
    }
    items
        .chunks(2)
        .map(|pair| {
            let comparison = match pair[0].as_str() {
                Some("=") => Comparison::Equal,
                Some("<") => Comparison::Less,
                Some("<=") => Comparison::AtMost,
                Some(">") => Comparison::More,
                Some(">=") => Comparison::AtLeast,
                _ => return Err("Unrecognized numeric range operator".to_owned()),
            };
            let number = pair[1].as_f64().filter(|_| pair[1].is_number()).ok_or_else(wrong)?;
            Ok((comparison, number))
        })
        .collect()
}

fn cidr(text: &str) -> Result<Test, String> {
    let wrong = || format!("Malformed CIDR, one '/' required: {text}");
    let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?;
    Ok(Test::Cidr(address, bits))
}

fn is_in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32_u32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (network, of)) = (wide(address), wide(network));
    let shift = width - u32::from(bits).min(width);
    width == of && address.checked_shr(shift) == network.checked_shr(shift)
}

/// Whether a text matches a pattern in which `*` stands for any characters, and `\` takes the meaning
/// from the character that follows. Takes time in proportion to both lengths at most.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut wanted: Vec<Option<char>> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        wanted.push(match c {
            '*' => None,
            '\\' => chars.next(),
            c => Some(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from, mut back) = (0, 0, None);
    while from < text.len() {
        match wanted.get(at) {
            Some(None) => {
                back = Some((at + 1, from));
                at += 1;
            }
            Some(Some(c)) if *c == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match back {
                Some((after, start)) => {
                    back = Some((after, start + 1));
                    at = after;
                    from = start + 1;
                }
                None => return false,
            },
        }
    }
    wanted[at..].iter().all(Option::is_none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, event: &str, expected: bool) {
        let pattern = Pattern::read(&stepwright_json::parse(pattern).unwrap()).unwrap();
        let event = stepwright_json::parse(event).unwrap();
        assert_eq!(pattern.matches(&event), expected, "{event}");
    }

    #[test]
    fn every_operator_has_its_meaning() {
        check(r#"{"a": ["x", 1]}"#, r#"{"a": "x"}"#, true);
        check(r#"{"a": ["x", 1]}"#, r#"{"a": 1.0}"#, true);
        check(r#"{"a": ["x", 1]}"#, r#"{"a": "1"}"#, false);
        check(r#"{"a": [null]}"#, r#"{"a": null}"#, true);
        check(r#"{"a": [null]}"#, "{}", false);
        check(r#"{"a": ["x"], "b": ["y"]}"#, r#"{"a": "x"}"#, false);
        check(r#"{"a": ["x"]}"#, r#"{"a": ["w", "x"]}"#, true);
        check(r#"{"a": {"b": ["x"]}}"#, r#"{"a": [{"b": "w"}, {"b": "x"}]}"#, true);
        check(r#"{"a": {"b": ["x"], "c": [1]}}"#, r#"{"a": [{"b": "x"}, {"c": 1}]}"#, false);
        check(r#"{"a": [{"prefix": "ab"}]}"#, r#"{"a": "abc"}"#, true);
        check(r#"{"a": [{"prefix": {"equals-ignore-case": "AB"}}]}"#, r#"{"a": "abc"}"#, true);
        check(r#"{"a": [{"suffix": ".png"}]}"#, r#"{"a": "x.png"}"#, true);
        check(r#"{"a": [{"suffix": {"equals-ignore-case": ".PNG"}}]}"#, r#"{"a": "x.png"}"#, true);
        check(r#"{"a": [{"equals-ignore-case": "AlIce"}]}"#, r#"{"a": "alice"}"#, true);
        check(r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": "y"}"#, true);
        check(r#"{"a": [{"anything-but": ["x", "y"]}]}"#, r#"{"a": "y"}"#, false);
        check(r#"{"a": [{"anything-but": {"prefix": "in"}}]}"#, r#"{"a": "out"}"#, true);
        check(
            r#"{"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#,
            r#"{"a": "a/lib/b"}"#,
            false,
        );
        check(r#"{"a": [{"anything-but": "x"}]}"#, "{}", false);
        check(r#"{"a": [{"numeric": ["=", 5]}]}"#, r#"{"a": 5}"#, true);
        check(r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 5}"#, true);
        check(r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 6}"#, false);
        check(r#"{"a": [{"numeric": ["=", 5]}]}"#, r#"{"a": "5"}"#, false);
        check(r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "10.0.0.255"}"#, true);
        check(r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "10.0.1.0"}"#, false);
        check(r#"{"a": [{"cidr": "0.0.0.0/0"}]}"#, r#"{"a": "1.2.3.4"}"#, true);
        check(r#"{"a": [{"exists": true}]}"#, r#"{"a": null}"#, true);
        check(r#"{"a": [{"exists": false}]}"#, "{}", true);
        check(r#"{"d": {"a": [{"exists": false}]}}"#, "{}", true);
        check(r#"{"a": [{"wildcard": "a*c*"}]}"#, r#"{"a": "abbbc"}"#, true);
        check(r#"{"a": [{"wildcard": "a\\*"}]}"#, r#"{"a": "ab"}"#, false);
        check(r#"{"$or": [{"a": ["x"]}, {"b": [1]}]}"#, r#"{"b": 1}"#, true);
        check(r#"{"c": [2], "$or": [{"a": ["x"]}, {"b": [1]}]}"#, r#"{"b": 1}"#, false);
    }

    #[test]
    fn wrong_patterns_are_refused() {
        let cases = [
            "[]",
            "{}",
            r#"{"a": "x"}"#,
            r#"{"a": []}"#,
            r#"{"a": [["x"]]}"#,
            r#"{"a": [{"like": "x"}]}"#,
            r#"{"a": [{"numeric": ["~", 1]}]}"#,
            r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
            r#"{"a": [{"exists": "yes"}]}"#,
            r#"{"$or": [{"a": [1]}]}"#,
            r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
        ];
        for case in cases {
            assert!(Pattern::read(&stepwright_json::parse(case).unwrap()).is_err(), "{case}");
        }
    }

    #[test]
    fn a_pattern_of_stars_takes_no_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!wildcard(&pattern, &"a".repeat(20_000)));
    }
}
