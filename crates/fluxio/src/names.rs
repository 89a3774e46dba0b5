//! The names that the code of a task uses: each must be known within the task, because nothing else
//! of the project's file goes with it to where it runs.

use ruff_python_ast::visitor::{
    Visitor, walk_alias, walk_except_handler, walk_expr, walk_parameter, walk_pattern, walk_stmt,
    walk_type_param,
};
use ruff_python_ast::{
    Alias, ExceptHandler, Expr, ExprName, Parameter, Pattern, Stmt, StmtFunctionDef, TypeParam,
};
use std::collections::BTreeSet;

/// The names of the module `builtins` that are not exceptions, and those of every module.
const BUILTINS: &str = "abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable \
    chr classmethod compile complex copyright credits delattr dict dir divmod enumerate eval exec \
    exit filter float format frozenset getattr globals hasattr hash help hex id input int \
    isinstance issubclass iter len license list locals map max memoryview min next object oct \
    open ord pow print property quit range repr reversed round set setattr slice sorted \
    staticmethod str sum super tuple type vars zip Ellipsis False None NotImplemented True \
    __build_class__ __builtins__ __class__ __debug__ __doc__ __file__ __import__ __loader__ \
    __name__ __package__ __spec__";

/// The exceptions of the module `builtins`.
const EXCEPTIONS: &str = "ArithmeticError AssertionError AttributeError BaseException \
    BaseExceptionGroup BlockingIOError BrokenPipeError BufferError BytesWarning ChildProcessError \
    ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError \
    DeprecationWarning EOFError EncodingWarning EnvironmentError Exception ExceptionGroup \
    FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError \
    ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError \
    KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError \
    NotADirectoryError NotImplementedError OSError OverflowError PendingDeprecationWarning \
    PermissionError ProcessLookupError PythonFinalizationError RecursionError ReferenceError \
    ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError \
    SyntaxWarning SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError \
    UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning \
    UserWarning ValueError Warning ZeroDivisionError";

fn is_builtin(name: &str) -> bool {
    BUILTINS.split_whitespace().chain(EXCEPTIONS.split_whitespace()).any(|known| known == name)
}

/// The first name that a method uses although nothing there makes it known. `known` are the names
/// that its module has from the start.
///
/// A name that is bound anywhere in the method counts as known in all of it. Annotations are not
/// evaluated.
pub(crate) fn unknown_in_method<'a>(
    method: &'a StmtFunctionDef,
    known: &[&str],
) -> Option<&'a ExprName> {
    // Decorators and defaults are evaluated before the method is called, in its module.
    let mut around = Names::default();
    for decorator in &method.decorator_list {
        around.visit_expr(&decorator.expression);
    }
    for parameter in method.parameters.iter_non_variadic_params() {
        if let Some(default) = &parameter.default {
            around.visit_expr(default);
        }
    }
    let mut within = Names::default();
    within.bound.insert(method.name.as_str());
    if let Some(parameters) = &method.type_params {
        within.visit_type_params(parameters);
    }
    for parameter in &*method.parameters {
        within.bound.insert(parameter.name().as_str());
    }
    within.visit_body(&method.body);
    around.unknown(known).or_else(|| within.unknown(known))
}

/// The first name that statements of a class use although nothing there makes it known.
pub(crate) fn unknown_in_class<'a>(body: &'a [Stmt], known: &[&str]) -> Option<&'a ExprName> {
    let mut names = Names::default();
    names.visit_body(body);
    names.unknown(known)
}

#[derive(Default)]
struct Names<'a> {
    bound: BTreeSet<&'a str>,
    used: Vec<&'a ExprName>,
}

impl<'a> Names<'a> {
    fn unknown(&self, known: &[&str]) -> Option<&'a ExprName> {
        self.used.iter().copied().find(|used| {
            let name = used.id.as_str();
            !(self.bound.contains(name) || known.contains(&name) || is_builtin(name))
        })
    }
}

impl<'a> Visitor<'a> for Names<'a> {
    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression {
            if name.ctx.is_load() {
                self.used.push(name);
            } else {
                self.bound.insert(name.id.as_str());
            }
        }
        walk_expr(self, expression);
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(inner) => {
                self.bound.insert(inner.name.as_str());
            }
            Stmt::ClassDef(inner) => {
                self.bound.insert(inner.name.as_str());
            }
            Stmt::Global(inner) => {
                self.bound.extend(inner.names.iter().map(ruff_python_ast::Identifier::as_str));
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let name = match &alias.asname {
            Some(name) => name.as_str(),
            None => alias.name.split('.').next().unwrap_or_default(),
        };
        self.bound.insert(name);
        walk_alias(self, alias);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.bound.insert(parameter.name.as_str());
        walk_parameter(self, parameter);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        self.bound.extend(inner.name.iter().map(ruff_python_ast::Identifier::as_str));
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(inner) => inner.name.as_ref(),
            Pattern::MatchStar(inner) => inner.name.as_ref(),
            Pattern::MatchMapping(inner) => inner.rest.as_ref(),
            _ => None,
        };
        self.bound.extend(name.map(ruff_python_ast::Identifier::as_str));
        walk_pattern(self, pattern);
    }

    fn visit_type_param(&mut self, parameter: &'a TypeParam) {
        self.bound.insert(parameter.name().as_str());
        walk_type_param(self, parameter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruff_python_parser::parse_module;

    fn check(run: &str, expected: Option<&str>) {
        let module = parse_module(run).unwrap().into_syntax();
        let Stmt::FunctionDef(method) = &module.body[0] else { panic!("{run}") };
        let found = unknown_in_method(method, &[]).map(|name| name.id.as_str());
        assert_eq!(found, expected, "{run}");
    }

    #[test]
    fn names_are_known_where_the_method_binds_them() {
        check("def run(event, context):\n    import json\n    return json.dumps(event)\n", None);
        check("def run(event, context):\n    return json.dumps(event)\n", Some("json"));
        check("def run(event, context):\n    import a.b, c as d\n    return a, d\n", None);
        check("def run(event, context):\n    import a.b, c as d\n    return c\n", Some("c"));
        check(
            "def run(event, context):\n    from a import b as c\n    return [c(x) for x in event]\n",
            None,
        );
        check(
            "def run(event: Dict, context: Any) -> List:\n    x: Set = event\n    return x\n",
            None,
        );
        check(
            "def run(event, context):\n    def inner(y=1, *a, **k): return run, y, a, k\n    return inner\n",
            None,
        );
        check(
            "def run(event, context, client=boto3):\n    import boto3\n    return 1\n",
            Some("boto3"),
        );
        check("@cached\ndef run(event, context):\n    return 1\n", Some("cached"));
        check(
            "def run(event, context):\n    try:\n        pass\n    except KeyError as e:\n        return str(e)\n",
            None,
        );
        check(
            "def run(event, context):\n    try:\n        pass\n    except Custom:\n        pass\n",
            Some("Custom"),
        );
        check(
            "def run(event, context):\n    match event:\n        case {'a': a, **rest}: return a, rest\n        case [b, *c] as d: return b, c, d\n",
            None,
        );
        check(
            "def run(event, context):\n    if (n := len(event)) > 1: return f'{n} {m}'\n",
            Some("m"),
        );
        check(
            "def run(event, context):\n    with open('f') as f, g() as (h, i): return f, h, i\n",
            Some("g"),
        );
        check("def run(event, context):\n    return (lambda z: z + w)(1)\n", Some("w"));
        check("def run(event, context):\n    for k, v in event.items(): print(k, v)\n", None);
    }
}
