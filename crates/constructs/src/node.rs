use crate::chain::Chain;
use crate::iam::Statement;
use crate::misuse::Problems;
use crate::resources::Resource;
use crate::retry::{Catch, Retry, names};
use crate::scope::Scope;
use crate::value::{QueryLanguage, Value};

/// A state in a scope, ready to be written. The states that it leads to are known by their ids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) language: Option<QueryLanguage>,
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// Written as `Parameters` in JSONPath and as `Arguments` in JSONata.
    pub(crate) payload: Option<Value>,
    /// The members of a state that was given as JSON. They take precedence over our own.
    pub(crate) custom: Option<Vec<(String, Value)>>,
    pub(crate) next: Next,
    pub(crate) rules: Vec<Rule>,
    pub(crate) otherwise: Option<String>,
    pub(crate) retries: Vec<Retry>,
    pub(crate) catches: Vec<Catcher>,
    pub(crate) branches: Vec<Chain>,
    pub(crate) processor: Option<Processor>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) resources: Vec<Resource>,
    /// Why it can be in JSONPath only.
    pub(crate) only_json_path: Option<&'static str>,
    /// For a distributed Map: the machine's own role starts and stops its child executions.
    pub(crate) distributed: Option<MapRun>,
    pub(crate) problems: Problems,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// The end of the machine, unless something follows.
    Open,
    To(String),
    /// None: a state of this type ends the execution, or chooses the next state itself.
    Never,
}

/// The label of a distributed Map, if it has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MapRun(pub(crate) Option<String>);

/// A rule of a Choice, with its target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) condition: Vec<(String, Value)>,
    pub(crate) comment: Option<String>,
    pub(crate) assign: Option<Value>,
    pub(crate) outputs: Option<Value>,
    pub(crate) target: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Catcher {
    pub(crate) catch: Catch,
    pub(crate) target: String,
}

/// What a Map does with each item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Processor {
    /// `ItemProcessor`, or its older name `Iterator`.
    pub(crate) field: &'static str,
    pub(crate) config: Option<Value>,
    pub(crate) chain: Chain,
}

impl Node {
    pub(crate) fn new(id: String, kind: &'static str, next: Next) -> Self {
        Self {
            name: id.clone(),
            id,
            kind,
            language: None,
            fields: Vec::new(),
            payload: None,
            custom: None,
            next,
            rules: Vec::new(),
            otherwise: None,
            retries: Vec::new(),
            catches: Vec::new(),
            branches: Vec::new(),
            processor: None,
            statements: Vec::new(),
            resources: Vec::new(),
            only_json_path: None,
            distributed: None,
            problems: Problems::default(),
        }
    }

    /// Adds a field if it has a value.
    pub(crate) fn put(&mut self, key: &'static str, value: Option<impl Into<Value>>) {
        self.put_value(key, value.map(Into::into));
    }

    pub(crate) fn put_value(&mut self, key: &'static str, value: Option<Value>) {
        self.fields.extend(value.map(|value| (key, value)));
    }

