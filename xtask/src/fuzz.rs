//! `cargo xtask fuzz`: fuzz targets, each for some time.

use crate::run as run_command;
use std::process::Command;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (seconds, wanted) = match arguments.split_first() {
        None => ("60", arguments),
        Some((first, rest)) if first.parse::<u32>().is_ok() => (first.as_str(), rest),
        Some(_) => ("60", arguments),
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let has_fuzz = Command::new("cargo")
        .args(["fuzz", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_fuzz {
        println!("cargo-fuzz is not there; it is installed from the crate registry");
        run_command(Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]))?;
    }
    let list = Command::new("cargo")
        .args(["fuzz", "list"])
        .current_dir(folder)
        .output()
        .map_err(|error| error.to_string())?;
    let listed = String::from_utf8_lossy(&list.stdout).into_owned();
    if let Some(unknown) = wanted.iter().find(|name| !listed.lines().any(|line| line == *name)) {
        return Err(format!("there is no fuzz target `{unknown}`; targets:\n{listed}"));
    }
    crate::seeds::write(std::path::Path::new(folder))?;
    let is_wanted = |target: &&str| wanted.is_empty() || wanted.iter().any(|name| name == target);
    for target in listed.lines().filter(is_wanted) {
        // The stable compiler is told to take the flags that fuzzing needs.
        let dictionary = crate::seeds::dictionary(target);
        run_command(
            Command::new("cargo")
                // None of our code is unsafe, so there is nothing for a sanitizer to find.
                .args(["fuzz", "run", "--sanitizer", "none", target])
                .args(["--", "-max_len=20000", "-timeout=20"])
                .arg(format!("-max_total_time={seconds}"))
                .args(dictionary.map(|path| format!("-dict={folder}/fuzz/{path}")))
                .env("RUSTC_BOOTSTRAP", "1")
                .current_dir(folder),
        )?;
    }
    Ok(())
}
