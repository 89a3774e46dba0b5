//! JSONata as AWS Step Functions speaks it, and as it is published.
//!
//! An [`Expression`] is compiled once and evaluated many times, from any number of threads:
//!
//! ```
//! use stepwright_json::{Json, json};
//! use stepwright_jsonata::{Bindings, Dialect, Environment, Expression, Limits};
//!
//! let expression = Expression::compile("$sum($states.input.prices)", Dialect::StepFunctions)?;
//! let states = json!({"input": {"prices": [1, 2, 3]}});
//! let bindings = Bindings::new().bind("states", &states);
//! let total =
//!     expression.evaluate(None, &bindings, &Environment::default(), &Limits::default())?;
//! assert_eq!(total, Some(Json::Int(6)));
//! # Ok::<(), stepwright_jsonata::Error>(())
//! ```
//!
//! The crate is pure. What the time is and where chance comes from is handed in as
//! [`Environment`]; how much an evaluation may cost is handed in as [`Limits`].

mod bindings;
mod compile;
mod datetime;
mod dialect;
mod error;
mod eval;
mod expression;
mod functions;
mod limits;
mod map;
mod node;
mod number;
mod regex;
mod signature;
mod stack;
mod syntax;
mod text;
mod value;

pub use bindings::Bindings;
pub use dialect::Dialect;
pub use error::Error;
pub use expression::{Expression, Reference, References, Variable};
pub use functions::{builtin_functions, decode_base64};
pub use limits::{Environment, Limits};
