//! Prints the CloudFormation template of the orchestrator with its branch and polling machines.

mod branch;
mod orchestrator;
mod polling;

use stepwright_constructs::prelude::*;

fn main() -> Result<(), Misuses> {
    let stage = orchestrator::StageConfig::default();
    let template = Stack::new()
        .description("A flow orchestrator")
        .machine(orchestrator::machine(&orchestrator::Props::of_stage(stage)))
        .template()?;
    let json = template.to_json().pretty();
    std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{json}\n"))
        .expect("standard output can be written");
    Ok(())
}
