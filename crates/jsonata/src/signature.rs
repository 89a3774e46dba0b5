//! Function signatures such as `<s-nn?:s>`.

use crate::error::{Fault, Result};
use crate::value::{Items, Kind, Value};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use stepwright_json::Json;

/// The arguments of a call.
pub(crate) type Args<'a> = SmallVec<[Value<'a>; 4]>;

/// What a function takes.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    parameters: Vec<Parameter>,
}

#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
#[derive(Clone, Debug, Default)]
struct Parameter {
    /// The letters of the types it takes.
    types: String,
    is_array: bool,
    is_function: bool,
    /// What is in angle brackets after it.
    subtype: Option<String>,
    context: bool,
    optional: bool,
    many: bool,
    lazy: bool,
    choice: Option<String>,
}

/// How many arguments are held against a signature.
const MOST_ARGUMENTS: usize = 1_000;
/// How many parameters a signature may have: each is looked at within those before it.
const MOST_PARAMETERS: usize = 200;

impl Parameter {
    fn of(types: &str) -> Self {
        Self { types: types.to_owned(), ..Self::default() }
    }

    fn takes(&self, symbol: u8) -> bool {
        symbol == b'm' && !self.is_function || self.types.as_bytes().contains(&symbol)
    }
}

impl Signature {
    /// Reads a signature. An error comes with its place in the text.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, (usize, Box<Fault>)> {
        let chars: Vec<char> = text.chars().collect();
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut at = 1;
        while at < chars.len() && chars[at] != ':' {
            match chars[at] {
                letter @ ('s' | 'n' | 'b' | 'l' | 'o') => {
                    parameters.push(Parameter::of(&letter.to_string()));
                }
                'a' => parameters.push(Parameter { is_array: true, ..Parameter::of("asnblfo") }),
                'f' => parameters.push(Parameter { is_function: true, ..Parameter::of("f") }),
                'j' => parameters.push(Parameter::of("asnblo")),
                'x' => parameters.push(Parameter::of("asnblfo")),
                '-' => {
                    if let Some(last) = parameters.last_mut() {
                        last.context = true;
                        last.optional = true;
                    }
                }
                '?' => {
                    if let Some(last) = parameters.last_mut() {
                        if last.optional || last.many {
                            last.lazy = true;
                        }
                        last.optional |= !last.many;
                    }
                }
                '+' => {
                    if let Some(last) = parameters.last_mut() {
                        last.many = true;
                    }
                }
                '(' => {
                    let end = closing(&chars, at, '(', ')');
                    let choice: String = chars[at + 1..end.min(chars.len())].iter().collect();
                    if choice.contains('<') {
                        return Err((at, Fault::new("S0402").value(Some(choice.into()))));
                    }
                    let mut parameter = Parameter::of(&choice);
                    parameter.choice = Some(choice);
                    parameters.push(parameter);
                    at = end;
                }
                '<' => match parameters.last_mut() {
                    Some(last) if last.is_array || last.is_function => {
                        let end = closing(&chars, at, '<', '>');
                        last.subtype = Some(chars[at + 1..end.min(chars.len())].iter().collect());
                        at = end;
                    }
                    last => {
                        let shown = last.map(|last| match &last.choice {
                            Some(choice) => Json::from(format!("({choice})")),
                            None if last.types.len() == 1 => Json::from(last.types.as_str()),
                            None if last.types == "asnblo" => Json::from("j"),
                            None => Json::from("x"),
                        });
                        return Err((at, Fault::new("S0401").value(shown)));
                    }
                },
                _ => {}
            }
            at += 1;
        }
        if parameters.len() > MOST_PARAMETERS {
            return Err((at.min(chars.len()), Fault::new("S0402").value(Some(text.into()))));
        }
        Ok(Self { parameters })
    }

    /// The arguments as the function wants them: context and single items filled in.
    pub(crate) fn validate<'a>(
        &self,
        arguments: Args<'a>,
        context: &Value<'a>,
    ) -> Result<Args<'a>> {
        if arguments.len() > MOST_ARGUMENTS {
            return Err(Fault::new("T0410").index(MOST_ARGUMENTS + 1));
        }
        // The usual call has one plain argument for each parameter.
        let plain = arguments.len() == self.parameters.len()
            && self.parameters.iter().zip(&arguments).all(|(parameter, argument)| {
                !parameter.is_array && parameter.takes(symbol(argument))
            });
        if plain {
            return Ok(arguments);
        }
        let symbols: SmallVec<[u8; 8]> = arguments.iter().map(symbol).collect();
        let mut counts: SmallVec<[usize; 8]> = SmallVec::new();
        if !fit(&self.parameters, &symbols, &mut counts) {
            return Err(self.mismatch(&arguments, &symbols));
        }
        let mut validated = Args::new();
        let mut next = 0;
        let mut matched = 0;
        for (parameter, count) in self.parameters.iter().zip(&counts) {
            if *count == 0 {
                if parameter.context {
                    if !parameter.takes(symbol(context)) {
                        return Err(Fault::new("T0411").value(context.shown()).index(next + 1));
                    }
                    validated.push(context.clone());
                } else {
                    validated.push(arguments.get(next).cloned().unwrap_or_default());
                    next += 1;
                }
                continue;
            }
            let group = &symbols[matched..matched + count];
            matched += count;
            for kind in group {
                // As in jsonata-js, a parameter left out before takes its argument along.
                let argument = arguments.get(next).cloned().unwrap_or_default();
                validated.push(if parameter.is_array {
                    parameter.array(&argument, *kind, group, next)?
                } else {
                    argument
                });
                next += 1;
            }
        }
        Ok(validated)
    }

    fn mismatch(&self, arguments: &Args<'_>, symbols: &[u8]) -> Box<Fault> {
        let mut good = 0;
        for upto in 1..=self.parameters.len() {
            match longest(&self.parameters[..upto], symbols) {
                Some(length) => good = length,
                None => break,
            }
        }
        let value = arguments.get(good).and_then(Value::shown);
        Fault::new("T0410").value(value).index(good + 1)
    }
}

