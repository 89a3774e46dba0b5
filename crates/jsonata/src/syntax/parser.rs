use super::ast::{Ast, Kind, Term};
use super::lexer::{Lexeme, Lexer, Token};
use super::process;
use crate::error::{Fault, Result};
use crate::signature::Signature;
use crate::stack;
use rustc_hash::FxHashSet;
use stepwright_json::{Json, Str};
use stepwright_source::Span;

/// How many parts of an expression may be inside each other.
const TALLEST: u32 = 1_000;

pub(crate) struct Parsed {
    pub(crate) root: Ast,
    /// The labels under which parents are known, by slot of `%`.
    pub(crate) labels: Vec<usize>,
    /// Names that the expression binds somewhere.
    pub(crate) bound: FxHashSet<Str>,
}

/// Reads an expression.
pub(crate) fn parse(text: &str, newer: bool) -> Result<Parsed> {
    let mut parser = Parser {
        lexer: Lexer::new(text, newer),
        token: Token { lexeme: Lexeme::End, span: Span::default() },
        before: 0,
        depth: 0,
        bound: FxHashSet::default(),
    };
    parser.advance(false)?;
    let root = parser.expression(0)?;
    if parser.token.lexeme != Lexeme::End {
        return Err(parser.unexpected("S0201"));
    }
    let (root, labels) = process::process(root)?;
    Ok(Parsed { root, labels, bound: parser.bound })
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token,
    /// Where the token before this one ended.
    before: u32,
    depth: u32,
    bound: FxHashSet<Str>,
}

/// How strongly an operator binds what is on its left.
fn binding_power(lexeme: &Lexeme) -> u32 {
    let Lexeme::Operator(operator) = lexeme else { return 0 };
    match *operator {
        "(" | "[" | "@" | "#" => 80,
        "." => 75,
        "{" => 70,
        "*" | "/" | "%" => 60,
        "+" | "-" | "&" => 50,
        "=" | "<" | ">" | "^" | "!=" | "<=" | ">=" | "~>" | "?:" | "??" | "in" => 40,
        "and" => 30,
        "or" => 25,
        "?" => 20,
        ":=" => 10,
        _ => 0,
    }
}

