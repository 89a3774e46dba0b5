//! The keys of states that nobody named: MD5 sums of their source.

use crate::printer::{self, Place};
use crate::syntax::Statement;
use md5::{Digest as _, Md5};
use ruff_python_ast::{Expr, ExprCall};

/// The sum of a statement. `namespace` keeps machines apart, where the original does.
pub(crate) fn of(statement: &Statement<'_>, namespace: &str) -> String {
    sum(namespace, &printer::statement(statement))
}

/// The sum of a call.
pub(crate) fn of_call(call: &ExprCall) -> String {
    sum("", &printer::expression(&Expr::Call(call.clone()), Place::Alone))
}

fn sum(namespace: &str, source: &str) -> String {
    let mut md5 = Md5::new();
    md5.update(namespace);
    md5.update(source.replace(['\n', ' '], ""));
    hex::encode(md5.finalize())
}
