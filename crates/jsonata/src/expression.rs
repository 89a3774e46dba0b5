use crate::bindings::Bindings;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::limits::{Environment, Limits};
use crate::node::Program;
use crate::syntax::Parsed;
use crate::syntax::ast::{Ast, Kind, Stage};
use crate::{compile, eval, functions, stack, syntax};
use std::sync::Arc;
use stepwright_json::{Json, Str};
use stepwright_source::Span;

/// A compiled expression. Cheap to clone; evaluated from any number of threads.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: Box<str>,
    dialect: Dialect,
    program: Program,
    references: References,
}

/// What an expression refers to that it does not bind itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Variables, in order, with the fields that are taken from them. Built-in functions are not
    /// among them.
    pub variables: Vec<Variable>,
    /// Fields taken from the input: `phone` in `phone & 'x'`.
    pub fields: Vec<Reference>,
    /// `$` where it is the input.
    pub context: Vec<Span>,
    /// `$$`.
    pub root: Vec<Span>,
    /// Built-in functions that are called or passed on.
    pub functions: Vec<Reference>,
}

/// A name and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name, without `$`.
    pub name: Str,
    /// Where it stands.
    pub span: Span,
}

/// A variable, and the row of fields right after it: `$states.input.id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name, without `$`.
    pub name: Str,
    /// Where the variable stands, without the fields.
    pub span: Span,
    /// The fields, as far as they are written out.
    pub fields: Vec<Reference>,
}

impl Expression {
    /// Compiles a text.
    pub fn compile(text: &str, dialect: Dialect) -> Result<Self, Error> {
        let compiled = syntax::parse(text, dialect.newer()).and_then(|parsed| {
            let references = references(&parsed, dialect);
            let program = compile::compile(parsed, dialect, &[])?;
            Ok(Compiled { text: text.into(), dialect, program, references })
        });
        match compiled {
            Ok(compiled) => Ok(Self(Arc::new(compiled))),
            Err(fault) => Err(fault.into_error(text)),
        }
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The dialect it was compiled in.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// What it refers to.
    pub fn references(&self) -> &References {
        &self.0.references
    }

    /// The variables it takes from outside, in order.
    pub fn variables(&self) -> &[Variable] {
        &self.0.references.variables
    }

    /// Its value on `input`; `None` is undefined.
    pub fn evaluate(
        &self,
        input: Option<&Json>,
        bindings: &Bindings<'_>,
        environment: &Environment,
        limits: &Limits<'_>,
    ) -> Result<Option<Json>, Error> {
        eval::evaluate(&self.0.program, self.0.dialect, input, bindings, environment, limits)
            .map_err(|fault| fault.into_error(&self.0.text))
    }
}

fn references(parsed: &Parsed, dialect: Dialect) -> References {
    let mut finder = Finder { dialect, found: References::default(), scopes: vec![Vec::new()] };
    finder.see(&parsed.root, true);
    finder.found
}

struct Finder {
    dialect: Dialect,
    found: References,
    /// Names bound in each scope around.
    scopes: Vec<Vec<Str>>,
}

impl Finder {
    /// `top` is whether the context is still the input of the whole expression.
    fn see(&mut self, ast: &Ast, top: bool) {
        stack::deeper(|| self.here(ast, top));
    }

    fn here(&mut self, ast: &Ast, top: bool) {
        match &ast.kind {
            Kind::Path(steps) => self.path(steps, top),
            Kind::Variable(_) => self.variable(ast, &[], top),
            Kind::Name(name) => {
                if top {
                    self.found.fields.push(Reference { name: name.clone(), span: ast.span });
                }
            }
            Kind::Bind(name, value) => {
                self.see(value, top);
                if let Some(scope) = self.scopes.last_mut() {
                    scope.push(name.clone());
                }
            }
            Kind::Block(expressions) => {
                self.scopes.push(Vec::new());
                for part in expressions {
                    self.see(part, top);
                }
                self.scopes.pop();
            }
            Kind::Lambda { parameters, body, .. } => {
                self.scopes.push(parameters.clone());
                self.see(body, top);
                self.scopes.pop();
            }
            Kind::Call { procedure, arguments, .. } => {
                self.see(procedure, top);
                for part in arguments {
                    self.see(part, top);
                }
            }
            Kind::Transform { pattern, update, delete } => {
                self.see(pattern, false);
                self.see(update, false);
                if let Some(delete) = delete {
                    self.see(delete, false);
                }
            }
            Kind::Object(pairs) => {
                for (key, value) in pairs {
                    self.see(key, top);
                    self.see(value, top);
                }
            }
            Kind::Sort(terms) => {
                for term in terms {
                    self.see(&term.expression, false);
                }
            }
            _ => {
                let filters = ast.predicate.iter().chain(&ast.stages).flatten().count();
                let grouped = ast.group.as_ref().map_or(0, |group| group.pairs.len() * 2);
                let parts = ast.parts();
                let own = parts.len() - filters.min(parts.len()) - grouped.min(parts.len());
                for part in parts.into_iter().take(own) {
                    self.see(part, top);
                }
            }
        }
        self.stages(ast);
    }

    /// Filters and groups: what is in them is seen from the items.
    fn stages(&mut self, ast: &Ast) {
        for stage in ast.predicate.iter().chain(&ast.stages).flatten() {
            match stage {
                Stage::Filter(filter) => self.see(filter, false),
                Stage::Index(name) => self.bound(name),
            }
        }
        for name in ast.focus.iter().chain(&ast.index) {
            self.bound(name);
        }
        if let Some(group) = &ast.group {
            for (key, value) in &group.pairs {
                self.see(key, false);
                self.see(value, false);
            }
        }
    }

    fn bound(&mut self, name: &Str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(name.clone());
        }
    }

    fn path(&mut self, steps: &[Ast], top: bool) {
        let Some((first, rest)) = steps.split_first() else { return };
        if matches!(first.kind, Kind::Variable(_)) {
            self.variable(first, rest, top);
            self.stages(first);
        } else {
            self.see(first, top);
        }
        for step in rest {
            self.see(step, false);
        }
    }

    fn variable(&mut self, ast: &Ast, rest: &[Ast], top: bool) {
        let Kind::Variable(name) = &ast.kind else { return };
        match name.as_str() {
            "" if top => self.found.context.push(ast.span),
            "" => {}
            "$" => self.found.root.push(ast.span),
            _ if self.scopes.iter().any(|scope| scope.contains(name)) => {}
            _ => {
                if functions::find(name, self.dialect).is_some() {
                    self.found.functions.push(Reference { name: name.clone(), span: ast.span });
                    return;
                }
                let filtered = ast.predicate.is_some() || ast.stages.is_some();
                let fields = rest
                    .iter()
                    .take_while(|_| !filtered)
                    .map_while(|step| match &step.kind {
                        Kind::Name(name) => {
                            Some((Reference { name: name.clone(), span: step.span }, step))
                        }
                        _ => None,
                    })
                    .scan(false, |ended, (reference, step)| {
                        if *ended {
                            return None;
                        }
                        *ended = step.stages.is_some();
                        Some(reference)
                    })
                    .collect();
                self.found.variables.push(Variable { name: name.clone(), span: ast.span, fields });
            }
        }
    }
}