impl Parameter {
    fn array<'a>(
        &self,
        argument: &Value<'a>,
        kind: u8,
        group: &[u8],
        index: usize,
    ) -> Result<Value<'a>> {
        if kind == b'm' {
            return Ok(Value::Undefined);
        }
        if let Some(subtype) = &self.subtype {
            let right = match argument.items() {
                Some(items) => all_of(items, subtype.as_bytes().first().copied()),
                None => group == subtype.as_bytes(),
            };
            if !right {
                let kind = match subtype.as_str() {
                    "a" => Some("arrays"),
                    "b" => Some("booleans"),
                    "f" => Some("functions"),
                    "n" => Some("numbers"),
                    "o" => Some("objects"),
                    "s" => Some("strings"),
                    _ => None,
                };
                let mut fault = Fault::new("T0412").value(argument.shown()).index(index + 1);
                fault.text = kind.map(str::to_owned);
                return Err(fault);
            }
        }
        Ok(if kind == b'a' { argument.clone() } else { Value::array(vec![argument.clone()]) })
    }
}

fn all_of(items: Items<'_, '_>, wanted: Option<u8>) -> bool {
    match items {
        Items::Json(items) => items.iter().all(|item| Some(json_symbol(item)) == wanted),
        Items::Made(items) if wanted == Some(b'n') => {
            items.iter().all(|item| item.number().is_some())
        }
        Items::Made(items) => items.iter().all(|item| Some(symbol(item)) == wanted),
    }
}

fn json_symbol(json: &Json) -> u8 {
    match json {
        Json::Null => b'l',
        Json::Bool(_) => b'b',
        Json::Int(_) | Json::Float(_) | Json::BigInt(_) => b'n',
        Json::String(_) => b's',
        Json::Array(_) => b'a',
        Json::Object(_) => b'o',
    }
}

/// The letter of the type of a value.
pub(crate) fn symbol(value: &Value<'_>) -> u8 {
    match value.kind() {
        Kind::Undefined => b'm',
        Kind::Null => b'l',
        Kind::Bool(_) => b'b',
        Kind::Number(_) => b'n',
        Kind::Text(_) => b's',
        Kind::Array(_) => b'a',
        Kind::Object(_) => b'o',
        Kind::Function => b'f',
    }
}

fn closing(chars: &[char], open_at: usize, open: char, close: char) -> usize {
    let mut depth = 1;
    let mut at = open_at;
    while at < chars.len() {
        at += 1;
        match chars.get(at) {
            Some(char) if *char == close => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            Some(char) if *char == open => depth += 1,
            _ => {}
        }
    }
    at
}

/// How many arguments each parameter takes, as a regular expression over the types would have it.
fn fit(parameters: &[Parameter], symbols: &[u8], counts: &mut SmallVec<[usize; 8]>) -> bool {
    fit_from(parameters, symbols, counts, &mut FxHashSet::default())
}

/// As [`fit`]. `failed` has how many parameters and symbols were left where nothing fitted, so that
/// nothing is tried twice.
fn fit_from(
    parameters: &[Parameter],
    symbols: &[u8],
    counts: &mut SmallVec<[usize; 8]>,
    failed: &mut FxHashSet<(usize, usize)>,
) -> bool {
    let Some((parameter, rest)) = parameters.split_first() else { return symbols.is_empty() };
    let place = (parameters.len(), symbols.len());
    if failed.contains(&place) {
        return false;
    }
    let (least, most) = parameter.bounds(symbols);
    let mut attempt = |count: usize| {
        counts.push(count);
        let fits = fit_from(rest, &symbols[count..], counts, failed);
        if !fits {
            counts.pop();
        }
        fits
    };
    let fits = if parameter.lazy {
        (least..=most).any(&mut attempt)
    } else {
        (least..=most).rev().any(&mut attempt)
    };
    if !fits {
        failed.insert(place);
    }
    fits
}

/// How many of the first symbols the parameters take when nothing has to follow.
fn longest(parameters: &[Parameter], symbols: &[u8]) -> Option<usize> {
    longest_from(parameters, symbols, &mut FxHashSet::default())
}

/// As [`longest`]; `failed` is that of [`fit_from`].
fn longest_from(
    parameters: &[Parameter],
    symbols: &[u8],
    failed: &mut FxHashSet<(usize, usize)>,
) -> Option<usize> {
    let Some((parameter, rest)) = parameters.split_first() else { return Some(0) };
    let place = (parameters.len(), symbols.len());
    if failed.contains(&place) {
        return None;
    }
    let (least, most) = parameter.bounds(symbols);
    let mut attempt =
        |count: usize| longest_from(rest, &symbols[count..], failed).map(|length| length + count);
    let found = if parameter.lazy {
        (least..=most).find_map(&mut attempt)
    } else {
        (least..=most).rev().find_map(&mut attempt)
    };
    if found.is_none() {
        failed.insert(place);
    }
    found
}

impl Parameter {
    fn bounds(&self, symbols: &[u8]) -> (usize, usize) {
        let reach = if self.many { symbols.len() } else { symbols.len().min(1) };
        let most = symbols[..reach].iter().take_while(|symbol| self.takes(**symbol)).count();
        let least = usize::from(!self.optional);
        if most < least { (1, 0) } else { (least, most) }
    }
}
