//! The statements of a function, in the shape of Python's own `ast` module.
//!
//! Expressions are ruff's. Statements differ from ruff's in two ways: an `elif` is an `if` inside
//! the `else`, and an `if` without an `else` may get an empty one, as in the original.

use ruff_python_ast as ast;
use ruff_python_ast::{Expr, Stmt};
use ruff_text_size::{Ranged as _, TextRange};

/// A statement.
#[derive(Clone, Debug)]
pub(crate) enum Statement<'a> {
    /// `a = b = value`
    Assign { targets: &'a [Expr], value: &'a Expr, range: TextRange },
    /// An expression as a statement.
    Expression { value: &'a Expr, range: TextRange },
    /// `if`, or an `elif`.
    If(If<'a>),
    /// `raise`
    Raise { exception: Option<&'a Expr>, cause: Option<&'a Expr>, range: TextRange },
    /// `return`
    Return { value: Option<&'a Expr>, range: TextRange },
    /// `try`
    Try(Try<'a>),
    /// `with`
    With(With<'a>),
    /// `pass`. It has no place if it was added by us.
    Pass { range: Option<TextRange> },
    /// Any other statement, which has no meaning in Fluxio, with the statements inside it.
    Other { statement: &'a Stmt, within: Vec<Statement<'a>> },
}

/// An `if` or `elif`.
#[derive(Clone, Debug)]
pub(crate) struct If<'a> {
    pub(crate) test: &'a Expr,
    pub(crate) body: Vec<Statement<'a>>,
    /// The `else`. For an `elif`, it holds a single `if`.
    pub(crate) orelse: Vec<Statement<'a>>,
    pub(crate) range: TextRange,
}

/// A `try`.
#[derive(Clone, Debug)]
pub(crate) struct Try<'a> {
    pub(crate) body: Vec<Statement<'a>>,
    pub(crate) handlers: Vec<Handler<'a>>,
    pub(crate) orelse: Vec<Statement<'a>>,
    pub(crate) finalbody: Vec<Statement<'a>>,
    pub(crate) range: TextRange,
}

/// An `except`.
#[derive(Clone, Debug)]
pub(crate) struct Handler<'a> {
    /// The exceptions; `None` means all.
    pub(crate) exceptions: Option<&'a Expr>,
    /// Whether it stands inside another `except`. There, the original does not treat a missing list
    /// as all exceptions.
    pub(crate) is_nested: bool,
    pub(crate) name: Option<&'a str>,
    pub(crate) body: Vec<Statement<'a>>,
    pub(crate) range: TextRange,
}

/// A `with`.
#[derive(Clone, Debug)]
pub(crate) struct With<'a> {
    pub(crate) items: &'a [ast::WithItem],
    pub(crate) body: Vec<Statement<'a>>,
    pub(crate) range: TextRange,
}

impl Statement<'_> {
    /// Where it stands.
    pub(crate) fn range(&self) -> TextRange {
        match self {
            Self::Assign { range, .. }
            | Self::Expression { range, .. }
            | Self::Raise { range, .. }
            | Self::Return { range, .. } => *range,
            Self::If(statement) => statement.range,
            Self::Try(statement) => statement.range,
            Self::With(statement) => statement.range,
            Self::Pass { range } => range.unwrap_or_default(),
            Self::Other { statement, .. } => statement.range(),
        }
    }
}

/// How statements are converted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Whether an `if` without an `else` gets one with a `pass`, as the original does, except
    /// inside an `except`.
    pub(crate) completes_ifs: bool,
}

