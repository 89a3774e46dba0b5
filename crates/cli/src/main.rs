//! The command `stepwright`.

mod args;
mod client;
mod commands;
mod config;
mod console;
mod functions;
mod input;
mod policy;
mod project;
mod report;
mod signals;
mod synth;

use std::process::ExitCode;

/// Values are shared by reference counting, and this allocator is fast for many small pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // An expression of the CDK is evaluated by this program in a process of its own.
    if let Some(code) = stepwright_functions::evaluate_if_asked() {
        return code;
    }
    let arguments = args::parse();
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            report::failure(&error);
            ExitCode::from(2)
        }
    }
}
