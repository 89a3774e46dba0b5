//! Prints Python source as the original does, because state keys are hashes of it.
//!
//! The original uses astor 0.8.1. This module reproduces the output of that library for everything
//! that the function of a state machine can contain: where it puts parentheses, which quotes a
//! string gets, and where it breaks long lines.

mod layout;
mod strings;

pub(crate) use strings::repr;

use crate::syntax::{Handler, If, Statement, Try, With};
use ruff_python_ast as ast;
use ruff_python_ast::{Expr, Number, Operator, Stmt, UnaryOp};

/// How strongly the surroundings of an expression bind. The higher the number, the sooner the
/// expression needs parentheses.
type Precedence = u32;

const ASSIGN: Precedence = 3;
const EXPR: Precedence = 5;
const YIELD: Precedence = 7;
const IF: Precedence = 9;
const RETURN: Precedence = 11;
const SUBSCRIPT: Precedence = 13;
const COMPREHENSION_TARGET: Precedence = 19;
const TUPLE: Precedence = 19;
const FORMATTED_VALUE: Precedence = 19;
const COMMA: Precedence = 21;
const NAMED: Precedence = 23;
const ASSERT: Precedence = 23;
const CALL_ONE_ARGUMENT: Precedence = 25;
const LAMBDA: Precedence = 27;
const COMPREHENSION: Precedence = 29;
const OR: Precedence = 31;
const AND: Precedence = 33;
const NOT: Precedence = 35;
const COMPARE: Precedence = 37;
const POWER_RIGHT: Precedence = 51;
const UNARY: Precedence = 53;
const POWER: Precedence = 55;
const AWAIT: Precedence = 57;
const CONSTANT: Precedence = 61;
/// The precedence of expressions for which astor has set none.
const HIGHEST: Precedence = 63;
const GENERATOR: Precedence = 1;

/// Prints a statement, with a line feed at its end.
pub(crate) fn statement(statement: &Statement<'_>) -> String {
    let mut printer = Printer::default();
    printer.statement(statement);
    printer.finish()
}

/// Prints an expression, without white space around it. `within` is where the expression stands,
/// because astor parenthesises a single argument of a call differently.
pub(crate) fn expression(expression: &Expr, within: Place) -> String {
    let mut printer = Printer::default();
    let precedence = match within {
        Place::Alone => HIGHEST,
        Place::Assigned => ASSIGN,
        Place::OnlyArgument => CALL_ONE_ARGUMENT,
        Place::Argument => COMMA,
    };
    printer.expression(expression, precedence);
    printer.finish().trim().to_owned()
}

/// Where an expression was first printed. It matters because the original remembers the precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a place that does not matter.
    Alone,
    /// On either side of an assignment.
    Assigned,
    /// As the only argument of a call.
    OnlyArgument,
    /// As one of several arguments.
    Argument,
}

impl Place {
    /// The place of a call's positional arguments.
    pub(crate) fn argument_of(call: &ast::ExprCall) -> Self {
        let arguments = call.arguments.args.len() + call.arguments.keywords.len();
        if arguments > 1 { Self::Argument } else { Self::OnlyArgument }
    }
}

/// The output so far, as pieces between which lines can be broken.
#[derive(Default)]
struct Printer {
    pieces: Vec<String>,
    indentation: usize,
    /// The number of line feeds before the next piece.
    new_lines: usize,
    /// The beginning of the current line: the index of a piece, and an offset in it.
    line: (usize, usize),
}

impl Printer {
    fn finish(mut self) -> String {
        self.pieces.push("\n".to_owned());
        if self.pieces[0].bytes().all(|byte| byte == b'\n') {
            self.pieces[0].clear();
        }
        layout::broken(self.pieces)
    }

    fn write(&mut self, text: &str) {
        if self.new_lines > 0 {
            self.pieces.push("\n".repeat(self.new_lines));
            self.line = (self.pieces.len(), 0);
            self.pieces.push("    ".repeat(self.indentation));
            self.new_lines = 0;
        }
        if !text.is_empty() {
            self.pieces.push(text.to_owned());
        }
    }

    fn new_line(&mut self) {
        self.new_lines = self.new_lines.max(1);
    }

    fn begin(&mut self, text: &str) {
        self.new_line();
        self.write(text);
    }

