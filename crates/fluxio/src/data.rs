//! References to parts of the data, such as `data['order']['items'][0]`.

use crate::literal;
use crate::printer::repr;
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{name, text};
use ruff_python_ast::{Expr, Number};
use ruff_text_size::Ranged as _;
use stepwright_json::{Json, Object, Str};

/// A reference to a part of the data: the keys and indices on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(u64),
}

impl Reference {
    /// A reference to all of the data.
    pub(crate) fn whole() -> Self {
        Self(Vec::new())
    }

    /// A reference to one key of the data.
    pub(crate) fn key(key: &str) -> Self {
        Self(vec![Step::Key(key.to_owned())])
    }

    /// As a JSONPath: `$['order']['items'][0]`.
    pub(crate) fn path(&self) -> Str {
        let steps = self.0.iter().map(|step| match step {
            Step::Key(key) => format!("[{}]", repr(key)),
            Step::Index(index) => format!("[{index}]"),
        });
        format!("${}", steps.collect::<String>()).into()
    }

    /// As a JSONata expression.
    pub(crate) fn jsonata(&self) -> String {
        let steps = self.0.iter().map(|step| match step {
            Step::Key(key) => format!(".`{key}`"),
            Step::Index(index) => format!("[{index}]"),
        });
        format!("$states.input{}", steps.collect::<String>())
    }

    /// As it is written in the project: `data['order']['items'][0]`.
    pub(crate) fn python(&self) -> String {
        format!("data{}", &self.path()[1..])
    }

    /// A JSONata expression for all of the data, in which this part is set to the value of another
    /// expression. `None` for an element of a list.
    pub(crate) fn assigned(&self, value: &str) -> Option<String> {
        fn within(steps: &[Step], at: &str, value: &str) -> Option<String> {
            let Some((first, rest)) = steps.split_first() else { return Some(value.to_owned()) };
            let Step::Key(key) = first else { return None };
            let inner = within(rest, &format!("{at}.`{key}`"), value)?;
            let key = Json::from(key.as_str());
            Some(format!("$merge([$type({at}) = 'object' ? {at} : {{}}, {{{key}: {inner}}}])"))
        }
        within(&self.0, "$states.input", value)
    }

    /// The key, if the reference consists of a single key.
    pub(crate) fn only_key(&self) -> Option<&str> {
        match &self.0[..] {
            [Step::Key(key)] => Some(key),
            _ => None,
        }
    }

    /// A short text, for the name of a state.
    pub(crate) fn label(&self) -> String {
        let steps = self.0.iter().map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        });
        steps.collect::<Vec<_>>().join(".")
    }
}

/// Reads an expression as a reference.
pub(crate) fn reference(expression: &Expr) -> Result<Reference> {
    let mut steps = Vec::new();
    let mut at = expression;
    while let Expr::Subscript(subscript) = at {
        let step = match &*subscript.slice {
            Expr::NumberLiteral(literal) => match &literal.value {
                // No list has an index that does not fit.
                Number::Int(int) => {
                    int.as_u64().filter(|index| u32::try_from(*index).is_ok()).map(Step::Index)
                }
                _ => None,
            },
            other => match text(other) {
                // JSONata cannot write a backtick between its backtick quotes.
                Some(key) if key.contains('`') => None,
                Some(key) => Some(Step::Key(key.to_owned())),
                None => None,
            },
        };
        let Some(step) = step else {
            return refused_with(
                subscript.slice.range(),
                "a part of the data is named by keys and indices that are written down",
                "write `data['key']` or `data['list'][0]`",
            );
        };
        steps.push(step);
        at = &subscript.value;
    }
    if name(at) != Some("data") {
        return refused_with(
            expression.range(),
            "this is no part of the data",
            "write `data['key']`",
        );
    }
    steps.reverse();
    Ok(Reference(steps))
}

/// Checks that every subscript in an option is a part of the data.
pub(crate) fn check_references(expression: &Expr) -> Result<()> {
    match expression {
        Expr::Subscript(_) => reference(expression).map(drop),
        Expr::Dict(dict) => dict.iter_values().try_for_each(check_references),
        Expr::List(list) => list.elts.iter().try_for_each(check_references),
        _ => Ok(()),
    }
}

/// The reference that is assigned to.
pub(crate) fn target(expression: &Expr) -> Result<Reference> {
    let target = match expression {
        Expr::Subscript(_) => reference(expression)?,
        _ => {
            return refused_with(
                expression.range(),
                "values are assigned to keys of `data`",
                "write `data['key'] = …`",
            );
        }
    };
    if matches!(target.0.first(), Some(Step::Key(key)) if key == "__trace") {
        return refused(expression.range(), "`__trace` is not yours to set");
    }
    Ok(target)
}

/// Sets the value of a Pass state.
pub(crate) fn put_value(state: &mut Object, value: &Expr) -> Result<()> {
    match value {
        Expr::Subscript(_) => {
            state.insert("InputPath", reference(value)?.path().into());
        }
        Expr::Dict(_) if has_references(value) => {
            state.insert("Parameters", template(value)?);
        }
        _ => {
            state.insert("Result", literal::evaluate(value)?);
        }
    }
    Ok(())
}

fn has_references(value: &Expr) -> bool {
    match value {
        Expr::Subscript(_) => true,
        Expr::Dict(dict) => dict.items.iter().any(|item| has_references(&item.value)),
        Expr::List(list) => list.elts.iter().any(has_references),
        Expr::Tuple(tuple) => tuple.elts.iter().any(has_references),
        _ => false,
    }
}

/// A payload template from a dict with parts of the data.
fn template(value: &Expr) -> Result<Json> {
    let Expr::Dict(dict) = value else {
        if has_references(value) {
            return refused_with(
                value.range(),
                "a list cannot hold parts of the data",
                "put the parts into a dict",
            );
        }
        return literal::evaluate(value);
    };
    let mut object = Object::new();
    for item in &dict.items {
        let Some(key) = item.key.as_ref().and_then(text) else {
            return refused(value.range(), "the keys of this dict are texts");
        };
        match &item.value {
            Expr::Subscript(_) => {
                object.insert(format!("{key}.$"), reference(&item.value)?.path().into());
            }
            inner => {
                object.insert(key, template(inner)?);
            }
        }
    }
    Ok(object.into())
}
