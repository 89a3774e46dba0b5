//! The project's one door: `cargo xtask <recipe>`.

mod conformance;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("conformance") => conformance::run(&arguments[1..]),
        _ => ExitCode::FAILURE,
    }
}
