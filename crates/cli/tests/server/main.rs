//! The server as a process of its own, as its users meet it.

mod bad_input;
mod clients;
mod crash;
mod dev_project;
mod operations;
mod otlp;
mod record;
mod support;
