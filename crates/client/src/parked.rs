//! `stepwright parked`: the executions that a server leaves alone.

use crate::Parked;
use std::process::ExitCode;
use stepwright_json::{Json, json};
use stepwright_terminal::report::Failure;

/// `stepwright parked`: exit code 1 if there are parked executions.
pub fn parked(arguments: &Parked) -> Result<ExitCode, Failure> {
    let about = arguments.retry.as_deref().or(arguments.abort.as_deref());
    let client = arguments.connection.client(about)?;
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
