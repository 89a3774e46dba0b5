//! `cargo xtask fuzz`: every fuzz target for some time.

use crate::run as run_command;
use std::process::Command;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let seconds = match arguments.first() {
        None => "60".to_owned(),
        Some(seconds) if seconds.parse::<u32>().is_ok() => seconds.clone(),
        Some(other) => return Err(format!("`{other}` is not a number of seconds")),
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let has_fuzz = Command::new("cargo")
        .args(["fuzz", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_fuzz {
        run_command(Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]))?;
    }
    let list = Command::new("cargo")
        .args(["fuzz", "list"])
        .current_dir(folder)
        .output()
        .map_err(|error| error.to_string())?;
    for target in String::from_utf8_lossy(&list.stdout).lines() {
        // The stable compiler is told to take the flags that fuzzing needs.
        run_command(
            Command::new("cargo")
                .args(["fuzz", "run", target, "--", "-max_len=20000", "-timeout=20"])
                .arg(format!("-max_total_time={seconds}"))
                .env("RUSTC_BOOTSTRAP", "1")
                .current_dir(folder),
        )?;
    }
    Ok(())
}
