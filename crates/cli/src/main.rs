//! The command `stepwright`.

mod args;
mod commands;
mod config;
mod console;
mod functions;
mod input;
mod memory;
mod policy;
mod project;
mod signals;
mod synth;

use std::process::ExitCode;
use stepwright_terminal::report;

/// Values are shared by reference counting, and this allocator is fast for many small pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The processes of functions are guarded by this program, and an expression of the CDK is
    // evaluated by it in a process of its own.
    let asked = stepwright_functions::guard_if_asked();
    if let Some(code) = asked.or_else(stepwright_functions::evaluate_if_asked) {
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