impl Parser<'_> {
    fn advance(&mut self, infix: bool) -> Result<()> {
        self.before = self.token.span.end;
        self.token = self.lexer.next(infix)?;
        if let Lexeme::Operator(operator @ ("!" | "~")) = self.token.lexeme {
            let span = self.token.span;
            return Err(Fault::new("S0204").at(span.end, span).token(operator));
        }
        Ok(())
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.token.lexeme, Lexeme::Operator(this) if this == operator)
    }

    fn unexpected(&self, code: &'static str) -> Box<Fault> {
        let span = self.token.span;
        Fault::new(code).at(span.end, span).token(self.token.shown())
    }

    fn expect(&mut self, operator: &'static str, infix: bool) -> Result<()> {
        if self.is(operator) {
            return self.advance(infix);
        }
        let code = if self.token.lexeme == Lexeme::End { "S0203" } else { "S0202" };
        Err(self.unexpected(code).value(Some(operator.into())))
    }

    fn node(&self, kind: Kind, token: Span, start: u32) -> Result<Ast> {
        let end = self.before.max(token.end);
        let node = Ast::new(kind, token.end, Span { start, end });
        if node.height > TALLEST {
            return Err(Fault::new("S0501").at(token.end, token));
        }
        Ok(node)
    }

    fn expression(&mut self, power: u32) -> Result<Ast> {
        self.depth += 1;
        if self.depth > TALLEST {
            return Err(Fault::new("S0501").at(self.token.span.end, self.token.span));
        }
        let result = stack::deeper(|| {
            let token = self.token.clone();
            self.advance(true)?;
            let mut left = self.prefix(token)?;
            while power < binding_power(&self.token.lexeme) {
                let token = self.token.clone();
                self.advance(false)?;
                left = self.infix(left, token)?;
            }
            Ok(left)
        });
        self.depth -= 1;
        result
    }

    /// What begins with `token`, which is behind already.
    fn prefix(&mut self, token: Token) -> Result<Ast> {
        let span = token.span;
        let kind = match token.lexeme {
            Lexeme::Name(name) => Kind::Name(name),
            Lexeme::Variable(name) => Kind::Variable(name),
            Lexeme::Text(text) => Kind::Text(text),
            Lexeme::Number(value) => Kind::Number(value),
            Lexeme::Value(value) => Kind::Value(value),
            Lexeme::Regex { pattern, flags } => Kind::Regex { pattern, flags },
            Lexeme::End => Kind::End,
            Lexeme::Operator(operator) => match operator {
                "and" | "or" | "in" => Kind::Keyword(operator),
                "*" => Kind::Wildcard,
                "**" => Kind::Descendant,
                "%" => Kind::Parent(usize::MAX),
                "-" => Kind::Negate(Box::new(self.expression(70)?)),
                "(" => self.block()?,
                "[" => self.array()?,
                "{" => Kind::Object(self.pairs()?),
                "|" => self.transform()?,
                _ => return Err(Fault::new("S0211").at(span.end, span).token(operator)),
            },
        };
        // A single token is its own span; the token after it has been read already.
        let leaf = Ast::new(kind, span.end, span);
        if leaf.height == 1
            && !matches!(leaf.kind, Kind::Block(_) | Kind::Array(_) | Kind::Object(_))
        {
            return Ok(leaf);
        }
        self.node(leaf.kind, span, span.start)
    }

    fn block(&mut self) -> Result<Kind> {
        let mut expressions = Vec::new();
        while !self.is(")") {
            expressions.push(self.expression(0)?);
            if !self.is(";") {
                break;
            }
            self.advance(false)?;
        }
        self.expect(")", true)?;
        Ok(Kind::Block(expressions))
    }

    fn array(&mut self) -> Result<Kind> {
        let mut items = Vec::new();
        if !self.is("]") {
            loop {
                let mut item = self.expression(0)?;
                if self.is("..") {
                    let token = self.token.span;
                    self.advance(false)?;
                    let start = item.span.start;
                    let end = self.expression(0)?;
                    item =
                        self.node(Kind::Binary("..", Box::new(item), Box::new(end)), token, start)?;
                }
                items.push(item);
                if !self.is(",") {
                    break;
                }
                self.advance(false)?;
            }
        }
        self.expect("]", true)?;
        Ok(Kind::Array(items))
    }

    fn pairs(&mut self) -> Result<Vec<(Ast, Ast)>> {
        let mut pairs = Vec::new();
        if !self.is("}") {
            loop {
                let key = self.expression(0)?;
                self.expect(":", false)?;
                pairs.push((key, self.expression(0)?));
                if !self.is(",") {
                    break;
                }
                self.advance(false)?;
            }
        }
        self.expect("}", true)?;
        Ok(pairs)
    }

    fn transform(&mut self) -> Result<Kind> {
        let pattern = Box::new(self.expression(0)?);
        self.expect("|", false)?;
        let update = Box::new(self.expression(0)?);
        let mut delete = None;
        if self.is(",") {
            self.advance(false)?;
            delete = Some(Box::new(self.expression(0)?));
        }
        self.expect("|", false)?;
        Ok(Kind::Transform { pattern, update, delete })
    }

    /// What `token` makes of `left`; the token is behind already.
    fn infix(&mut self, mut left: Ast, token: Token) -> Result<Ast> {
        let span = token.span;
        let start = left.span.start;
        let power = binding_power(&token.lexeme);
        let Lexeme::Operator(operator) = token.lexeme else { return Ok(left) };
        let boxed = |ast: Ast| Box::new(ast);
        let kind = match operator {
            "." => Kind::Dot(boxed(left), boxed(self.expression(power)?)),
            "~>" => Kind::Apply(boxed(left), boxed(self.expression(power)?)),
            "(" => self.call(left, span)?,
            "[" => {
                if self.is("]") {
                    self.advance(false)?;
                    let mut step = &mut left;
                    while let Kind::Filter(inner, _) = &mut step.kind {
                        step = inner;
                    }
                    step.keep_array = true;
                    left.span.end = self.before;
                    return Ok(left);
                }
                let predicate = self.expression(0)?;
                self.expect("]", true)?;
                Kind::Filter(boxed(left), boxed(predicate))
            }
            "{" => Kind::GroupBy(boxed(left), self.pairs()?),
            "^" => self.order_by(left)?,
            ":=" => {
                let Kind::Variable(name) = &left.kind else {
                    return Err(Fault::new("S0212").at(left.at, left.span).token(shown(&left)));
                };
                let name = name.clone();
                self.bound.insert(name.clone());
                Kind::Bind(name, boxed(self.expression(power - 1)?))
            }
            "@" | "#" => {
                let right = self.expression(power)?;
                let Kind::Variable(name) = right.kind else {
                    return Err(Fault::new("S0214").at(right.at, right.span).token(operator));
                };
                self.bound.insert(name.clone());
                if operator == "@" {
                    Kind::Focus(boxed(left), name)
                } else {
                    Kind::Index(boxed(left), name)
                }
            }
            "?" => {
                let then = boxed(self.expression(0)?);
                let mut otherwise = None;
                if self.is(":") {
                    self.advance(false)?;
                    otherwise = Some(boxed(self.expression(0)?));
                }
                Kind::Condition { condition: boxed(left), then, otherwise }
            }
            "?:" => Kind::Default(boxed(left), boxed(self.expression(0)?)),
            "??" => Kind::Coalesce(boxed(left), boxed(self.expression(0)?)),
            _ => Kind::Binary(operator, boxed(left), boxed(self.expression(power)?)),
        };
        self.node(kind, span, start)
    }

    fn order_by(&mut self, left: Ast) -> Result<Kind> {
        self.expect("(", false)?;
        let mut terms = Vec::new();
        loop {
            let descending = self.is(">");
            if descending || self.is("<") {
                self.advance(false)?;
            }
            terms.push(Term { descending, expression: self.expression(0)? });
            if !self.is(",") {
                break;
            }
            self.advance(false)?;
        }
        self.expect(")", false)?;
        Ok(Kind::OrderBy(Box::new(left), terms))
    }

    fn call(&mut self, left: Ast, open: Span) -> Result<Kind> {
        let mut arguments = Vec::new();
        let mut partial = false;
        if !self.is(")") {
            loop {
                if self.is("?") {
                    partial = true;
                    let span = self.token.span;
                    arguments.push(Ast::new(Kind::Placeholder, span.end, span));
                    self.advance(false)?;
                } else {
                    arguments.push(self.expression(0)?);
                }
                if !self.is(",") {
                    break;
                }
                self.advance(false)?;
            }
        }
        self.expect(")", true)?;
        match &left.kind {
            Kind::Name(name) if name == "function" || name == "λ" => self.lambda(arguments, open),
            _ => Ok(Kind::Call { procedure: Box::new(left), arguments, partial }),
        }
    }

    fn lambda(&mut self, arguments: Vec<Ast>, _open: Span) -> Result<Kind> {
        let mut parameters = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let Kind::Variable(name) = &argument.kind else {
                return Err(Fault::new("S0208")
                    .at(argument.at, argument.span)
                    .token(shown(argument))
                    .value(Some(Json::from(index + 1))));
            };
            self.bound.insert(name.clone());
            parameters.push(name.clone());
        }
        let mut signature = None;
        if self.is("<") {
            let at = self.token.span;
            let mut depth = 1;
            let mut text = String::from("<");
            while depth > 0 && !self.is("{") && self.token.lexeme != Lexeme::End {
                self.advance(false)?;
                if self.is(">") {
                    depth -= 1;
                } else if self.is("<") {
                    depth += 1;
                }
                text.push_str(&self.token.shown());
            }
            let end = self.token.span.end;
            self.expect(">", false)?;
            let parsed = Signature::parse(&text).map_err(|(offset, fault)| {
                fault.at(at.end + offset as u32, Span { start: at.start, end })
            })?;
            signature = Some(Box::new(parsed));
        }
        self.expect("{", false)?;
        let body = Box::new(self.expression(0)?);
        self.expect("}", false)?;
        Ok(Kind::Lambda { parameters, signature, body })
    }
}

fn shown(ast: &Ast) -> String {
    match ast.shown() {
        Some(Json::String(text)) => text.to_string(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
