//! A compiled expression.

use crate::functions::Builtin;
use crate::regex::Regex;
use crate::signature::Signature;
use stepwright_json::{Json, Keys, Str};
use stepwright_source::Span;

/// A whole compiled expression.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) root: Node,
    pub(crate) names: Vec<Name>,
    /// How many hints its fields take.
    pub(crate) hints: u32,
    /// Whether anything is bound anywhere.
    pub(crate) binds: bool,
}

/// A variable's name, known to nodes by its place in [`Program::names`].
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) name: Str,
    /// The built-in function it is, unless something is bound to it.
    pub(crate) builtin: Option<&'static Builtin>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    /// The byte after the token that jsonata-js gives as the position.
    pub(crate) at: u32,
    pub(crate) span: Span,
    /// How many nodes are inside each other here: what native stack it takes.
    pub(crate) height: u32,
    pub(crate) keep_array: bool,
    /// Whether there are no predicates, no group and no `[]`.
    pub(crate) plain: bool,
    pub(crate) predicates: Vec<Node>,
    pub(crate) group: Option<Box<GroupNode>>,
}

#[derive(Debug)]
pub(crate) enum Op {
    Constant(Json),
    /// `$`
    Context,
    /// `$$`
    Root,
    /// A variable that the expression may bind.
    Variable(u32),
    /// A variable that the expression binds nowhere.
    Global(u32),
    Name(Str),
    Fields(Box<FieldsNode>),
    Path(Box<PathNode>),
    Wildcard,
    Descendant,
    Binary(Box<BinaryNode>),
    Concat(Vec<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Negate(Box<Node>),
    Array {
        items: Vec<Node>,
        cons: bool,
    },
    Object(Box<GroupNode>),
    Condition(Box<(Node, Node, Option<Node>)>),
    Coalesce(Box<(Node, Node)>),
    Default(Box<(Node, Node)>),
    Block {
        expressions: Vec<Node>,
        /// Whether it binds variables of its own.
        binds: bool,
    },
    Bind(u32, Box<Node>),
    Regex(Box<Regex>),
    Call(Box<CallNode>),
    Partial(Box<CallNode>),
    Lambda(Box<LambdaNode>),
    Apply(Box<(Node, Node)>),
    Transform(Box<TransformNode>),
}

impl Op {
    /// Whether evaluating it evaluates others.
    pub(crate) fn has_parts(&self) -> bool {
        match self {
            Self::Regex(_)
            | Self::Lambda(_)
            | Self::Transform(_)
            | Self::Wildcard
            | Self::Descendant => false,
            Self::Array { items, .. } => !items.is_empty(),
            Self::Object(group) => !group.pairs.is_empty(),
            Self::Block { expressions, .. } => !expressions.is_empty(),
            _ => true,
        }
    }
}

/// `a.b.c`, with nothing else on any step.
#[derive(Debug)]
pub(crate) struct FieldsNode {
    pub(crate) base: Base,
    pub(crate) names: Vec<Str>,
    pub(crate) keep_singleton: bool,
    /// The place of its hint, for a single field that may be asked of many objects.
    pub(crate) hint: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    Input,
    Context,
    Root,
    Variable(u32),
    Global(u32),
}

#[derive(Debug)]
pub(crate) struct PathNode {
    pub(crate) steps: Vec<Step>,
    pub(crate) from_variable: bool,
    pub(crate) keep_singleton: bool,
    pub(crate) tuple: bool,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) op: StepOp,
    pub(crate) at: u32,
    pub(crate) span: Span,
    pub(crate) stages: Vec<Stage>,
    pub(crate) focus: Option<u32>,
    pub(crate) index: Option<u32>,
    pub(crate) ancestor: Option<u32>,
    pub(crate) tuple: bool,
    pub(crate) cons: bool,
}

#[derive(Debug)]
pub(crate) enum StepOp {
    /// A field, with nothing else on it but stages.
    Name(Str),
    Node(Node),
    Sort(Vec<Term>),
}

#[derive(Debug)]
pub(crate) enum Stage {
    Filter(Node),
    Index(u32),
}

#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) descending: bool,
    pub(crate) expression: Node,
}

#[derive(Debug)]
pub(crate) struct GroupNode {
    pub(crate) pairs: Vec<(Node, Node)>,
    pub(crate) at: u32,
    pub(crate) span: Span,
    /// All keys, if they are written as texts and differ.
    pub(crate) keys: Option<Keys>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Range,
}

impl Operator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Range => "..",
        }
    }
}

#[derive(Debug)]
pub(crate) struct BinaryNode {
    pub(crate) operator: Operator,
    pub(crate) left: Node,
    pub(crate) right: Node,
}

#[derive(Debug)]
pub(crate) struct CallNode {
    pub(crate) procedure: Node,
    /// `None` is the `?` of a partial application.
    pub(crate) arguments: Vec<Option<Node>>,
    /// What errors call it.
    pub(crate) token: Option<Str>,
    /// A name without `$`, that may be the name of a function.
    pub(crate) bare: Option<u32>,
    /// How many nodes of the function it is in are around it.
    pub(crate) depth: usize,
    /// The last thing a function does.
    pub(crate) tail: bool,
}

#[derive(Debug)]
pub(crate) struct LambdaNode {
    pub(crate) parameters: Vec<u32>,
    pub(crate) signature: Option<Box<Signature>>,
    pub(crate) body: Node,
    /// Whether no parameter comes twice.
    pub(crate) distinct: bool,
}

#[derive(Debug)]
pub(crate) struct TransformNode {
    pub(crate) pattern: Node,
    pub(crate) update: Node,
    pub(crate) delete: Option<Node>,
    pub(crate) clone: u32,
    pub(crate) at: u32,
    pub(crate) span: Span,
}