impl Reading {
    /// Converts a block.
    pub(crate) fn block(self, statements: &[Stmt]) -> Vec<Statement<'_>> {
        statements.iter().map(|statement| self.statement(statement)).collect()
    }

    fn statement(self, statement: &Stmt) -> Statement<'_> {
        match statement {
            Stmt::Assign(assign) => Statement::Assign {
                targets: &assign.targets,
                value: &assign.value,
                range: assign.range,
            },
            Stmt::Expr(expression) => {
                Statement::Expression { value: &expression.value, range: expression.range }
            }
            Stmt::If(statement) => {
                let clauses = &statement.elif_else_clauses;
                Statement::If(If {
                    test: &statement.test,
                    body: self.block(&statement.body),
                    orelse: self.clauses(clauses, statement.range),
                    range: statement.range,
                })
            }
            Stmt::Raise(raise) => Statement::Raise {
                exception: raise.exc.as_deref(),
                cause: raise.cause.as_deref(),
                range: raise.range,
            },
            Stmt::Return(statement) => {
                Statement::Return { value: statement.value.as_deref(), range: statement.range }
            }
            Stmt::Try(statement) if !statement.is_star => Statement::Try(Try {
                body: self.block(&statement.body),
                handlers: statement.handlers.iter().map(|handler| self.handler(handler)).collect(),
                orelse: self.block(&statement.orelse),
                finalbody: self.block(&statement.finalbody),
                range: statement.range,
            }),
            Stmt::With(with) if !with.is_async => Statement::With(With {
                items: &with.items,
                body: self.block(&with.body),
                range: with.range,
            }),
            Stmt::Pass(pass) => Statement::Pass { range: Some(pass.range) },
            other => Statement::Other { statement: other, within: self.within(other) },
        }
    }

    fn clauses(self, clauses: &[ast::ElifElseClause], whole: TextRange) -> Vec<Statement<'_>> {
        let Some((first, rest)) = clauses.split_first() else {
            return if self.completes_ifs {
                vec![Statement::Pass { range: None }]
            } else {
                Vec::new()
            };
        };
        match &first.test {
            None => self.block(&first.body),
            Some(test) => vec![Statement::If(If {
                test,
                body: self.block(&first.body),
                orelse: self.clauses(rest, whole),
                range: TextRange::new(first.range.start(), whole.end()),
            })],
        }
    }

    /// Inside an `except`, an `if` gets no added `else`.
    fn handler(self, handler: &ast::ExceptHandler) -> Handler<'_> {
        let ast::ExceptHandler::ExceptHandler(handler) = handler;
        Handler {
            exceptions: handler.type_.as_deref(),
            name: handler.name.as_ref().map(ast::Identifier::as_str),
            is_nested: !self.completes_ifs,
            body: Self { completes_ifs: false }.block(&handler.body),
            range: handler.range,
        }
    }

    /// The statements inside a statement, in the order of Python's `generic_visit`.
    fn within<'a>(self, statement: &'a Stmt) -> Vec<Statement<'a>> {
        let blocks: Vec<&'a [Stmt]> = match statement {
            Stmt::For(inner) => vec![&inner.body, &inner.orelse],
            Stmt::While(inner) => vec![&inner.body, &inner.orelse],
            Stmt::With(inner) => vec![&inner.body],
            Stmt::FunctionDef(inner) => vec![&inner.body],
            Stmt::ClassDef(inner) => vec![&inner.body],
            Stmt::Match(inner) => inner.cases.iter().map(|case| &case.body[..]).collect(),
            Stmt::Try(inner) => vec![&inner.body, &inner.orelse, &inner.finalbody],
            _ => Vec::new(),
        };
        blocks.into_iter().flat_map(|block| self.block(block)).collect()
    }
}

/// The name, if the expression is a plain name.
pub(crate) fn name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        _ => None,
    }
}

/// The call, if the expression is one, with the name of the function.
pub(crate) fn call(expression: &Expr) -> Option<(&str, &ast::ExprCall)> {
    match expression {
        Expr::Call(call) => Some((name(&call.func)?, call)),
        _ => None,
    }
}

/// The string, if the expression is a string literal without placeholders.
pub(crate) fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(literal) => Some(literal.value.to_str()),
        _ => None,
    }
}
