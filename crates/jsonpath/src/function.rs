use crate::error::Fault;
use crate::evaluate::Scope;
use crate::program::{Program, Token};
use std::fmt;
use stepwright_json::{Json, Str};

/// A function at the end (or in the middle) of a path.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    name: Str,
    arguments: Vec<Argument>,
    /// For `length` and `size` of a path: the path with `.*` behind it.
    children: Option<Program>,
}

/// What stands between the brackets of a function.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    /// A value, if its text can be read as one.
    Literal(Option<Json>),
    Path(Program),
}

impl Function {
    pub(crate) fn new(name: &str, arguments: Option<Vec<Argument>>) -> Self {
        let mut function =
            Self { name: name.into(), arguments: arguments.unwrap_or_default(), children: None };
        function.look_at_children();
        function
    }

    /// Makes `scan` the only argument.
    pub(crate) fn take_scan(&mut self, scan: Program) {
        self.arguments = vec![Argument::Path(scan)];
        self.look_at_children();
    }

    /// The length of what a path leads to is asked as the number of its children.
    fn look_at_children(&mut self) {
        let Some(Argument::Path(path)) = self.arguments.first() else { return };
        if path.ends_in_function() || path.tokens.is_empty() {
            return;
        }
        let mut tokens = path.tokens.to_vec();
        tokens.push(Token::Wildcard);
        self.children = Some(Program::new(path.root, tokens));
    }

    /// The result for `model`.
    pub(crate) fn call(&self, model: &Json, scope: &Scope<'_>) -> Result<Json, Fault> {
        let length = match model {
            Json::Array(items) => items.len(),
            Json::Object(members) => members.len(),
            _ => 0,
        };
        scope.meter().spend((length / 8) as u64)?;
        match &*self.name {
            "avg" | "stddev" | "sum" | "min" | "max" => self.aggregate(model, scope),
            "concat" => self.concat(model, scope),
            "length" | "size" => self.length(model, scope),
            "append" => self.append(model, scope),
            "keys" => Ok(match model {
                Json::Object(object) => {
                    object.keys().cloned().map(Json::String).collect::<Vec<_>>().into()
                }
                _ => Json::Null,
            }),
            "first" => self.pick(model, scope, |_| Ok(0)),
            "last" => self.pick(model, scope, |_| Ok(-1)),
            "index" => self.pick(model, scope, |arguments| {
                let mut numbers = Vec::new();
                for value in arguments {
                    collect_numbers(value, &mut numbers);
                }
                match numbers.first() {
                    Some(index) => Ok(*index as i64),
                    None => Err(Fault::OutOfBounds("Index: 0, Size: 0".to_owned())),
                }
            }),
            name => Err(Fault::Invalid(format!("Function with name: {name} does not exist."))),
        }
    }

    /// The values of the arguments; paths begin at the root of the document.
    fn arguments(&self, scope: &Scope<'_>) -> Result<Vec<Json>, Fault> {
        let value = |argument: &Argument| match argument {
            Argument::Literal(Some(value)) => Ok(value.clone()),
            Argument::Literal(None) => Err(Fault::Failed("an argument is not JSON".to_owned())),
            Argument::Path(path) => path.evaluate(scope.root, &scope.lax()),
        };
        self.arguments.iter().map(value).collect()
    }

    fn aggregate(&self, model: &Json, scope: &Scope<'_>) -> Result<Json, Fault> {
        let arguments = self.arguments(scope)?;
        let mut numbers: Vec<f64> = Vec::new();
        if let Json::Array(items) = model {
            numbers.extend(items.iter().filter_map(Json::as_f64));
        }
        for value in &arguments {
            let length = value.as_array().map_or(1, |items| items.len());
            scope.meter().spend((length / 8) as u64 + 1)?;
            collect_numbers(value, &mut numbers);
        }
        if numbers.is_empty() {
            return Err(Fault::Failed(
                "Aggregation function attempted to calculate value using empty array".to_owned(),
            ));
        }
        let count = numbers.len() as f64;
        let sum = || numbers.iter().fold(0.0, |sum, number| sum + number);
        Ok(Json::Float(match &*self.name {
            "avg" => sum() / count,
            "sum" => sum(),
            "min" => numbers
                .iter()
                .fold(f64::MAX, |min, &number| if min > number { number } else { min }),
            // Jayway begins with Java's Double.MIN_VALUE, the smallest positive number.
            "max" => numbers
                .iter()
                .fold(f64::from_bits(1), |max, &number| if max < number { number } else { max }),
            _ => {
                let squares = numbers.iter().fold(0.0, |sum, number| sum + number * number);
                (squares / count - sum() * sum() / count / count).sqrt()
            }
        }))
    }

