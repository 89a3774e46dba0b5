//! Turns the condition of an `if` into a rule of a Choice state.

use crate::Mode;
use crate::data;
use crate::literal;
use crate::options::path;
use crate::printer::Place;
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{call, name, text};
use ruff_python_ast::{BoolOp, CmpOp, Expr, ExprCall, ExprCompare, UnaryOp};
use ruff_text_size::Ranged as _;
use stepwright_json::{Json, Object};

/// The type of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Flag,
}

impl Type {
    /// The type of a cast by its name.
    fn of_cast(cast: &str) -> Option<Self> {
        match cast {
            "str" => Some(Self::Text),
            "int" | "float" => Some(Self::Number),
            "bool" => Some(Self::Flag),
            _ => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Number => "Numeric",
            Self::Flag => "Boolean",
        }
    }
}

/// The rule for a condition, without its `Next`.
pub(crate) fn rule(test: &Expr, mode: Mode) -> Result<Object> {
    match serialized(test, mode)? {
        Json::Object(rule) => Ok(rule),
        _ => refused_with(
            test.range(),
            "this is no condition: nothing is compared",
            "compare it with a value, or write `bool(…)` around it",
        ),
    }
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    members.into_iter().collect::<Object>().into()
}

fn is_true(variable: Json) -> Json {
    object([("Variable", variable), ("BooleanEquals", Json::Bool(true))])
}

fn serialized(node: &Expr, mode: Mode) -> Result<Json> {
    match node {
        Expr::BoolOp(operation) => {
            let key = match operation.op {
                BoolOp::And => "And",
                BoolOp::Or => "Or",
            };
            let values = operation.values.iter().map(|value| part(value, mode));
            Ok(object([(key, values.collect::<Result<Vec<_>>>()?.into())]))
        }
        Expr::UnaryOp(operation) if operation.op == UnaryOp::Not => {
            let inner = part(&operation.operand, mode)?;
            let is_cast = call(&operation.operand).is_some_and(|(name, _)| name == "bool");
            // The original puts the whole rule in place of the variable.
            let inner = if is_cast && mode == Mode::Compat { is_true(inner) } else { inner };
            Ok(object([("Not", inner)]))
        }
        Expr::Compare(compare) => comparison(compare, mode),
        Expr::Subscript(_) => variable(node, mode),
        Expr::Call(inner) => {
            let cast = name(&inner.func).and_then(Type::of_cast);
            let Some(cast) = cast else {
                return refused_with(
                    node.range(),
                    "this function cannot be called in a condition",
                    "casts: str(…), int(…), float(…), bool(…)",
                );
            };
            let [value] = &inner.arguments.args[..] else {
                return refused(node.range(), "a cast takes one value");
            };
            let value = serialized(value, mode)?;
            Ok(if cast == Type::Flag { is_true(value) } else { value })
        }
        Expr::NoneLiteral(_) => refused(node.range(), "`None` cannot be compared with"),
        _ => match literal::constant(node) {
            Some(value) => Ok(value),
            None => refused_with(
                node.range(),
                "this cannot stand in a condition",
                "compare `data[…]` with a value, and join comparisons with `and`, `or` and `not`",
            ),
        },
    }
}

/// A part of a compound condition, which must be a condition itself.
fn part(node: &Expr, mode: Mode) -> Result<Json> {
    match mode {
        Mode::Compat => serialized(node, mode),
        Mode::Documented => rule(node, mode).map(Json::from),
    }
}

fn comparison(compare: &ExprCompare, mode: Mode) -> Result<Json> {
    let ([op], [right]) = (&compare.ops[..], &compare.comparators[..]) else {
        return refused_with(
            compare.range,
            "one comparison at a time",
            "write `data['a'] > 0 and data['a'] < 9`",
        );
    };
    let left = &*compare.left;
    let cast_of = |side: &Expr| match side {
        Expr::Call(inner) => match name(&inner.func) {
            Some(function) => Ok(Some(function.to_owned())),
            None => refused(side.range(), "only a cast can be called in a condition"),
        },
        _ => Ok(None),
    };
    let (left_cast, right_cast) = (cast_of(left)?, cast_of(right)?);
    if mode == Mode::Documented {
        for side in [left, right] {
            if let Expr::Call(cast) = side
                && !is_plain_cast(cast, mode)
            {
                return refused_with(
                    side.range(),
                    "a cast is about one part of the data, or a value of its type",
                    "write `int(data['key'])`",
                );
            }
        }
        if !matches!(bare(left), Expr::Subscript(_)) {
            let what = "the left side is a part of the data";
            return refused_with(left.range(), what, "turn it round");
        }
    }
    let type_ = match (&left_cast, &right_cast) {
        (Some(one), Some(other)) if one != other => {
            return refused(compare.range, format!("a `{one}` is compared with a `{other}`"));
        }
        (_, Some(cast)) => Type::of_cast(cast),
        _ if text(right).is_some() => Some(Type::Text),
        _ if number_of(right, mode).is_some() => Some(Type::Number),
        _ if matches!(right, Expr::BooleanLiteral(_)) => Some(Type::Flag),
        _ => {
            return refused_right(
                right,
                left_cast.as_deref().and_then(Type::of_cast),
                compare,
                mode,
            );
        }
    };
    let Some(type_) = type_ else {
        return refused_with(
            compare.range,
            "only a cast can be called in a condition",
            "casts: str(…), int(…), float(…), bool(…)",
        );
    };
    let (key, is_negated) = operator(*op, type_, compare)?;
    let variable = operand(left, mode)?;
    // If the right side is a part of the data, the comparison is with a path. The original compares
    // with the path's text instead.
    let is_path = matches!(bare(right), Expr::Subscript(_)) && mode == Mode::Documented;
    let value = match number_of(right, mode) {
        Some(number) => number,
        None => operand(right, mode)?,
    };
    let key = if is_path { format!("{key}Path") } else { key };
    let rule = object([("Variable", variable), (&key, value)]);
    Ok(if is_negated { object([("Not", rule)]) } else { rule })
}

