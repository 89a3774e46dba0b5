//! Which callers the assembled server lets in, tested over the wire on every route.

mod accounts;
mod console;
mod limits;
mod listening;
mod oidc;
mod rights;
mod support;
mod tasks;
mod walk;
mod workers;
