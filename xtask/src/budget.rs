//! What the default binary and the suite may take: `xtask/budget.txt`, beside what they do take.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The figures of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Budget {
    crates: u64,
    binary: u64,
    suite: u64,
}

impl Budget {
    fn read() -> Result<Self, String> {
        Self::of_text(include_str!("../budget.txt"))
    }

    fn of_text(text: &str) -> Result<Self, String> {
        let figure = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            let mut found = lines.filter(|(of, _)| of.trim() == name);
            let (_, number) = found.next().ok_or(format!("budget.txt has no `{name}`"))?;
            let number = number.trim();
            number.parse().map_err(|_| format!("`{name}` in budget.txt is `{number}`, no number"))
        };
        Ok(Self { crates: figure("crates")?, binary: figure("binary")?, suite: figure("suite")? })
    }

    /// What is wrong with these figures. Fewer crates are wrong as well, so that what was won stays.
    fn check(self, crates: u64, binary: Option<u64>) -> Result<(), String> {
        let Self { crates: budget, binary: most, .. } = self;
        if crates != budget {
            let what = if crates > budget { "more" } else { "fewer" };
            return Err(format!(
                "the default binary is built from {crates} crates, {what} than the {budget} of \
                 xtask/budget.txt: change the figure there, and say why in the commit"
            ));
        }
        match binary {
            Some(bytes) if bytes > most * 1_000 => Err(format!(
                "the release binary has {} kB, more than the {most} of xtask/budget.txt",
                bytes / 1_000
            )),
            _ => Ok(()),
        }
    }
}

/// Holds the binary to the budget, and prints where it stands.
pub(crate) fn check() -> Result<(), String> {
    let budget = Budget::read()?;
    let (crates, binary) = (crates()?, binary());
    println!("{}", shown(budget, crates, binary, None));
    budget.check(crates, binary)
}

/// Prints how long the suite took beside what it may take. A busy machine takes longer, so that it is only
/// printed.
pub(crate) fn print_suite(took: Duration) -> Result<(), String> {
    println!("{}", shown(Budget::read()?, crates()?, binary(), Some(took)));
    Ok(())
}

fn shown(budget: Budget, crates: u64, binary: Option<u64>, suite: Option<Duration>) -> String {
    let mut lines = vec![format!("budget: {crates} crates of {}", budget.crates)];
    match binary {
        Some(bytes) => {
            lines.push(format!("budget: binary of {} kB of {}", bytes / 1_000, budget.binary));
        }
        None => lines.push("budget: no release binary was built here".to_owned()),
    }
    if let Some(took) = suite {
        let minutes = took.as_secs_f64() / 60.0;
        let late =
            if minutes > budget.suite as f64 { ": LATE, unless others compile here" } else { "" };
        lines.push(format!("budget: suite of {minutes:.1} minutes of {}{late}", budget.suite));
    }
    lines.join("\n")
}

/// The crates that the default binary is built from, with the features that it has by default.
fn crates() -> Result<u64, String> {
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--locked", "--package", "stepwright", "--edges", "normal,build"]);
    tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    let output = tree.output().map_err(|error| format!("cargo tree: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut crates: Vec<&str> = text.lines().filter_map(name_and_version).collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates.len() as u64)
}

/// `serde v1.0.228` of `serde v1.0.228 (proc-macro)`.
fn name_and_version(line: &str) -> Option<&str> {
    let end = line.find(" (").unwrap_or(line.len());
    Some(line[..end].trim()).filter(|text| !text.is_empty())
}

/// The size of the release binary, if one was built.
fn binary() -> Option<u64> {
    Some(std::fs::metadata(target().join("release/stepwright")).ok()?.len())
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").filter(|path| !path.is_empty());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(""));
    named.map_or_else(|| root.join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_binary_is_within_its_budget() {
        check().expect("it is within its budget");
    }

    #[test]
    fn what_is_over_the_budget_is_refused() {
        let budget = Budget::of_text("# words\ncrates = 3\nbinary = 10\nsuite = 2\n");
        let budget = budget.expect("it is one");
        assert_eq!(budget, Budget { crates: 3, binary: 10, suite: 2 });
        assert_eq!(budget.check(3, None), Ok(()));
        assert_eq!(budget.check(3, Some(10_000)), Ok(()));
        for (crates, binary, said) in [
            (4, None, "more than the 3"),
            (2, None, "fewer than the 3"),
            (3, Some(10_001), "10 kB"),
        ] {
            let refused = budget.check(crates, binary).expect_err("it is over it");
            assert!(refused.contains(said), "{refused}");
        }
        assert!(Budget::of_text("crates = 3\nbinary = many\nsuite = 2").is_err());
        assert!(Budget::of_text("crates = 3").is_err());
        let late = shown(budget, 3, None, Some(Duration::from_secs(150)));
        assert!(late.contains("2.5 minutes of 2: LATE"), "{late}");
    }

    #[test]
    fn a_crate_is_counted_once() {
        assert_eq!(name_and_version("serde v1.0.228 (proc-macro)"), Some("serde v1.0.228"));
        assert_eq!(name_and_version("stepwright v0.1.0 (/x/cli)"), Some("stepwright v0.1.0"));
        assert_eq!(name_and_version(""), None);
    }
}
