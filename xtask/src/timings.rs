//! `cargo xtask timings`: where a cold build of the default binary goes, by what cargo says of it.

use crate::budget::target;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use stepwright_json::Json;

/// How many units are named.
const SHOWN: usize = 20;

/// A unit that was compiled.
#[derive(Clone, Debug, PartialEq)]
struct Unit {
    name: String,
    start: f64,
    took: f64,
}

/// Builds anew in a folder of its own, or reads what a build said before.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let report = match arguments {
        [] => build(&target().join("timings"))?,
        [option, file] if option == "--from" => PathBuf::from(file),
        _ => return Err("cargo xtask timings [--from FILE]".to_owned()),
    };
    let text = std::fs::read_to_string(&report)
        .map_err(|error| format!("{}: {error}", report.display()))?;
    let units = units(&text)?;
    print!("{}", table(&units));
    println!("{}", report.display());
    Ok(())
}

/// Builds as the README does, where nothing was built before.
fn build(folder: &Path) -> Result<PathBuf, String> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    crate::run(
        Command::new("cargo")
            .args(["build", "--release", "--locked", "--package", "stepwright", "--timings"])
            .env("CARGO_TARGET_DIR", folder),
    )?;
    Ok(folder.join("cargo-timings/cargo-timing.html"))
}

/// The units of a report: the page has them as JSON.
fn units(report: &str) -> Result<Vec<Unit>, String> {
    const MARK: &str = "const UNIT_DATA = ";
    let missing = || "the report of cargo has no units where they were".to_owned();
    let from = report.find(MARK).ok_or_else(missing)? + MARK.len();
    let length = report[from..].find("];").ok_or_else(missing)? + 1;
    let data = stepwright_json::parse(&report[from..from + length])
        .map_err(|error| format!("the units of the report are no JSON: {error}"))?;
    let unit = |unit: &Json| {
        let text = |key: &str| unit.get(key).and_then(Json::as_str).unwrap_or_default();
        let number = |key: &str| unit.get(key).and_then(Json::as_f64);
        let name = format!("{} {}{}", text("name"), text("version"), text("target"));
        Some(Unit { name, start: number("start")?, took: number("duration")? })
    };
    let units = data.as_array().into_iter().flat_map(|all| all.iter()).map(unit);
    units.collect::<Option<Vec<Unit>>>().filter(|units| !units.is_empty()).ok_or_else(missing)
}

/// What took how long, the longest first.
fn table(units: &[Unit]) -> String {
    let all: f64 = units.iter().map(|unit| unit.took).sum();
    let end = units.iter().map(|unit| unit.start + unit.took).fold(0.0, f64::max);
    let mut longest: Vec<&Unit> = units.iter().collect();
    longest.sort_by(|one, other| other.took.total_cmp(&one.took));
    let mut text = format!(
        "{} units, {all:.0} s of compiling in {end:.0} s: {:.1} at once\n",
        units.len(),
        all / end.max(0.01)
    );
    for unit in longest.iter().take(SHOWN) {
        let share = unit.took * 100.0 / all.max(0.01);
        writeln!(
            text,
            "{:7.1} s {share:5.1} %  ends at {:6.1} s  {}",
            unit.took,
            unit.start + unit.took,
            unit.name
        )
        .expect("text grows");
    }
    let rest: f64 = longest.iter().skip(SHOWN).map(|unit| unit.took).sum();
    if longest.len() > SHOWN {
        writeln!(
            text,
            "{rest:7.1} s {:5.1} %  the other {}",
            rest * 100.0 / all,
            longest.len() - SHOWN
        )
        .expect("text grows");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cargo 1.95 writes, but for what is left out.
    const REPORT: &str = r#"<script>
DURATION = 2;
const UNIT_DATA = [
  {"i": 1, "name": "anstyle", "version": "1.0.14", "mode": "todo", "target": "",
   "features": ["std"], "start": 0.22, "duration": 0.27, "sections": [["frontend", {"start": 0.0, "end": 0.21}]]},
  {"i": 3, "name": "rusqlite", "version": "0.37.0", "mode": "run-custom-build", "target": " build-script (run)",
   "features": [], "start": 0.5, "duration": 1.5, "sections": null}
];
const CONCURRENCY_DATA = [];
</script>"#;

    #[test]
    fn a_report_of_cargo_is_read() {
        let units = units(REPORT).expect("it can be read");
        assert_eq!(units.len(), 2);
        let table = table(&units);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "2 units, 2 s of compiling in 2 s: 0.9 at once");
        assert!(
            lines[1].contains("1.5 s") && lines[1].contains("rusqlite 0.37.0 build-script (run)"),
            "{table}"
        );
        assert!(lines[2].contains("15.3 %") && lines[2].ends_with("anstyle 1.0.14"), "{table}");
        for wrong in
            ["", "const UNIT_DATA = [];", "const UNIT_DATA = [{}];", "const UNIT_DATA = [{];"]
        {
            assert!(super::units(wrong).is_err(), "{wrong}");
        }
    }
}
