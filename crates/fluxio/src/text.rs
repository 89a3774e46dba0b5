//! The text of a project: limits on its size and depth, and its line ends.

use crate::Mode;
use crate::project::Project;
use crate::refused::{Result, refused};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ModModule, PythonVersion, Stmt};
use ruff_python_parser::{ParseOptions, parse_unchecked};
use ruff_text_size::{Ranged as _, TextRange};
use std::borrow::Cow;
use stepwright_source::{Diagnostic, Span};

/// The largest size of a project in bytes.
pub(crate) const MOST_BYTES: usize = 256 << 10;

/// The stack size for the deepest tree that a project of that size can have. Memory that is not
/// used costs nothing.
pub(crate) const STACK: usize = 512 << 20;

/// The deepest nesting of a statement or expression. Python's limit is similar.
const MOST_LEVELS: usize = 500;

/// Parses a project.
pub(crate) fn parse(source: &str, mode: Mode) -> Result<ModModule> {
    let mut options = ParseOptions::from(ruff_python_parser::Mode::Module);
    if mode == Mode::Compat {
        // The Python version that the original runs on.
        options = options.with_target_version(PythonVersion::PY311);
    }
    let parsed = parse_unchecked(source, options);
    if let Some(error) = parsed.errors().first() {
        return refused(error.location, format!("this is not Python: {}", error.error));
    }
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return refused(error.range, format!("this is not Python: {error}"));
    }
    let module = parsed.try_into_module().expect("a module was asked for").into_syntax();
    let mut levels = Levels { level: 0, too_deep: None };
    levels.visit_body(&module.body);
    match levels.too_deep {
        Some(range) => refused(range, format!("this is nested more than {MOST_LEVELS} levels")),
        None => Ok(module),
    }
}

/// Finds nesting that is too deep.
struct Levels {
    level: usize,
    too_deep: Option<TextRange>,
}

impl Levels {
    fn within(&mut self, range: TextRange, visit: impl FnOnce(&mut Self)) {
        if self.level == MOST_LEVELS {
            self.too_deep.get_or_insert(range);
            return;
        }
        self.level += 1;
        visit(self);
        self.level -= 1;
    }
}

impl<'a> Visitor<'a> for Levels {
    fn visit_expr(&mut self, expression: &'a Expr) {
        self.within(expression.range(), |levels| visitor::walk_expr(levels, expression));
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::If(inner) = statement
            && inner.elif_else_clauses.len() > MOST_LEVELS
        {
            self.too_deep.get_or_insert(inner.range);
        }
        self.within(statement.range(), |levels| visitor::walk_stmt(levels, statement));
    }
}

/// A text whose lines end with `\n` only, as Python reads it.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(crate) text: Cow<'a, str>,
    /// The positions in that text at which a character was removed.
    left_out: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(source: &'a str) -> Self {
        if !source.contains('\r') {
            return Self { text: source.into(), left_out: Vec::new() };
        }
        let mut text = String::with_capacity(source.len());
        let mut left_out = Vec::new();
        let mut rest = source;
        while let Some((line, after)) = rest.split_once('\r') {
            text.push_str(line);
            if after.starts_with('\n') {
                left_out.push(text.len());
            } else {
                text.push('\n');
            }
            rest = after;
        }
        text.push_str(rest);
        Self { text: text.into(), left_out }
    }

    /// Converts places in this text to places in the original text.
    pub(crate) fn place(
        &self,
        mut compiled: std::result::Result<Project, Vec<Diagnostic>>,
    ) -> std::result::Result<Project, Vec<Diagnostic>> {
        let spans: Vec<&mut Span> = match &mut compiled {
            Err(complaints) => {
                complaints.iter_mut().filter_map(|complaint| complaint.span.as_mut()).collect()
            }
            Ok(project) => {
                let mut spans: Vec<&mut Span> = project.places.values_mut().collect();
                for machine in project.machines.values_mut() {
                    if let Err(complaint) = &mut machine.definition {
                        spans.extend(complaint.span.as_mut());
                    }
                }
                for task in project.tasks.values_mut() {
                    spans.extend(task.complaints.iter_mut().filter_map(|one| one.span.as_mut()));
                }
                spans.extend(project.remarks.iter_mut().filter_map(|one| one.span.as_mut()));
                spans
            }
        };
        for span in spans {
            *span = Span::new(self.before(span.start as usize), self.before(span.end as usize));
        }
        compiled
    }

    fn before(&self, offset: usize) -> usize {
        offset + self.left_out.partition_point(|left_out| *left_out < offset)
    }
}
