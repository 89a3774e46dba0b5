//! `stepwright env`: the configuration of SDKs, as shell commands.

use crate::args::Env;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Env) -> ExitCode {
    let Env { listen, region, tls } = arguments;
    let scheme = if *tls { "https" } else { "http" };
    anstream::println!("export AWS_ENDPOINT_URL_SFN={scheme}://{listen}");
    anstream::println!("export AWS_ENDPOINT_URL_LAMBDA={scheme}://{listen}");
    anstream::println!("# SDKs put `sync-` before the host of StartSyncExecution and TestState:");
    anstream::println!("export AWS_DISABLE_HOST_PREFIX_INJECTION=true");
    anstream::println!("export AWS_DEFAULT_REGION={region}");
    anstream::println!("# Any key will do as long as the server has no [[credentials]]:");
    anstream::println!("export AWS_ACCESS_KEY_ID=${{AWS_ACCESS_KEY_ID:-stepwright}}");
    anstream::println!("export AWS_SECRET_ACCESS_KEY=${{AWS_SECRET_ACCESS_KEY:-stepwright}}");
    ExitCode::SUCCESS
}
