//! The keys of states without a name: MD5 hashes of their source.

use crate::printer::{self, Place};
use crate::syntax::Statement;
use md5::{Digest as _, Md5};
use ruff_python_ast::{Expr, ExprCall};

/// The hash of a statement. `namespace` distinguishes machines where the original does.
pub(crate) fn of(statement: &Statement<'_>, namespace: &str) -> String {
    sum(namespace, &printer::statement(statement))
}

/// The hash of a call.
pub(crate) fn of_call(call: &ExprCall) -> String {
    sum("", &printer::expression(&Expr::Call(call.clone()), Place::Alone))
}

fn sum(namespace: &str, source: &str) -> String {
    let mut md5 = Md5::new();
    md5.update(namespace);
    md5.update(source.replace(['\n', ' '], ""));
    hex::encode(md5.finalize())
}
