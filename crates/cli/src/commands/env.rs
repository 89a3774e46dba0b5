//! `stepwright env`: the configuration of SDKs, as shell commands.

use crate::args::Env;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Env) -> ExitCode {
    let Env { listen, region, tls, local } = arguments;
    let scheme = if *tls { "https" } else { "http" };
    // Only what is asked for is sent here: the calls of other services are meant for AWS.
    let services = if *local { &[""][..] } else { &["_SFN", "_LAMBDA"] };
    for service in services {
        anstream::println!("export AWS_ENDPOINT_URL{service}={scheme}://{listen}");
    }
    anstream::println!("# SDKs put `sync-` before the host of StartSyncExecution and TestState:");
    anstream::println!("export AWS_DISABLE_HOST_PREFIX_INJECTION=true");
    anstream::println!("export AWS_DEFAULT_REGION={region}");
    anstream::println!("# Any key will do as long as the server has no [[credentials]]:");
    anstream::println!("export AWS_ACCESS_KEY_ID=${{AWS_ACCESS_KEY_ID:-stepwright}}");
    anstream::println!("export AWS_SECRET_ACCESS_KEY=${{AWS_SECRET_ACCESS_KEY:-stepwright}}");
    ExitCode::SUCCESS
}
