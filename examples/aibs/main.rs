//! Prints the CloudFormation template of a small pipeline made of the AIBS fragments.

mod stack;

use stepwright_constructs::prelude::*;

fn main() -> Result<(), Misuses> {
    let template = stack::stack().template()?;
    std::io::Write::write_all(&mut std::io::stdout(), template.to_json().pretty().as_bytes())
        .expect("standard output can be written");
    Ok(())
}