    /// The states that it leads to, by its transition, its rules or its catchers.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        self.ways().chain(self.catches.iter().map(|catcher| catcher.target.as_str()))
    }

    /// The states that it leads to without an error.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &str> {
        let next = match &self.next {
            Next::To(id) => Some(id.as_str()),
            Next::Open | Next::Never => None,
        };
        next.into_iter()
            .chain(self.rules.iter().map(|rule| rule.target.as_str()))
            .chain(self.otherwise.as_deref())
    }

    /// Adds a prefix to every id that belongs to this scope.
    pub(crate) fn rename(&mut self, prefix: &str, in_scope: impl Fn(&str) -> bool) {
        let rename = |id: &mut String| {
            if in_scope(id) {
                id.insert_str(0, prefix);
            }
        };
        if let Next::To(id) = &mut self.next {
            rename(id);
        }
        self.rules.iter_mut().for_each(|rule| rename(&mut rule.target));
        self.otherwise.iter_mut().for_each(rename);
        self.catches.iter_mut().for_each(|catcher| rename(&mut catcher.target));
        self.id.insert_str(0, prefix);
        self.name.insert_str(0, prefix);
        for branch in &mut self.branches {
            branch.rename(prefix);
        }
        if let Some(processor) = &mut self.processor {
            processor.chain.rename(prefix);
        }
    }

    /// The state as it appears in a definition.
    pub(crate) fn to_value(&self, machine: QueryLanguage, scope: &Scope<'_>) -> Value {
        let language = self.language.unwrap_or(machine);
        let mut state: Vec<(String, Value)> = vec![("Type".into(), self.kind.into())];
        if self.language == Some(QueryLanguage::Jsonata) && scope.writes_language(machine) {
            state.push(("QueryLanguage".into(), language.name().into()));
        }
        state.extend(self.fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        if let Some(payload) = &self.payload {
            state.push((language.payload_field().into(), payload.clone()));
        }
        let mut put = |key: &str, values: Vec<Value>| {
            if !values.is_empty() {
                state.push((key.into(), Value::List(values)));
            }
        };
        put("Choices", self.rules.iter().map(|rule| rule.to_value(scope)).collect());
        put(
            "Branches",
            self.branches.iter().map(|branch| Scope::inner(branch).to_value(machine)).collect(),
        );
        put("Retry", all_last(&self.retries, Retry::is_for_all).map(Retry::to_value).collect());
        put(
            "Catch",
            all_last(&self.catches, |catcher| catcher.catch.is_for_all())
                .map(|catcher| catcher.to_value(scope))
                .collect(),
        );
        if let Some(processor) = &self.processor {
            let mut inner = processor
                .config
                .clone()
                .map_or_else(Vec::new, |config| vec![("ProcessorConfig".to_owned(), config)]);
            if let Value::Object(members) = Scope::inner(&processor.chain).to_value(machine) {
                inner.extend(members);
            }
            state.push((processor.field.into(), Value::Object(inner)));
        }
        if let Some(otherwise) = &self.otherwise {
            state.push(("Default".into(), scope.name(otherwise).into()));
        }
        match &self.next {
            Next::Open => state.push(("End".into(), true.into())),
            Next::To(id) => state.push(("Next".into(), scope.name(id).into())),
            Next::Never => {}
        }
        if let Some(custom) = &self.custom {
            overlay(&mut state, custom);
        }
        Value::Object(state)
    }
}

impl Rule {
    fn to_value(&self, scope: &Scope<'_>) -> Value {
        let mut rule = self.condition.clone();
        let mut put = |key: &str, value: Option<Value>| {
            rule.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("Comment", self.comment.clone().map(Value::from));
        put("Assign", self.assign.clone());
        put("Output", self.outputs.clone());
        put("Next", Some(scope.name(&self.target).into()));
        Value::Object(rule)
    }
}

impl Catcher {
    fn to_value(&self, scope: &Scope<'_>) -> Value {
        let mut catcher = vec![("ErrorEquals".to_owned(), names(&self.catch.errors).into())];
        let mut put = |key: &str, value: Option<Value>| {
            catcher.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("ResultPath", self.catch.result_path.clone());
        put("Assign", self.catch.assign.clone());
        put("Output", self.catch.outputs.clone());
        put("Next", Some(scope.name(&self.target).into()));
        Value::Object(catcher)
    }
}

/// Retriers and catchers for all errors come last, because those after them would never be used.
fn all_last<T>(items: &[T], is_for_all: impl Fn(&T) -> bool + Copy) -> impl Iterator<Item = &T> {
    let some = items.iter().filter(move |item| !is_for_all(item));
    some.chain(items.iter().filter(move |item| is_for_all(item)))
}

/// Applies the members of a state given as JSON. They replace ours, but its retriers and catchers
/// are added after ours.
fn overlay(state: &mut Vec<(String, Value)>, custom: &[(String, Value)]) {
    for (key, value) in custom {
        match state.iter_mut().find(|(known, _)| known == key) {
            Some((_, Value::List(ours))) if key == "Retry" || key == "Catch" => match value {
                Value::List(theirs) => ours.extend(theirs.iter().cloned()),
                other => ours.push(other.clone()),
            },
            Some((_, ours)) => *ours = value.clone(),
            None => state.push((key.clone(), value.clone())),
        }
    }
}
