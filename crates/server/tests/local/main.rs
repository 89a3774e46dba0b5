//! The local services, over the wire and for tasks: tours with boto3, the same against moto, races, and
//! what is left after the server has gone.

#![expect(clippy::print_stdout, reason = "a test says what it has compared")]

mod crash;
mod maps;
#[path = "../services/python.rs"]
mod python;
mod races;
mod rights;
mod server;
mod tasks;
mod tours;
mod wire;
