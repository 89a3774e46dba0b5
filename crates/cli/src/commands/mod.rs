//! The commands, one file for each.

mod check;
mod compile;
mod dev;
mod env;
mod explore;
mod fmt;
mod graph;
mod record;
mod replay;
mod run;
mod serve;
mod test;
mod test_state;

pub(crate) use run::compile;

use crate::args::{Arguments, Command};
use crate::report::Failure;
use crate::signals::stopped;
use std::process::ExitCode;
use stepwright_client as client;
use stepwright_upkeep as upkeep;

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Record(arguments) => record::record(&arguments),
        Command::Explore(arguments) => explore::explore(&arguments),
        Command::TestState(arguments) => test_state::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Fmt(arguments) => fmt::fmt(&arguments),
        Command::Lsp(crate::args::Lsp { stdio: _ }) => {
            let version = env!("CARGO_PKG_VERSION");
            let served = stepwright_lsp::serve(std::io::stdin(), std::io::stdout().lock(), version);
            let is_clean = served
                .map_err(|error| Failure::new(format!("the editor cannot be reached: {error}")))?;
            Ok(ExitCode::from(u8::from(!is_clean)))
        }
        Command::Graph(arguments) => graph::graph(&arguments),
        Command::Serve(arguments) => {
            crate::memory::give_back_early();
            serve::run(&arguments)
        }
        Command::Dev(arguments) => {
            crate::memory::give_back_early();
            dev::run(&arguments)
        }
        Command::Doctor(arguments) => upkeep::doctor(&arguments, async { stopped().await }),
        Command::Backup(arguments) => upkeep::backup(&arguments),
        Command::Store(arguments) => upkeep::stores(&arguments),
        Command::Parked(arguments) => client::parked(&arguments),
        Command::List(arguments) => client::list(&arguments),
        Command::Describe(arguments) => client::describe(&arguments),
        Command::History(arguments) => client::history(&arguments),
        Command::Logs(arguments) => client::logs(&arguments),
        Command::Start(arguments) => client::start(&arguments),
        Command::Stop(arguments) => client::stop(&arguments),
        Command::Redrive(arguments) => client::redrive(&arguments),
        Command::Fork(arguments) => client::fork(&arguments),
        Command::Why(arguments) => client::why(&arguments),
        Command::Completions(arguments) => {
            let mut out = std::io::stdout().lock();
            let mut command = crate::args::command();
            clap_complete::generate(arguments.shell, &mut command, "stepwright", &mut out);
            Ok(ExitCode::SUCCESS)
        }
        Command::Init(arguments) => upkeep::init(&arguments),
        Command::UpgradeCheck(arguments) => {
            upkeep::upgrade_check(&arguments, crate::config::kept, async { stopped().await })
        }
        Command::Env(arguments) => Ok(env::run(&arguments)),
        Command::Policy(arguments) => crate::policy::policy(&arguments),
        Command::Synth(arguments) => crate::synth::synth(&arguments),
    }
}