    fn concat(&self, model: &Json, scope: &Scope<'_>) -> Result<Json, Fault> {
        let arguments = self.arguments(scope)?;
        let mut text = String::new();
        // Nothing is written before it is known to fit.
        let mut add = |part: &Json| -> Result<(), Fault> {
            let bytes = part.measure().map_or(usize::MAX, |measure| measure.bytes);
            scope.meter().text(text.len().saturating_add(bytes))?;
            scope.meter().spend((bytes / 64) as u64)?;
            match part {
                Json::String(part) => text.push_str(part),
                other => other.write(&mut text),
            }
            Ok(())
        };
        if let Json::Array(items) = model {
            items.iter().filter(|item| item.as_str().is_some()).try_for_each(&mut add)?;
        }
        for argument in &arguments {
            match argument {
                Json::String(_) => add(argument)?,
                Json::Array(items) => {
                    items.iter().filter(|item| !item.is_null()).try_for_each(&mut add)?;
                }
                _ => {}
            }
        }
        Ok(Json::from(text))
    }

    fn length(&self, model: &Json, scope: &Scope<'_>) -> Result<Json, Fault> {
        self.arguments(scope)?;
        let found = match (self.arguments.first(), &self.children) {
            (Some(Argument::Literal(_)), _) => {
                return Err(Fault::Failed("length() takes a path".to_owned()));
            }
            (Some(Argument::Path(path)), Some(children)) => {
                // The last child, not all of them, if the path itself is definite.
                let found = children.evaluate(model, &scope.lax())?;
                match &found {
                    Json::Array(items) if path.is_definite() => {
                        items.last().cloned().ok_or_else(|| {
                            Fault::NotFound(format!("No results for path: {children}"))
                        })?
                    }
                    _ => found,
                }
            }
            (Some(Argument::Path(path)), None) => path.evaluate(model, &scope.lax())?,
            (None, _) => Json::Null,
        };
        Ok(match (&found, model) {
            (Json::Array(items), _) | (_, Json::Array(items)) => Json::from(items.len()),
            (_, Json::Object(object)) => Json::from(object.len()),
            _ => Json::Null,
        })
    }

    fn append(&self, model: &Json, scope: &Scope<'_>) -> Result<Json, Fault> {
        let arguments = self.arguments(scope)?;
        let mut model = model.clone();
        if let Json::Array(items) = &mut model {
            items.make_mut().extend(arguments);
        }
        Ok(model)
    }

    fn pick(
        &self,
        model: &Json,
        scope: &Scope<'_>,
        index: impl Fn(&[Json]) -> Result<i64, Fault>,
    ) -> Result<Json, Fault> {
        let arguments = self.arguments(scope)?;
        let Json::Array(items) = model else {
            return Err(Fault::Failed(
                "Aggregation function attempted to calculate value using empty array".to_owned(),
            ));
        };
        let index = index(&arguments)?;
        let len = items.len() as i64;
        let place = if index >= 0 { index } else { len + index };
        // From the end, the first element cannot be reached.
        if index < 0 && place <= 0 {
            return Err(Fault::Failed(format!(
                "Target index:{index} larger than object count:{len}"
            )));
        }
        usize::try_from(place)
            .ok()
            .and_then(|place| items.get(place))
            .cloned()
            .ok_or_else(|| Fault::OutOfBounds(format!("Index: {index}, Size: {len}")))
    }
}

/// The number a value is, or the numbers an array holds.
fn collect_numbers(value: &Json, numbers: &mut Vec<f64>) {
    match value {
        Json::Array(items) => numbers.extend(items.iter().filter_map(Json::as_f64)),
        other => numbers.extend(other.as_f64()),
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, if self.arguments.is_empty() { "" } else { "..." })
    }
}
