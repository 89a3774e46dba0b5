//! `stepwright env`: what an SDK needs, as shell commands.

use crate::args::Env;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Env) -> ExitCode {
    let Env { listen, region } = arguments;
    anstream::println!("export AWS_ENDPOINT_URL_SFN=http://{listen}");
    anstream::println!("export AWS_ENDPOINT_URL_LAMBDA=http://{listen}");
    anstream::println!("# SDKs put `sync-` before the host of StartSyncExecution and TestState:");
    anstream::println!("export AWS_DISABLE_HOST_PREFIX_INJECTION=true");
    anstream::println!("export AWS_DEFAULT_REGION={region}");
    anstream::println!("# Any key will do as long as the server has no [[credentials]]:");
    anstream::println!("export AWS_ACCESS_KEY_ID=${{AWS_ACCESS_KEY_ID:-stepwright}}");
    anstream::println!("export AWS_SECRET_ACCESS_KEY=${{AWS_SECRET_ACCESS_KEY:-stepwright}}");
    ExitCode::SUCCESS
}
