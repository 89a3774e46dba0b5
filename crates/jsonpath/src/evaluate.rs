use crate::error::Fault;
use crate::limits::{Limits, Meter};
use crate::program::{Program, Slice, Token};
use std::cell::RefCell;
use stepwright_json::{Json, Object};

/// What an evaluation can see besides the value it is at.
#[derive(Debug)]
pub(crate) struct Scope<'s> {
    /// What `$` means.
    pub(crate) root: &'s Json,
    /// Whether a member that is missing is an error even behind a step that finds many.
    strict: bool,
    /// Whether nobody will read the messages.
    quiet: bool,
    shared: &'s Shared<'s>,
}

/// What all of one evaluation has in common.
#[derive(Debug)]
pub(crate) struct Shared<'l> {
    /// What paths from `$` in filters came to, by the place of their program: few enough to search
    /// from the front.
    cache: RefCell<Vec<(usize, Result<Json, Fault>)>>,
    /// Counts how many values are visited. Scans within scans visit each value many times.
    pub(crate) meter: Meter<'l>,
}

impl<'l> Shared<'l> {
    pub(crate) fn new(limits: Limits<'l>) -> Self {
        Self { cache: RefCell::default(), meter: Meter::new(limits) }
    }
}

impl<'s> Scope<'s> {
    pub(crate) fn new(root: &'s Json, shared: &'s Shared<'s>) -> Self {
        Self { root, strict: false, quiet: false, shared }
    }

    /// For a test of existence.
    pub(crate) fn strict(&self) -> Self {
        Self { root: self.root, strict: true, quiet: true, shared: self.shared }
    }

    /// For an operand or argument.
    pub(crate) fn lax(&self) -> Self {
        Self { root: self.root, strict: false, quiet: true, shared: self.shared }
    }

    /// Counts a visit; too many are an error.
    #[inline]
    fn visit(&self) -> Result<(), Fault> {
        self.shared.meter.spend(1)
    }

    /// What counts the evaluation's costs.
    pub(crate) fn meter(&self) -> &Meter<'s> {
        &self.shared.meter
    }

    /// Adds a result.
    #[inline]
    fn found(&self, results: &mut Vec<Json>, value: Json) -> Result<(), Fault> {
        self.shared.meter.results(results.len())?;
        results.push(value);
        Ok(())
    }

    /// That there is nothing; `message` only if somebody will read it.
    fn not_found(&self, message: impl FnOnce() -> String) -> Fault {
        Fault::NotFound(self.message(message))
    }

    /// The message, if somebody will read it.
    fn message(&self, message: impl FnOnce() -> String) -> String {
        if self.quiet { String::new() } else { message() }
    }

    /// The result of a path from `$`, computed once.
    pub(crate) fn cached(&self, program: &Program) -> Result<Json, Fault> {
        let place = std::ptr::from_ref(program).addr();
        let known = |shared: &Shared<'_>| {
            shared
                .cache
                .borrow()
                .iter()
                .find(|(at, _)| *at == place)
                .map(|(_, result)| result.clone())
        };
        if let Some(result) = known(self.shared) {
            return result;
        }
        let result = program.evaluate(self.root, &self.lax());
        if let Ok(Json::Array(found)) = &result
            && !program.is_definite()
        {
            self.shared.meter.keep(found.len());
        }
        self.shared.cache.borrow_mut().push((place, result.clone()));
        result
    }
}

