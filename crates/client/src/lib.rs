//! A server of Step Functions from the command line: this program's, AWS's, or any other that has
//! the API.

mod api;
mod archive;
mod args;
mod describe;
mod find;
mod follow;
mod history;
mod list;
mod logs;
mod parked;
mod start;

pub use api::{Client, ClientError, Server};
pub use args::{
    Connection, Describe, Fork, Form, History, List, Logs, Parked, Printed, Redrive, Start, Stop,
    Target, Why,
};
pub use describe::describe;
pub use find::{execution, pages};
pub use history::{history, why};
pub use list::list;
pub use logs::logs;
pub use parked::parked;
pub use start::{fork, redrive, start, stop};
