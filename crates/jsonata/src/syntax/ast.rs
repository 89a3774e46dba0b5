use crate::signature::Signature;
use stepwright_json::{Json, Str};
use stepwright_source::Span;

/// A part of an expression, first as it is written, then with its paths put together.
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
#[derive(Clone, Debug)]
pub(crate) struct Ast {
    pub(crate) kind: Kind,
    /// The byte after the token that makes it what it is.
    pub(crate) at: u32,
    pub(crate) span: Span,
    /// How many parts are inside each other here.
    pub(crate) height: u32,
    /// Written with `[]`: a single result stays an array.
    pub(crate) keep_array: bool,
    /// Filters on a value that is no path.
    pub(crate) predicate: Option<Vec<Stage>>,
    /// Filters and index bindings on a step of a path.
    pub(crate) stages: Option<Vec<Stage>>,
    pub(crate) group: Option<Box<Group>>,
    /// The variable of `@$v`.
    pub(crate) focus: Option<Str>,
    /// The variable of `#$v`.
    pub(crate) index: Option<Str>,
    /// The slot under which the parent of this step is known to `%`.
    pub(crate) ancestor: Option<usize>,
    /// Whether this step carries bindings along.
    pub(crate) tuple: bool,
    /// An array constructor at an end of a path: its result is not flattened.
    pub(crate) cons: bool,
    /// Slots of `%` in here whose step is further out.
    pub(crate) seeking: Vec<usize>,
    /// A path with a step written with `[]`.
    pub(crate) keep_singleton: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Filter(Ast),
    Index(Str),
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) pairs: Vec<(Ast, Ast)>,
    pub(crate) at: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) descending: bool,
    pub(crate) expression: Ast,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Name(Str),
    Text(Str),
    Number(Json),
    /// `true`, `false`, `null`.
    Value(Json),
    Regex {
        pattern: Str,
        flags: Str,
    },
    Wildcard,
    Descendant,
    Parent(usize),
    Variable(Str),
    /// Any infix operator that is neither a path's nor has a kind of its own.
    Binary(&'static str, Box<Ast>, Box<Ast>),
    Dot(Box<Ast>, Box<Ast>),
    Filter(Box<Ast>, Box<Ast>),
    GroupBy(Box<Ast>, Vec<(Ast, Ast)>),
    OrderBy(Box<Ast>, Vec<Term>),
    Focus(Box<Ast>, Str),
    Index(Box<Ast>, Str),
    Bind(Str, Box<Ast>),
    Apply(Box<Ast>, Box<Ast>),
    Negate(Box<Ast>),
    Array(Vec<Ast>),
    Object(Vec<(Ast, Ast)>),
    Call {
        procedure: Box<Ast>,
        arguments: Vec<Ast>,
        partial: bool,
    },
    /// The `?` of a partial application.
    Placeholder,
    Lambda {
        parameters: Vec<Str>,
        signature: Option<Box<Signature>>,
        body: Box<Ast>,
    },
    Condition {
        condition: Box<Ast>,
        then: Box<Ast>,
        otherwise: Option<Box<Ast>>,
    },
    /// `??`
    Coalesce(Box<Ast>, Box<Ast>),
    /// `?:`
    Default(Box<Ast>, Box<Ast>),
    Block(Vec<Ast>),
    Transform {
        pattern: Box<Ast>,
        update: Box<Ast>,
        delete: Option<Box<Ast>>,
    },
    /// `and`, `or`, `in` where an operand is expected: field names.
    Keyword(&'static str),
    End,
    Path(Vec<Ast>),
    Sort(Vec<Term>),
}

impl Ast {
    pub(crate) fn new(kind: Kind, at: u32, span: Span) -> Self {
        let height = 1 + kind.tallest();
        Self {
            kind,
            at,
            span,
            height,
            keep_array: false,
            predicate: None,
            stages: None,
            group: None,
            focus: None,
            index: None,
            ancestor: None,
            tuple: false,
            cons: false,
            seeking: Vec::new(),
            keep_singleton: false,
        }
    }

    /// What jsonata-js has as the value of the node, which its errors show.
    pub(crate) fn shown(&self) -> Option<Json> {
        match &self.kind {
            Kind::Name(text) | Kind::Text(text) | Kind::Variable(text) => {
                Some(Json::String(text.clone()))
            }
            Kind::Number(value) | Kind::Value(value) => Some(value.clone()),
            Kind::Wildcard => Some("*".into()),
            Kind::Descendant => Some("**".into()),
            Kind::Parent(_) => Some("%".into()),
            Kind::Binary(operator, ..) | Kind::Keyword(operator) => Some((*operator).into()),
            Kind::Dot(..) => Some(".".into()),
            Kind::Filter(..) | Kind::Array(_) => Some("[".into()),
            Kind::GroupBy(..) | Kind::Object(_) => Some("{".into()),
            Kind::OrderBy(..) => Some("^".into()),
            Kind::Focus(..) => Some("@".into()),
            Kind::Index(..) => Some("#".into()),
            Kind::Bind(..) => Some(":=".into()),
            Kind::Apply(..) => Some("~>".into()),
            Kind::Negate(_) => Some("-".into()),
            Kind::Call { .. } | Kind::Lambda { .. } | Kind::Block(_) => Some("(".into()),
            Kind::Placeholder | Kind::Condition { .. } => Some("?".into()),
            Kind::Coalesce(..) => Some("??".into()),
            Kind::Default(..) => Some("?:".into()),
            Kind::Transform { .. } => Some("|".into()),
            Kind::End => Some("(end)".into()),
            Kind::Regex { .. } | Kind::Path(_) | Kind::Sort(_) => None,
        }
    }

    /// The word jsonata-js has for the kind of the node, which `S0217` shows.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Name(_) | Kind::Keyword(_) => "name",
            Kind::Text(_) => "string",
            Kind::Number(_) => "number",
            Kind::Value(_) => "value",
            Kind::Regex { .. } => "regex",
            Kind::Wildcard => "wildcard",
            Kind::Descendant => "descendant",
            Kind::Parent(_) => "parent",
            Kind::Variable(_) => "variable",
            Kind::Binary(..)
            | Kind::Dot(..)
            | Kind::Filter(..)
            | Kind::GroupBy(..)
            | Kind::OrderBy(..)
            | Kind::Focus(..)
            | Kind::Index(..) => "binary",
            Kind::Bind(..) => "bind",
            Kind::Apply(..) => "apply",
            Kind::Negate(_) | Kind::Array(_) | Kind::Object(_) => "unary",
            Kind::Call { partial: true, .. } => "partial",
            Kind::Call { .. } => "function",
            Kind::Placeholder => "operator",
            Kind::Lambda { .. } => "lambda",
            Kind::Condition { .. } | Kind::Coalesce(..) | Kind::Default(..) => "condition",
            Kind::Block(_) => "block",
            Kind::Transform { .. } => "transform",
            Kind::End => "(end)",
            Kind::Path(_) => "path",
            Kind::Sort(_) => "sort",
        }
    }
}