    fn body(&mut self, statements: &[Statement<'_>]) {
        self.indentation += 1;
        for inner in statements {
            self.statement(inner);
        }
        self.indentation -= 1;
    }

    fn else_body(&mut self, statements: &[Statement<'_>]) {
        if !statements.is_empty() {
            self.begin("else:");
            self.body(statements);
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::Assign { targets, value, .. } => {
                self.new_line();
                for target in *targets {
                    self.expression(target, ASSIGN);
                    self.write(" = ");
                }
                self.expression(value, ASSIGN);
            }
            Statement::Expression { value, .. } => {
                self.begin("");
                self.expression(value, EXPR);
            }
            Statement::If(statement) => self.if_(statement),
            Statement::Raise { exception, cause, .. } => {
                self.begin("raise");
                if let Some(exception) = exception {
                    self.write(" ");
                    self.expression(exception, HIGHEST);
                    if let Some(cause) = cause {
                        self.write(" from ");
                        self.expression(cause, HIGHEST);
                    }
                }
            }
            Statement::Return { value, .. } => {
                self.begin("return");
                if let Some(value) = value {
                    self.write(" ");
                    self.expression(value, RETURN);
                }
            }
            Statement::Try(statement) => self.try_(statement),
            Statement::With(with) => self.with(with),
            Statement::Pass { .. } => self.begin("pass"),
            Statement::Other { statement, within } => self.other(statement, within),
        }
    }

    fn if_(&mut self, statement: &If<'_>) {
        let mut statement = statement;
        self.begin("if ");
        loop {
            self.expression(statement.test, IF);
            self.write(":");
            self.body(&statement.body);
            match &statement.orelse[..] {
                [Statement::If(next)] => {
                    self.begin("elif ");
                    statement = next;
                }
                orelse => {
                    self.else_body(orelse);
                    return;
                }
            }
        }
    }

    fn try_(&mut self, statement: &Try<'_>) {
        self.begin("try:");
        self.body(&statement.body);
        for handler in &statement.handlers {
            self.handler(handler);
        }
        self.else_body(&statement.orelse);
        if !statement.finalbody.is_empty() {
            self.begin("finally:");
            self.body(&statement.finalbody);
        }
    }

    fn handler(&mut self, handler: &Handler<'_>) {
        self.begin("except");
        match handler.exceptions {
            Some(exceptions) => {
                self.write(" ");
                self.expression(exceptions, HIGHEST);
                if let Some(name) = handler.name {
                    self.write(" as ");
                    self.write(name);
                }
            }
            // The original spells out what a bare `except` catches.
            None if !handler.is_nested => {
                for piece in [" ", "States", ".", "ALL"] {
                    self.write(piece);
                }
            }
            None => {}
        }
        self.write(":");
        self.body(&handler.body);
    }

    fn with(&mut self, with: &With<'_>) {
        self.begin("with ");
        for (at, item) in with.items.iter().enumerate() {
            if at > 0 {
                self.write(", ");
            }
            self.expression(&item.context_expr, HIGHEST);
            if let Some(variables) = &item.optional_vars {
                self.write(" as ");
                self.expression(variables, HIGHEST);
            }
        }
        self.write(":");
        self.body(&with.body);
    }

    /// Statements that have no meaning themselves, but may occur in the body of one that has.
    fn other(&mut self, statement: &Stmt, within: &[Statement<'_>]) {
        match statement {
            Stmt::AugAssign(assign) => {
                self.new_line();
                self.expression(&assign.target, EXPR);
                self.write(&format!(" {}= ", assign.op.as_str()));
                self.expression(&assign.value, EXPR);
            }
            Stmt::AnnAssign(assign) => {
                self.new_line();
                self.expression(&assign.target, EXPR);
                self.write(": ");
                self.expression(&assign.annotation, EXPR);
                if let Some(value) = &assign.value {
                    self.write(" = ");
                    self.expression(value, COMMA);
                }
            }
            Stmt::Delete(delete) => {
                self.begin("del ");
                self.list(&delete.targets);
            }
            Stmt::Assert(assert) => {
                self.begin("assert ");
                self.expression(&assert.test, ASSERT);
                if let Some(message) = &assert.msg {
                    self.write(", ");
                    self.expression(message, ASSERT);
                }
            }
            Stmt::For(inner) => {
                self.begin(if inner.is_async { "async for " } else { "for " });
                self.expression(&inner.target, IF);
                self.write(" in ");
                self.expression(&inner.iter, HIGHEST);
                self.write(":");
                self.loop_(within, inner.body.len());
            }
            Stmt::While(inner) => {
                self.begin("while ");
                self.expression(&inner.test, IF);
                self.write(":");
                self.loop_(within, inner.body.len());
            }
            Stmt::Break(_) => self.begin("break"),
            Stmt::Continue(_) => self.begin("continue"),
            Stmt::Global(global) => {
                let names: Vec<&str> = global.names.iter().map(ast::Identifier::as_str).collect();
                self.begin(&format!("global {}", names.join(", ")));
            }
            Stmt::Nonlocal(nonlocal) => {
                let names: Vec<&str> = nonlocal.names.iter().map(ast::Identifier::as_str).collect();
                self.begin(&format!("nonlocal {}", names.join(", ")));
            }
            Stmt::Import(import) => {
                self.begin("import ");
                self.aliases(&import.names);
            }
            Stmt::ImportFrom(import) => {
                self.begin("from ");
                self.write(&".".repeat(import.level as usize));
                self.write(import.module.as_ref().map_or("", ast::Identifier::as_str));
                self.write(" import ");
                self.aliases(&import.names);
            }
            // Everything else has no meaning, and its key is unknown.
            _ => {
                self.begin("...");
                self.body(within);
            }
        }
    }

    fn aliases(&mut self, aliases: &[ast::Alias]) {
        for (at, alias) in aliases.iter().enumerate() {
            if at > 0 {
                self.write(", ");
            }
            self.write(alias.name.as_str());
            if let Some(name) = &alias.asname {
                self.write(" as ");
                self.write(name.as_str());
            }
        }
    }

    fn loop_(&mut self, within: &[Statement<'_>], body: usize) {
        let (body, orelse) = within.split_at(body);
        self.body(body);
        self.else_body(orelse);
    }

    /// Prints expressions, separated by commas.
    fn list(&mut self, items: &[Expr]) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.write(", ");
            }
            self.expression(item, COMMA);
        }
    }

    /// Adds parentheses if the surroundings of an expression bind more strongly than the expression
    /// itself.
    fn delimited(&mut self, own: Precedence, around: Precedence, write: impl FnOnce(&mut Self)) {
        let needed = own < around;
        if needed {
            self.write("(");
        } else {
            // If astor removes parentheses, an empty piece remains, which affects where lines are
            // broken.
            self.write("");
            self.pieces.push(String::new());
        }
        write(self);
        if needed {
            self.write(")");
        }
    }

    fn expression(&mut self, expression: &Expr, around: Precedence) {
        match expression {
            Expr::Name(name) => self.write(name.id.as_str()),
            Expr::BooleanLiteral(literal) => {
                let text = if literal.value { "True" } else { "False" };
                self.delimited(CONSTANT, around, |this| this.write(text));
            }
            Expr::NumberLiteral(literal) => {
                let text = strings::number(&literal.value);
                self.delimited(CONSTANT, around, |this| this.write(&text));
            }
            Expr::NoneLiteral(_) => self.write("None"),
            Expr::EllipsisLiteral(_) => self.write("..."),
            Expr::StringLiteral(literal) => {
                let prefix = literal.value.is_unicode();
                self.string(literal.value.to_str(), around, if prefix { "u" } else { "" });
            }
            Expr::BytesLiteral(literal) => {
                let bytes: Vec<u8> = literal.value.bytes().collect();
                self.write(&strings::bytes(&bytes));
            }
            Expr::FString(literal) => {
                let text = Self::joined(&literal.value);
                self.string(&text, around, "f");
            }
            Expr::Attribute(attribute) => {
                self.expression(&attribute.value, HIGHEST);
                self.write(".");
                self.write(attribute.attr.as_str());
            }
            Expr::Call(call) => self.call(call),
            Expr::Subscript(subscript) => {
                self.expression(&subscript.value, HIGHEST);
                self.write("[");
                self.expression(&subscript.slice, SUBSCRIPT);
                self.write("]");
            }
            Expr::Slice(slice) => {
                self.optional(slice.lower.as_deref(), SUBSCRIPT);
                self.write(":");
                self.optional(slice.upper.as_deref(), SUBSCRIPT);
                if let Some(step) = &slice.step {
                    self.write(":");
                    self.expression(step, SUBSCRIPT);
                }
            }
            Expr::List(list) => {
                self.write("[");
                self.list(&list.elts);
                self.write("]");
            }
            Expr::Tuple(tuple) => {
                let own = if tuple.elts.is_empty() { 0 } else { TUPLE };
                self.delimited(own, around, |this| {
                    this.list(&tuple.elts);
                    if tuple.elts.len() == 1 {
                        this.write(",");
                    }
                });
            }
            Expr::Set(set) => {
                self.write("{");
                self.list(&set.elts);
                self.write("}");
            }
            Expr::Dict(dict) => self.dict(dict),
            Expr::BoolOp(operation) => {
                let (own, word) = match operation.op {
                    ast::BoolOp::Or => (OR, " or "),
                    ast::BoolOp::And => (AND, " and "),
                };
                self.delimited(own, around, |this| {
                    for (at, value) in operation.values.iter().enumerate() {
                        if at > 0 {
                            this.write(word);
                        }
                        this.expression(value, own + 1);
                    }
                });
            }
            Expr::UnaryOp(operation) => {
                let (own, sign) = match operation.op {
                    UnaryOp::Not => (NOT, "not "),
                    UnaryOp::Invert => (UNARY, "~"),
                    UnaryOp::UAdd => (UNARY, "+"),
                    UnaryOp::USub => (UNARY, "-"),
                };
                self.delimited(own, around, |this| {
                    let (sign, space) = sign.split_at(sign.trim_end().len());
                    this.write(sign);
                    this.write(space);
                    this.expression(&operation.operand, own);
                });
            }
            Expr::Compare(compare) => self.delimited(COMPARE, around, |this| {
                this.expression(&compare.left, COMPARE + 1);
                for (op, right) in compare.ops.iter().zip(&compare.comparators) {
                    this.write(&format!(" {} ", op.as_str()));
                    this.expression(right, COMPARE + 1);
                }
            }),
            Expr::BinOp(operation) => {
                let own = binary(operation.op);
                self.delimited(own, around, |this| {
                    let is_power = operation.op == Operator::Pow;
                    this.expression(&operation.left, if is_power { POWER + 1 } else { own });
                    this.write(&format!(" {} ", operation.op.as_str()));
                    let right = if is_power { POWER_RIGHT } else { own + 1 };
                    this.expression(&operation.right, right);
                });
            }
            Expr::Named(named) => {
                self.write("(");
                self.expression(&named.target, NAMED);
                self.write(" := ");
                self.expression(&named.value, NAMED + 1);
                self.write(")");
            }
            Expr::If(choice) => self.delimited(LAMBDA, around, |this| {
                this.expression(&choice.body, LAMBDA + 1);
                this.write(" if ");
                this.expression(&choice.test, LAMBDA + 1);
                this.write(" else ");
                this.expression(&choice.orelse, LAMBDA);
            }),
            Expr::Lambda(lambda) => self.delimited(LAMBDA, around, |this| {
                this.write("lambda ");
                let parameters = lambda.parameters.iter().flat_map(|all| all.iter());
                for (at, parameter) in parameters.enumerate() {
                    if at > 0 {
                        this.write(", ");
                    }
                    this.write(parameter.name().as_str());
                    if let Some(default) = parameter.default() {
                        this.write("=");
                        this.expression(default, COMMA);
                    }
                }
                this.write(": ");
                this.expression(&lambda.body, LAMBDA);
            }),
            Expr::Starred(starred) => {
                self.write("*");
                self.expression(&starred.value, HIGHEST);
            }
            Expr::Await(inner) => self.delimited(AWAIT, around, |this| {
                this.write("await ");
                this.expression(&inner.value, HIGHEST);
            }),
            Expr::Yield(inner) => self.delimited(YIELD, around, |this| {
                this.write("yield");
                if let Some(value) = &inner.value {
                    this.write(" ");
                    this.expression(value, YIELD + 1);
                }
            }),
            Expr::YieldFrom(inner) => self.delimited(YIELD, around, |this| {
                this.write("yield from ");
                this.expression(&inner.value, HIGHEST);
            }),
            Expr::ListComp(inner) => {
                self.write("[");
                self.expression(&inner.elt, HIGHEST);
                self.generators(&inner.generators);
                self.write("]");
            }
            Expr::SetComp(inner) => {
                self.write("{");
                self.expression(&inner.elt, HIGHEST);
                self.generators(&inner.generators);
                self.write("}");
            }
            Expr::DictComp(inner) => {
                self.write("{");
                if let Some(key) = inner.key.as_deref() {
                    self.expression(key, HIGHEST);
                    self.write(": ");
                }
                self.expression(&inner.value, HIGHEST);
                self.generators(&inner.generators);
                self.write("}");
            }
            Expr::Generator(inner) => {
                let own = if around == CALL_ONE_ARGUMENT { around } else { GENERATOR };
                self.delimited(own, around, |this| {
                    this.expression(&inner.elt, COMMA);
                    this.generators(&inner.generators);
                });
            }
            Expr::TString(_) | Expr::IpyEscapeCommand(_) => self.write("..."),
        }
    }

    fn optional(&mut self, expression: Option<&Expr>, around: Precedence) {
        if let Some(expression) = expression {
            self.expression(expression, around);
        }
    }

    fn call(&mut self, call: &ast::ExprCall) {
        let arguments = &call.arguments;
        let many = arguments.args.len() + arguments.keywords.len() > 1;
        self.expression(&call.func, HIGHEST);
        self.write("(");
        let mut is_first = true;
        let mut comma = |this: &mut Self| {
            if !std::mem::take(&mut is_first) {
                this.write(", ");
            }
        };
        for argument in &arguments.args {
            comma(self);
            self.expression(argument, if many { COMMA } else { CALL_ONE_ARGUMENT });
        }
        for keyword in &arguments.keywords {
            comma(self);
            match &keyword.arg {
                Some(name) => {
                    self.write(name.as_str());
                    self.write("=");
                }
                None => self.write("**"),
            }
            self.expression(&keyword.value, COMMA);
        }
        self.write(")");
    }

    fn dict(&mut self, dict: &ast::ExprDict) {
        self.write("{");
        for (at, item) in dict.items.iter().enumerate() {
            if at > 0 {
                self.write(", ");
            }
            match &item.key {
                Some(key) => {
                    self.expression(key, HIGHEST);
                    self.write(": ");
                }
                None => self.write("**"),
            }
            self.expression(&item.value, COMMA);
        }
        self.write("}");
    }

    fn generators(&mut self, generators: &[ast::Comprehension]) {
        for generator in generators {
            self.write(if generator.is_async { " async for " } else { " for " });
            self.expression(&generator.target, COMPREHENSION_TARGET);
            self.write(" in ");
            self.expression(&generator.iter, COMPREHENSION);
            for condition in &generator.ifs {
                self.write(" if ");
                self.expression(condition, COMPREHENSION);
            }
        }
    }

    /// The contents of an f-string, without its quotes.
    fn joined(value: &ast::FStringValue) -> String {
        let mut text = String::new();
        for part in value {
            match part {
                ast::FStringPart::Literal(literal) => text.push_str(&doubled(literal.as_str())),
                ast::FStringPart::FString(inner) => Self::elements(&inner.elements, &mut text),
            }
        }
        text
    }

    fn elements(elements: &ast::InterpolatedStringElements, text: &mut String) {
        for element in elements {
            match element {
                ast::InterpolatedStringElement::Literal(literal) => {
                    text.push_str(&doubled(&literal.value));
                }
                ast::InterpolatedStringElement::Interpolation(inner) => {
                    let mut printer = Self::default();
                    printer.expression(&inner.expression, FORMATTED_VALUE);
                    text.push('{');
                    text.push_str(&printer.pieces.concat());
                    if let Some(conversion) = inner.conversion.to_char() {
                        text.push('!');
                        text.push(conversion);
                    }
                    if let Some(spec) = &inner.format_spec {
                        text.push(':');
                        Self::elements(&spec.elements, text);
                    }
                    text.push('}');
                }
            }
        }
    }

    fn string(&mut self, text: &str, around: Precedence, prefix: &str) {
        let embedded = u8::from(around > EXPR) + u8::from(around >= ASSIGN);
        self.write("");
        let (piece, at) = self.line;
        let mut line: String = self.pieces.get(piece..).map(<[String]>::concat).unwrap_or_default();
        line.replace_range(..at.min(line.len()), "");
        let shown = format!("{prefix}{}", strings::pretty(text, embedded, &line));
        let after_line_feed = shown.rfind('\n').map(|at| at + 1);
        self.pieces.push(shown);
        if let Some(at) = after_line_feed {
            self.line = (self.pieces.len() - 1, at);
        }
    }
}

fn doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn binary(operator: Operator) -> Precedence {
    match operator {
        Operator::BitOr => 39,
        Operator::BitXor => 41,
        Operator::BitAnd => 43,
        Operator::LShift | Operator::RShift => 45,
        Operator::Add | Operator::Sub => 47,
        Operator::Mult | Operator::Div | Operator::Mod | Operator::FloorDiv | Operator::MatMult => {
            49
        }
        Operator::Pow => POWER,
    }
}

/// A number as Python prints it.
pub(crate) fn number(number: &Number) -> String {
    strings::number(number)
}
