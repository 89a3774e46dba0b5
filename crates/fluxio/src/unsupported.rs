//! Refuses statements that cannot become a state, and says what to write instead.

use crate::refused::{Result, refused_with};
use ruff_python_ast::Stmt;
use ruff_text_size::Ranged as _;

/// Refuses a statement.
pub(crate) fn statement<T>(statement: &Stmt) -> Result<T> {
    let (what, help) = match statement {
        Stmt::For(_) => (
            "`for` is not supported: a state machine does not loop over what is not known yet",
            "write the body as a function and `map(data['items'], function)`",
        ),
        Stmt::While(_) => (
            "`while` is not supported",
            "let a task decide, or nest a state machine that starts itself again",
        ),
        Stmt::Delete(_) => (
            "`del` is not supported: the data only grow",
            "set the key to None: `data['key'] = None`",
        ),
        Stmt::Assert(_) => ("`assert` is not supported", "write `if …: raise SomeError('why')`"),
        Stmt::AugAssign(_) => {
            ("a state machine does not compute", "let a task compute: `data['n'] = Add(data['n'])`")
        }
        Stmt::AnnAssign(_) => ("a value is assigned without its type", "write `data['key'] = …`"),
        Stmt::Import(_) | Stmt::ImportFrom(_) => {
            ("a state machine imports nothing", "imports belong into the `run` method of a task")
        }
        Stmt::FunctionDef(_) | Stmt::ClassDef(_) => (
            "functions and classes are defined at the top of the project",
            "move it there, above what uses it",
        ),
        Stmt::Match(_) => ("`match` is not supported", "write `if … elif … else`"),
        Stmt::With(_) => ("`async with` is not supported", "write `with retry(): …`"),
        Stmt::Try(_) => ("`except*` is not supported", "write `except`"),
        Stmt::Global(_) | Stmt::Nonlocal(_) => {
            ("a state machine has no variables but `data`", "write `data['key'] = …`")
        }
        _ => ("no state is made of this", "see the manual for what there is"),
    };
    refused_with(statement.range(), what, help)
}