/// Checks a side of a comparison. A cast only sets the type, except for the original's `bool`.
fn operand(side: &Expr, mode: Mode) -> Result<Json> {
    serialized(if mode == Mode::Documented { bare(side) } else { side }, mode)
}

/// Whether a cast has one argument, which is a part of the data or a literal of its type.
fn is_plain_cast(cast: &ExprCall, mode: Mode) -> bool {
    let [argument] = &cast.arguments.args[..] else { return false };
    let fits = match name(&cast.func).and_then(Type::of_cast) {
        Some(Type::Text) => text(argument).is_some(),
        Some(Type::Number) => number_of(argument, mode).is_some(),
        Some(Type::Flag) => matches!(argument, Expr::BooleanLiteral(_)),
        None => false,
    };
    cast.arguments.keywords.is_empty() && (fits || matches!(argument, Expr::Subscript(_)))
}

/// The path of a part of the data. The original accepts any expression here.
fn variable(node: &Expr, mode: Mode) -> Result<Json> {
    match mode {
        Mode::Compat => Ok(path(node, Place::Alone).into()),
        Mode::Documented => Ok(data::reference(node)?.path().into()),
    }
}

/// The expression without its cast.
fn bare(side: &Expr) -> &Expr {
    match side {
        Expr::Call(call) if name(&call.func).and_then(Type::of_cast).is_some() => {
            call.arguments.args.first().unwrap_or(side)
        }
        _ => side,
    }
}

/// A number literal. The original does not accept negative ones.
fn number_of(side: &Expr, mode: Mode) -> Option<Json> {
    match side {
        Expr::NumberLiteral(literal) => literal::number(&literal.value),
        Expr::UnaryOp(_) if mode == Mode::Documented => literal::evaluate(side).ok(),
        _ => None,
    }
}

fn refused_right(
    right: &Expr,
    cast: Option<Type>,
    compare: &ExprCompare,
    mode: Mode,
) -> Result<Json> {
    if matches!(right, Expr::Subscript(_)) {
        if let (Mode::Documented, Some(type_)) = (mode, cast) {
            let (key, is_negated) = operator(compare.ops[0], type_, compare)?;
            let variable = operand(&compare.left, mode)?;
            let key = format!("{key}Path");
            let other = self::variable(right, mode)?;
            let rule = object([("Variable", variable), (&key, other)]);
            return Ok(if is_negated { object([("Not", rule)]) } else { rule });
        }
        return refused_with(
            right.range(),
            "the type of what is compared is not known",
            "cast it: `int(data['a']) == int(data['b'])`",
        );
    }
    refused(right.range(), "there is no telling the type of what is compared")
}

/// The key of the comparison operator, and whether it is negated.
fn operator(op: CmpOp, type_: Type, compare: &ExprCompare) -> Result<(String, bool)> {
    let suffix = match op {
        CmpOp::Eq | CmpOp::NotEq => "Equals",
        CmpOp::Lt if type_ != Type::Flag => "LessThan",
        CmpOp::Gt if type_ != Type::Flag => "GreaterThan",
        CmpOp::LtE if type_ != Type::Flag => "LessThanEquals",
        CmpOp::GtE if type_ != Type::Flag => "GreaterThanEquals",
        other => {
            let what = format!("`{}` cannot compare these", other.as_str());
            return refused_with(compare.range, what, "write `==`, `!=`, `<`, `<=`, `>` or `>=`");
        }
    };
    Ok((format!("{}{suffix}", type_.prefix()), op == CmpOp::NotEq))
}