impl Program {
    /// What a path of members and indexes leads to.
    pub(crate) fn get<'j>(&self, document: &'j Json) -> Option<&'j Json> {
        Self::follow(&self.tokens, document)
    }

    /// Whether the last of members and indexes is an index that its array does not have.
    pub(crate) fn is_past_end(&self, document: &Json) -> bool {
        let Some((Token::Index(index), before)) = self.tokens.split_last() else { return false };
        match Self::follow(before, document) {
            Some(Json::Array(array)) => element(array, *index).is_none(),
            _ => false,
        }
    }

    #[inline]
    fn follow<'j>(tokens: &[Token], document: &'j Json) -> Option<&'j Json> {
        let mut value = document;
        for token in tokens {
            value = match (token, value) {
                (Token::Key { name, .. }, Json::Object(object)) => object.get(name)?,
                (Token::Index(index), Json::Array(array)) => element(array, *index)?,
                _ => return None,
            };
        }
        Some(value)
    }

    pub(crate) fn evaluate(&self, document: &Json, scope: &Scope<'_>) -> Result<Json, Fault> {
        let mut results = Vec::new();
        self.walk(0, document, scope, &mut results)?;
        if !self.is_definite() {
            return Ok(Json::from(results));
        }
        results.pop().ok_or_else(|| scope.not_found(|| format!("No results for path: {self}")))
    }

    /// Follows the tokens from `at` on, and adds what they lead to to `results`.
    fn walk(
        &self,
        mut at: usize,
        mut model: &Json,
        scope: &Scope<'_>,
        results: &mut Vec<Json>,
    ) -> Result<(), Fault> {
        scope.visit()?;
        let mut indexed = false;
        loop {
            let Some(token) = self.tokens.get(at) else {
                return scope.found(results, model.clone());
            };
            match token {
                Token::Key { name, .. } => match model {
                    Json::Object(object) => match object.get(name) {
                        Some(value) => model = value,
                        None => return self.missing(at, name, scope),
                    },
                    _ => return self.no_object(at, token, model, scope),
                },
                Token::Index(index) => {
                    let Some(array) = self.array(at, model, scope)? else { return Ok(()) };
                    indexed = true;
                    match element(array, *index) {
                        Some(value) => model = value,
                        None => return Ok(()),
                    }
                }
                _ => {
                    return match self.branch(at, token, model, scope, results) {
                        // To an index step it looks as if its own element were missing.
                        Err(Fault::OutOfBounds(_)) if indexed => Ok(()),
                        result => result,
                    };
                }
            }
            at += 1;
        }
    }

    /// A step that may lead to many places, or compute something.
    fn branch(
        &self,
        at: usize,
        token: &Token,
        model: &Json,
        scope: &Scope<'_>,
        results: &mut Vec<Json>,
    ) -> Result<(), Fault> {
        match token {
            Token::Key { .. } | Token::Index(_) => self.walk(at, model, scope, results),
            Token::Keys { names, .. } => {
                let Json::Object(object) = model else {
                    return self.no_object(at, token, model, scope);
                };
                if at + 1 < self.tokens.len() {
                    for name in names {
                        match object.get(name) {
                            Some(value) => self.walk(at + 1, value, scope, results)?,
                            None => self.missing(at, name, scope)?,
                        }
                    }
                    return Ok(());
                }
                let mut merged = Object::new();
                for name in names {
                    match object.get(name) {
                        Some(value) => {
                            merged.insert(name.clone(), value.clone());
                        }
                        None if scope.strict => self.missing(at, name, scope)?,
                        None => {}
                    }
                }
                scope.found(results, Json::Object(merged))
            }
            Token::Indexes(indexes) => {
                let Some(array) = self.array(at, model, scope)? else { return Ok(()) };
                for index in indexes {
                    self.element(at, element(array, *index), scope, results)?;
                }
                Ok(())
            }
            Token::Slice(slice) => {
                let Some(array) = self.array(at, model, scope)? else { return Ok(()) };
                for index in slice.range(array.len()) {
                    self.element(at, element(array, index), scope, results)?;
                }
                Ok(())
            }
            Token::Wildcard => match model {
                Json::Object(object) => {
                    for value in object.values() {
                        self.walk(at + 1, value, scope, results)?;
                    }
                    Ok(())
                }
                Json::Array(array) => {
                    for value in array {
                        match self.element(at, Some(value), scope, results) {
                            Err(Fault::NotFound(_)) if !scope.strict => {}
                            result => result?,
                        }
                    }
                    Ok(())
                }
                _ => Ok(()),
            },
            Token::Filter(filter) => match model {
                Json::Object(_) => {
                    if filter.accepts(model, scope)? {
                        self.walk(at + 1, model, scope, results)?;
                    }
                    Ok(())
                }
                Json::Array(array) => {
                    for value in array {
                        if filter.accepts(value, scope)? {
                            self.element(at, Some(value), scope, results)?;
                        }
                    }
                    Ok(())
                }
                _ if self.is_definite_before(at) => Err(Fault::Invalid(scope.message(|| {
                    format!(
                        "Filter: {} can not be applied to primitives. Current context is: {}",
                        self.rest(at),
                        plain(model)
                    )
                }))),
                _ => Ok(()),
            },
            Token::Function(function) => {
                let result = function.call(model, scope)?;
                if at + 1 == self.tokens.len() {
                    return scope.found(results, result);
                }
                scope.found(results, result.clone())?;
                self.walk(at + 1, &result, scope, results)
            }
            Token::Scan => self.scan(at + 1, model, scope, results),
        }
    }

    /// Goes on with an element. That an index further in is out of range is taken as no result.
    #[inline]
    fn element(
        &self,
        at: usize,
        element: Option<&Json>,
        scope: &Scope<'_>,
        results: &mut Vec<Json>,
    ) -> Result<(), Fault> {
        let Some(element) = element else { return Ok(()) };
        if at + 1 == self.tokens.len() {
            scope.visit()?;
            return scope.found(results, element.clone());
        }
        match self.walk(at + 1, element, scope, results) {
            Err(Fault::OutOfBounds(_)) => Ok(()),
            result => result,
        }
    }

    /// Tries token `at` on a value and everything in it, from the outside in.
    fn scan(
        &self,
        at: usize,
        model: &Json,
        scope: &Scope<'_>,
        results: &mut Vec<Json>,
    ) -> Result<(), Fault> {
        let Some(target) = self.tokens.get(at) else { return Ok(()) };
        let leaf = at + 1 == self.tokens.len();
        let mut open = vec![model];
        while let Some(model) = open.pop() {
            scope.visit()?;
            match model {
                Json::Object(object) => {
                    if let (Token::Key { name, .. }, false) = (target, scope.strict) {
                        if let Some(value) = object.get(name) {
                            self.walk(at + 1, value, scope, results)?;
                        }
                    } else if Self::matches(target, leaf, model, scope)? {
                        self.branch(at, target, model, scope, results)?;
                    }
                    let values = object.values().rev();
                    open.extend(values.filter(|value| is_container(value)));
                }
                Json::Array(array) => {
                    if Self::matches(target, leaf, model, scope)? {
                        if leaf {
                            self.branch(at, target, model, scope, results)?;
                        } else {
                            // Not the step itself: every element goes on to the step behind it.
                            for value in array {
                                self.walk(at + 1, value, scope, results)?;
                            }
                        }
                    }
                    open.extend(array.iter().rev().filter(|value| is_container(value)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a deep scan tries its target on `model`.
    fn matches(target: &Token, leaf: bool, model: &Json, scope: &Scope<'_>) -> Result<bool, Fault> {
        Ok(match target {
            Token::Key { name, .. } => match model {
                Json::Object(object) => scope.strict || object.contains_key(name),
                _ => false,
            },
            Token::Keys { names, .. } => match model {
                Json::Object(object) => {
                    scope.strict || !leaf || names.iter().all(|name| object.contains_key(name))
                }
                _ => false,
            },
            Token::Index(_) | Token::Indexes(_) | Token::Slice(_) => {
                matches!(model, Json::Array(_))
            }
            Token::Wildcard => true,
            Token::Filter(filter) => filter.accepts(model, scope)?,
            Token::Scan | Token::Function(_) => false,
        })
    }

    /// A member that is not there.
    fn missing(&self, at: usize, name: &str, scope: &Scope<'_>) -> Result<(), Fault> {
        let leaf = at + 1 == self.tokens.len();
        let definite = at < self.definite;
        if !scope.strict && (leaf || !definite) {
            return Ok(());
        }
        let reason = if leaf { "No results for path: " } else { "Missing property in path " };
        Err(scope.not_found(|| format!("{reason}{}['{name}']", self.place(at))))
    }

    /// A member is wanted of what is no object.
    fn no_object(
        &self,
        at: usize,
        token: &Token,
        model: &Json,
        scope: &Scope<'_>,
    ) -> Result<(), Fault> {
        if !self.is_definite_before(at) {
            return Ok(());
        }
        Err(scope.not_found(|| {
            format!(
                "Expected to find an object with property {token} in path {} but found '{}'. \
                 This is not a json object according to the JsonProvider: \
                 'com.jayway.jsonpath.spi.json.JsonSmartJsonProvider'.",
                self.place(at),
                class_name(model)
            )
        }))
    }

    /// The array an index or slice is taken of; `None` when there is none and that is no error.
    fn array<'j>(
        &self,
        at: usize,
        model: &'j Json,
        scope: &Scope<'_>,
    ) -> Result<Option<&'j [Json]>, Fault> {
        match model {
            Json::Array(array) => Ok(Some(array)),
            _ if !self.is_definite_before(at) => Ok(None),
            Json::Null => Err(scope.not_found(|| format!("The path {} is null", self.place(at)))),
            _ => Err(scope.not_found(|| {
                format!(
                    "Filter: {} can only be applied to arrays. Current context is: {}",
                    self.rest(at),
                    plain(model)
                )
            })),
        }
    }
}

impl Slice {
    /// The indexes it takes of an array. Only where one side is left out does a negative number
    /// count from the end; between two, a negative index does so itself.
    fn range(self, len: usize) -> std::ops::Range<i32> {
        let len = i32::try_from(len).unwrap_or(i32::MAX);
        match self {
            Self::From(from) if from < 0 => (len.saturating_add(from)).max(0)..len,
            Self::From(from) => from.min(len)..len,
            Self::To(to) if to < 0 => 0..len.saturating_add(to),
            Self::To(to) => 0..to.min(len),
            Self::Between(from, to) => from.max(-len)..to.min(len),
        }
    }
}

fn element(array: &[Json], index: i32) -> Option<&Json> {
    let at = if index < 0 {
        array.len().checked_sub(index.unsigned_abs() as usize)?
    } else {
        index as usize
    };
    array.get(at)
}

fn is_container(value: &Json) -> bool {
    matches!(value, Json::Array(_) | Json::Object(_))
}

/// How Java prints a value inside a message.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn class_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "java.lang.Boolean",
        Json::Int(value) if i32::try_from(*value).is_ok() => "java.lang.Integer",
        Json::Int(_) => "java.lang.Long",
        Json::Float(_) => "java.lang.Double",
        Json::BigInt(_) => "java.math.BigInteger",
        Json::String(_) => "java.lang.String",
        Json::Array(_) => "net.minidev.json.JSONArray",
        Json::Object(_) => "java.util.LinkedHashMap",
    }
}
