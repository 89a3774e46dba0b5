//! `stepwright parked`: the executions that a server leaves alone.

use crate::args::Parked;
use crate::report::Failure;
use std::process::ExitCode;
use stepwright_json::{Json, json};
use stepwright_server::Client;

/// Exit code 1 if there are parked executions.
pub(crate) fn run(arguments: &Parked) -> Result<ExitCode, Failure> {
    let client = Client::new(arguments.endpoint_url.as_deref(), &arguments.region)?;
    let asked = [("retry", &arguments.retry), ("abort", &arguments.abort)];
    for (action, arn) in asked {
        if let Some(arn) = arn {
            let body = json!({"executionArn": (arn.as_str()), "action": action});
            client.send("/parked", None, &body)?;
            anstream::println!(
                "{arn}: {}",
                if action == "retry" { "tried again" } else { "aborted" }
            );
            return Ok(ExitCode::SUCCESS);
        }
    }
    let reply = client.send("/parked", None, &json!({}))?;
    let parked = reply.get("executions").and_then(Json::as_array).cloned().unwrap_or_default();
    for one in &parked {
        let text = |key: &str| one.get(key).and_then(Json::as_str).unwrap_or_default();
        anstream::println!("{}\n  {}", text("executionArn"), text("reason"));
    }
    if parked.is_empty() {
        anstream::println!("No execution is parked.");
    }
    Ok(ExitCode::from(u8::from(!parked.is_empty())))
}
