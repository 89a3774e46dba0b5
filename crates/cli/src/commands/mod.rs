//! One file each command.

mod check;
mod fmt;
mod graph;
mod run;

pub(crate) use run::compile;

use crate::args::{Arguments, Command};
use crate::report::Failure;
use std::process::ExitCode;

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Fmt(arguments) => fmt::fmt(&arguments),
        Command::Graph(arguments) => graph::graph(&arguments),
        Command::Policy(arguments) => crate::policy::policy(&arguments),
        Command::Synth(arguments) => crate::synth::synth(&arguments),
    }
}