impl Kind {
    fn tallest(&self) -> u32 {
        let of = |parts: &mut dyn Iterator<Item = &Ast>| parts.map(|a| a.height).max().unwrap_or(0);
        match self {
            Self::Binary(_, a, b)
            | Self::Dot(a, b)
            | Self::Filter(a, b)
            | Self::Apply(a, b)
            | Self::Coalesce(a, b)
            | Self::Default(a, b) => a.height.max(b.height),
            Self::GroupBy(a, pairs) => {
                a.height.max(of(&mut pairs.iter().flat_map(|(k, v)| [k, v])))
            }
            Self::OrderBy(a, terms) => {
                a.height.max(of(&mut terms.iter().map(|term| &term.expression)))
            }
            Self::Focus(a, _) | Self::Index(a, _) | Self::Bind(_, a) | Self::Negate(a) => a.height,
            Self::Array(items) | Self::Block(items) | Self::Path(items) => of(&mut items.iter()),
            Self::Object(pairs) => of(&mut pairs.iter().flat_map(|(k, v)| [k, v])),
            Self::Call { procedure, arguments, .. } => {
                procedure.height.max(of(&mut arguments.iter()))
            }
            Self::Lambda { body, .. } => body.height,
            Self::Condition { condition, then, otherwise } => condition
                .height
                .max(then.height)
                .max(otherwise.as_ref().map_or(0, |otherwise| otherwise.height)),
            Self::Transform { pattern, update, delete } => pattern
                .height
                .max(update.height)
                .max(delete.as_ref().map_or(0, |delete| delete.height)),
            Self::Sort(terms) => of(&mut terms.iter().map(|term| &term.expression)),
            _ => 0,
        }
    }
}

/// Shows every part of `ast` to `see`, the outer before the inner, in the order they are written.
pub(crate) fn walk<'t>(ast: &'t Ast, see: &mut dyn FnMut(&'t Ast)) {
    crate::stack::deeper(|| {
        see(ast);
        for part in ast.parts() {
            walk(part, see);
        }
    });
}

impl Ast {
    /// The parts right inside this one.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        let mut parts: Vec<&Self> = match &self.kind {
            Kind::Binary(_, a, b)
            | Kind::Dot(a, b)
            | Kind::Filter(a, b)
            | Kind::Apply(a, b)
            | Kind::Coalesce(a, b)
            | Kind::Default(a, b) => vec![a, b],
            Kind::GroupBy(a, pairs) => {
                std::iter::once(&**a).chain(pairs.iter().flat_map(|(k, v)| [k, v])).collect()
            }
            Kind::OrderBy(a, terms) => {
                std::iter::once(&**a).chain(terms.iter().map(|term| &term.expression)).collect()
            }
            Kind::Focus(a, _) | Kind::Index(a, _) | Kind::Bind(_, a) | Kind::Negate(a) => vec![a],
            Kind::Array(items) | Kind::Block(items) | Kind::Path(items) => items.iter().collect(),
            Kind::Object(pairs) => pairs.iter().flat_map(|(k, v)| [k, v]).collect(),
            Kind::Call { procedure, arguments, .. } => {
                std::iter::once(&**procedure).chain(arguments).collect()
            }
            Kind::Lambda { body, .. } => vec![body],
            Kind::Condition { condition, then, otherwise } => {
                let mut parts: Vec<&Self> = vec![condition, then];
                parts.extend(otherwise.as_deref());
                parts
            }
            Kind::Transform { pattern, update, delete } => {
                let mut parts: Vec<&Self> = vec![pattern, update];
                parts.extend(delete.as_deref());
                parts
            }
            Kind::Sort(terms) => terms.iter().map(|term| &term.expression).collect(),
            _ => Vec::new(),
        };
        for stage in self.predicate.iter().chain(&self.stages).flatten() {
            if let Stage::Filter(filter) = stage {
                parts.push(filter);
            }
        }
        if let Some(group) = &self.group {
            parts.extend(group.pairs.iter().flat_map(|(key, value)| [key, value]));
        }
        parts
    }
}
